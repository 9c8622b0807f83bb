"""``export``: writes discrepancies and the ledger into files, for finance and auditors."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TextIO

import typer

from reconciler.adapters.postgres.discrepancies.discrepancy_list import DiscrepancyFilter, Sort
from reconciler.domain.audit.hash_chain import RECIPE, canonical_json
from reconciler.domain.audit.ledger_entry import Entry
from reconciler.domain.audit.read_entry import UnreadableEntryError
from reconciler.entrypoints.cli.arguments import AccountOption, chosen_accounts
from reconciler.entrypoints.cli.discrepancy_fields import NAMES, as_json
from reconciler.entrypoints.cli.output import json_text, takes_ascii_only, warn, write_csv
from reconciler.entrypoints.invocation import invocation
from reconciler.errors import BrokenLedgerError, UsageError
from reconciler.exit_codes import ExitCode
from reconciler.masking import map_texts, may_hold_secret, redact, visible_json

if TYPE_CHECKING:
    from reconciler.wiring.audit import Audit

ENTRY_NAMES: Final = ("account", "seq", "at", "action", "body", "prev", "hash", "v", "role")
HEAD_NAMES: Final = ("account", "seq", "hash")


class ExportFormat(StrEnum):
    """The format of an export."""

    JSONL = "jsonl"
    CSV = "csv"


def export(
    context: typer.Context,
    export_format: Annotated[
        ExportFormat,
        typer.Option(
            "--format",
            metavar="jsonl|csv",
            help="jsonl is one file with a type on each line; csv is a folder with a file for each type.",
        ),
    ] = ExportFormat.JSONL,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="The file for jsonl, or the folder for csv.  [default for jsonl: standard output]",
        ),
    ] = None,
    account: AccountOption = None,
) -> int:
    """Export discrepancies and the ledger.

    An auditor can recompute the ledger from the export. Needs only the database.
    """
    from reconciler.wiring.audit import open_audit

    if export_format is ExportFormat.CSV and output is None:
        raise UsageError("--format csv writes several files.", "Name a folder with --output.")
    # an auditor has neither a Stripe key nor the mapping of the table
    settings = invocation(context).settings(need_stripe=False, need_table=False)
    with open_audit(settings) as audit:
        accounts = chosen_accounts(audit.ledger.accounts(), account)
        if export_format is ExportFormat.CSV and output is not None:
            _write_folder(output, audit, accounts, account)
        elif output is None:
            _write_lines(sys.stdout, audit, accounts, account)
        else:
            with _replacing(output) as stream:
                _write_lines(stream, audit, accounts, account)
    return int(ExitCode.DONE)


def _discrepancies(audit: Audit, account: str | None) -> Iterator[Mapping[str, object]]:
    with audit.discrepancies.reading(
        DiscrepancyFilter(account=account, sort=Sort.LAST_SEEN)
    ) as found:
        for item in found:
            yield as_json(item)


def _entry(entry: Entry) -> Mapping[str, object]:
    """The fields of an entry. ``body`` is an object here; the hash is made of its canonical JSON.

    An entry of the first recipe has neither ``v`` nor ``role``, so that the fields are always those that were hashed.
    """
    role = {} if entry.role is None else {"v": RECIPE, "role": entry.role}
    return {
        "account": entry.account,
        "seq": entry.seq,
        "at": entry.at,
        "action": entry.action,
        "body": entry.body,
        "prev": entry.prev,
        "hash": entry.hash,
        **role,
    }


def _body_text(body: object) -> str:
    """The canonical text of a body, so that an auditor can hash the cell.

    A character that could control a terminal is escaped: then the canonical text is that of the JSON in the cell.
    """
    text = canonical_json(body)
    if may_hold_secret(text):
        text = canonical_json(map_texts(body, redact))
    return visible_json(text)


class LedgerExport:
    """Reads the ledgers of some accounts once. ``heads`` is complete after every entry was read."""

    def __init__(self, audit: Audit, accounts: Sequence[str]) -> None:
        self._audit = audit
        self._accounts = accounts
        self.heads: list[Mapping[str, object]] = []

    def entries(self) -> Iterator[Mapping[str, object]]:
        """Every entry, account by account. Each account's entries and its head are of one moment."""
        for name in self._accounts:
            with self._audit.ledger.chain(name) as chain:
                if chain.head is not None:
                    seq, digest = chain.head
                    self.heads.append({"account": name, "seq": seq, "hash": digest})
                try:
                    for entry in chain.entries:
                        yield _entry(entry)
                except UnreadableEntryError as error:
                    raise BrokenLedgerError(
                        f"Entry {error.seq} of account {name} cannot be exported: {error.what}.",
                        "See what else is wrong with: reconciler verify",
                    ) from None


def _write_lines(
    stream: TextIO, audit: Audit, accounts: Sequence[str], account: str | None
) -> None:
    ledgers = LedgerExport(audit, accounts)
    ascii_only = takes_ascii_only(stream)
    types: tuple[tuple[str, Iterable[Mapping[str, object]]], ...] = (
        ("discrepancy", _discrepancies(audit, account)),
        ("ledger", ledgers.entries()),
        # last: the heads are known after every entry was read
        ("ledger_head", ledgers.heads),
    )
    for name, values in types:
        stream.writelines(
            json_text({"type": name, **value}, ascii_only=ascii_only) + "\n" for value in values
        )


def _write_folder(folder: Path, audit: Audit, accounts: Sequence[str], account: str | None) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be created as a folder ({error.strerror}).",
            "Name another one with --output.",
        ) from None
    ledgers = LedgerExport(audit, accounts)
    types: tuple[tuple[str, tuple[str, ...], Iterable[Mapping[str, object]]], ...] = (
        ("discrepancies", NAMES, _discrepancies(audit, account)),
        (
            "ledger",
            ENTRY_NAMES,
            (
                {"v": None, "role": None, **entry, "body": _body_text(entry["body"])}
                for entry in ledgers.entries()
            ),
        ),
        ("ledger_heads", HEAD_NAMES, ledgers.heads),
    )
    for name, columns, rows in types:
        path = folder / f"{name}.csv"
        with _replacing(path) as stream:
            count = write_csv(columns, rows, stream, whole=True)
        warn(f"{path}: {count:,} lines")


@contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    """A file to write. It gets its name only after the block, so that a half-written file is never read."""
    if not path.name:
        raise UsageError(f"{path} is a folder.", "Name a file with --output.")
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        partial.replace(path)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written ({error.strerror}).", "Name another one with --output."
        ) from None
    finally:
        # it no longer exists if it was renamed
        with suppress(OSError):
            partial.unlink()
