"""A person writes a note about a discrepancy, or blanks one."""

from __future__ import annotations

from typing import Final

from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.domain.review.note import Attachment, Note
from reconciler.engine.actions.find_discrepancies import existing_discrepancy
from reconciler.engine.actions.review_store import ReviewStore
from reconciler.errors import UsageError
from reconciler.masking import redact

LONGEST_NOTE: Final = 20_000
"""In characters."""
LONGEST_FILE_NAME: Final = 255


class UnusableNoteError(UsageError):
    """What a person wrote is empty, too long or has a NUL in it. Nothing was stored."""


def add_note(
    store: ReviewStore,
    discrepancy_id: int,
    text: str,
    by: AskedBy,
    attachment: Attachment | None = None,
) -> Note:
    """Add a note; the ledger gets its SHA-256. A secret in the text is masked.

    Raises UsageError if there is no such discrepancy, and for a text that is empty, too long or has a NUL in it.
    """
    written = checked_text(text, "a note")
    if attachment is not None:
        attachment = Attachment(_file_name(attachment.name or ""), attachment.sha256)
    return store.add_note(existing_discrepancy(store, discrepancy_id), written, by, attachment)


def checked_text(text: str, name: str) -> str:
    """What a person wrote, without spaces around it and with its secrets masked. ``name`` is for the message.

    Raises UsageError if it is empty, too long or has a NUL in it.
    """
    written = redact(text.strip())
    if not written:
        raise UnusableNoteError(f"{name} is empty.", "Write a few words about what you found out.")
    if len(written) > LONGEST_NOTE or "\x00" in written:
        raise UnusableNoteError(
            f"{name} is longer than {LONGEST_NOTE:,} characters, or has a NUL in it.",
            "Attach a long text as a file with: reconciler note --attach FILE",
        )
    return written


def redact_note(store: ReviewStore, note_id: int, by: AskedBy) -> Note:
    """Blank a note's text and the name of its file; their hashes stay in the ledger. Returns the note as it is then.

    Raises UsageError if there is no such note, or if its text was blanked before.
    """
    note = store.note(note_id)
    if note is None:
        raise UsageError(
            f"there is no note {note_id}.", "Show the notes of a discrepancy: reconciler note ID"
        )
    if not store.redact_note(note, by):
        raise UsageError(f"the text of note {note_id} is blanked already.")
    return store.note(note_id) or note


def _file_name(name: str) -> str:
    shown = redact(name.strip())
    if not shown or len(shown) > LONGEST_FILE_NAME or not shown.isprintable():
        raise UsageError(
            "the attached file's name is empty, too long or not printable.", "Rename the file."
        )
    return shown
