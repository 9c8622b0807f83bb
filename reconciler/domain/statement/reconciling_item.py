"""Reconciling items: findings whose payment differs between the table and Stripe, as the ledger knew them at a moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

from reconciler.domain.findings.discrepancy import State

DIFFERS_STILL: Final = frozenset({State.OPEN.value, State.RESOLVED.value, State.IGNORED.value})
"""The states in which the two sides of a finding still differ. What a person settled with a note was not written."""


@dataclass(frozen=True, slots=True)
class FindingRecord:
    """A ledger entry about a finding: what was found, its end, or what a person accepted.

    ``difference`` is by currency, in minor units, what the rows call paid less what Stripe received. ``state`` is text,
    because old entries may hold what is no state any more. ``paid_at`` is when Stripe charged the customer.
    """

    seq: int
    at: datetime
    subject: str
    kind: str
    state: str
    difference: Mapping[str, int]
    payment_created: datetime | None
    severity: str | None = None
    reason: str | None = None
    paid_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReconcilingItem:
    """One payment that explains a part of the difference between the two sides. ``since`` is when it was found."""

    subject: str
    kind: str
    state: str
    currency: str
    amount: int
    payment_created: datetime
    since: datetime
    severity: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class FindingHistory:
    """The entries about one finding, in the order of ``seq``."""

    records: Sequence[FindingRecord]

    def at_entry(self, seq: int) -> tuple[ReconcilingItem, ...]:
        """The items as they were when the entry of this number was recorded: one for each currency that differed."""
        return _items([record for record in self.records if record.seq <= seq])

    def at_time(self, moment: datetime) -> tuple[ReconcilingItem, ...]:
        """The items as they were at a moment."""
        return _items([record for record in self.records if record.at <= moment])

    def between(self, start: datetime, end: datetime) -> tuple[ReconcilingItem, ...]:
        """The items that came up after ``start``, and were gone again at ``end``, as they were last."""
        if self.at_time(start):
            return ()
        until = [record for record in self.records if record.at <= end]
        if _items(until):
            return ()
        while until and not _items(until):
            until.pop()
        return _items(until) if until and until[-1].at > start else ()


def histories(records: Iterable[FindingRecord]) -> Iterator[FindingHistory]:
    """The history of each finding. The records of one finding stand together, in the order of ``seq``."""
    for _, found in groupby(records, key=lambda record: (record.subject, record.kind)):
        yield FindingHistory(tuple(found))


def _items(history: Sequence[FindingRecord]) -> tuple[ReconcilingItem, ...]:
    """What a finding explains after the entries of its history: an item for each currency."""
    if not history:
        return ()
    last = history[-1]
    created = last.payment_created
    if last.state not in DIFFERS_STILL or created is None:
        return ()
    since = last.at
    for record in reversed(history):
        if record.state not in DIFFERS_STILL or not record.difference:
            break
        since = record.at
    return tuple(
        ReconcilingItem(
            subject=last.subject,
            kind=last.kind,
            state=last.state,
            currency=currency,
            amount=amount,
            payment_created=created,
            since=since,
            severity=last.severity,
            reason=last.reason,
        )
        for currency, amount in last.difference.items()
        if amount
    )
