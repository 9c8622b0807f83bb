"""``note``: a person writes down what they found out about a discrepancy."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.domain.review.note import Attachment, Note
from reconciler.entrypoints.cli.arguments import ByOption, JsonOption, parse_name
from reconciler.entrypoints.cli.output import moment_text, write_json, write_line
from reconciler.entrypoints.invocation import invocation
from reconciler.errors import UsageError
from reconciler.exit_codes import ExitCode


def note(
    context: typer.Context,
    number: Annotated[
        int,
        typer.Argument(
            metavar="ID",
            min=1,
            help="The number of the discrepancy. With --redact: the number of the note.",
        ),
    ],
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="[TEXT]",
            help="The text of a new note. Without a text, the command shows the notes.",
        ),
    ] = None,
    attach: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Store the name and the SHA-256 of a file with the note; the file itself is not stored.",
        ),
    ] = None,
    redact: Annotated[
        bool,
        typer.Option(
            "--redact",
            help="Blank the text of the note with this number. Its SHA-256 stays in the ledger.",
        ),
    ] = False,
    by: ByOption = None,
    json: JsonOption = False,
) -> int:
    """Add a note to a discrepancy, or show its notes.

    The text stands in Reconciler's own table, and the ledger has its SHA-256. Needs only the database.
    """
    from reconciler.engine.actions import note as notes
    from reconciler.engine.actions.find_discrepancies import existing_discrepancy
    from reconciler.wiring.review import open_review

    if redact and (text is not None or attach is not None):
        raise UsageError(
            "--redact takes the number of a note, and nothing else.",
            "Write: reconciler note --redact NOTE",
        )
    if attach is not None and text is None:
        raise UsageError("--attach belongs to a note.", "Write the text of the note too.")
    call = invocation(context)
    asked_by = AskedBy(call.asked_by, parse_name(by))
    attachment = None if attach is None else _attachment(attach)
    with open_review(call.settings(need_stripe=False, need_table=False)) as review:
        if redact:
            found: Sequence[Note] = (notes.redact_note(review.store, number, asked_by),)
        elif text is not None:
            found = (notes.add_note(review.store, number, text, asked_by, attachment),)
        else:
            found = review.store.notes(existing_discrepancy(review.store, number))
    if json:
        write_json([as_json(one) for one in found])
    elif found:
        for one in found:
            _write(one)
    else:
        write_line(f"Discrepancy {number} has no note.")
    return int(ExitCode.DONE)


def _attachment(path: Path) -> Attachment:
    try:
        with path.open("rb") as file:
            return Attachment(path.name, hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror}).", "Name a file that you may read."
        ) from None


def as_json(found: Note) -> Mapping[str, object]:
    """The documented shape of a note."""
    attached = found.attachment
    return {
        "id": found.id,
        "account": found.account,
        "discrepancy": found.discrepancy,
        "author": found.author,
        "claimed_by": found.claimed_by,
        "text": found.text,
        "attachment_name": None if attached is None else attached.name,
        "attachment_sha256": None if attached is None else attached.sha256,
        "at": found.at,
        "redacted_at": found.redacted_at,
        "redacted_by": found.redacted_by,
    }


def _write(found: Note) -> None:
    author = found.author if found.claimed_by is None else f"{found.author} as {found.claimed_by}"
    write_line(
        f"Note {found.id} of discrepancy {found.discrepancy}, {moment_text(found.at)}, {author}:"
    )
    if found.redacted_at is not None:
        write_line(f"  blanked by {found.redacted_by} on {moment_text(found.redacted_at)}")
    for line in (found.text or "").splitlines():
        write_line(f"  {line}")
    if found.attachment is not None:
        write_line(
            f"  file {found.attachment.name or '(name blanked)'}, SHA-256 {found.attachment.sha256}"
        )
