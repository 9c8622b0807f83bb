"""What the ledger records: one entry for each correction, finding, decision of a person, day and sweep.

``hash_chain`` says how the entries of an account are chained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from reconciler.domain.audit.written_value import WrittenValue


class Action(StrEnum):
    """What an entry records."""

    CORRECTION = "correction"
    FINDING_OPENED = "finding_opened"
    FINDING_CHANGED = "finding_changed"
    RESOLUTION = "resolution"
    REOPENING = "reopening"
    """A person has opened a settled or reverted discrepancy again."""
    REVERT = "revert"
    NOTE = "note"
    NOTE_REDACTED = "note_redacted"
    """A person has blanked the text of a note."""
    ASSIGNMENT = "assignment"
    """A person has named the owner of a discrepancy."""
    PERIOD_PREPARED = "period_prepared"
    PERIOD_SIGNED = "period_signed"
    PERIOD_REOPENED = "period_reopened"
    REBIND = "rebind"
    CONFIGURATION = "configuration"
    """What decides results in the configuration has changed."""
    MIGRATION = "migration"
    """A person has brought Reconciler's own tables up to date."""
    PAUSE = "pause"
    RESUME = "resume"
    DAY_TOTALS = "day_totals"
    SWEEP = "sweep"
    """A sweep has ended. The first versions wrote "pass" instead."""  # banned-words: allowed, it is in old entries


@dataclass(frozen=True, slots=True)
class AskedBy:
    """Who asked for what an entry records.

    ``name`` is the account that the operating system or the web server knows. ``claimed`` is a name that this person
    gave besides, which nothing has checked.
    """

    name: str
    claimed: str | None = None
    fields: Mapping[str, object] = field(init=False, repr=False, compare=False)
    """The fields of an entry's body. It has ``claimed_by`` only if a name was given."""

    def __post_init__(self) -> None:
        fields = {"asked_by": self.name}
        if self.claimed is not None:
            fields["claimed_by"] = self.claimed
        # the class is frozen, and the fields follow from the names
        object.__setattr__(self, "fields", fields)


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry that is not recorded yet, so that it has no number and no hash."""

    action: Action
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Entry:
    """A recorded entry.

    ``seq`` counts the entries of an account from 1. ``at`` is the database's time of the record. ``prev`` is the hash
    of the entry before. ``action`` is text, because old entries hold values that ``Action`` no longer has. ``role`` is
    the database role that connected; None in an entry of the first recipe.
    """

    account: str
    seq: int
    at: datetime
    action: str
    body: Mapping[str, object]
    prev: str
    hash: str
    role: str | None = None


@dataclass(frozen=True, slots=True)
class LedgerHead:
    """The last entry of an account's chain: its number, its hash, and the time at which it was recorded."""

    seq: int
    hash: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CorrectionEntry:
    """A correction as the ledger holds it: what a revert needs.

    ``outcome`` is the one that was written. ``before`` and ``after`` are the row's values by column part. ``reverted`` is
    whether it was taken back already.
    """

    seq: int
    key: str
    payment_intent: str
    outcome: str
    before: Mapping[str, str | None]
    after: Mapping[str, str | None]
    reverted: bool
    columns: Mapping[str, Mapping[str, WrittenValue]] = field(default_factory=dict)
    """The columns of [payments.set] that were written: ``before`` and ``after``, by the column's name."""
