"""What a person wrote about a discrepancy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that a note names: its name and its SHA-256 in hex. The file itself is not stored.

    ``name`` is None after the note was redacted.
    """

    name: str | None
    sha256: str


@dataclass(frozen=True, slots=True)
class Note:
    """A stored note. ``at`` is the database's clock; ``claimed_by`` is a name that nothing has checked.

    ``text`` is None after ``redacted_by`` blanked it.
    """

    id: int
    account: str
    discrepancy: int
    author: str
    claimed_by: str | None
    text: str | None
    attachment: Attachment | None
    at: datetime
    redacted_at: datetime | None = None
    redacted_by: str | None = None
