"""The entries of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Action(StrEnum):
    """What an entry records."""

    CORRECTION = "correction"
    FINDING_OPENED = "finding_opened"
    FINDING_CHANGED = "finding_changed"
    RESOLUTION = "resolution"
    REVERT = "revert"
    NOTE = "note"
    DAY_TOTALS = "day_totals"
    SWEEP = "sweep"
    """A sweep has ended. Entries of the first versions say "pass" and stay as they are."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry before it has its place in the chain."""

    action: Action
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Entry:
    """A recorded entry. ``at`` is the database's clock."""

    account: str
    seq: int
    at: datetime
    action: str
    body: Mapping[str, object]
    prev: str
    hash: str


@dataclass(frozen=True, slots=True)
class CorrectionEntry:
    """A correction as the ledger has it: what a revert needs."""

    seq: int
    key: str
    payment_intent: str
    before: Mapping[str, str | None]
    after: Mapping[str, str | None]
    reverted: bool
