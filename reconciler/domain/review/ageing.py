"""Ageing buckets: how much money of open findings is how many days old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

BUCKETS: Final = ("0-1", "2-7", "8-30", "over 30")
"""The buckets by whole days since a finding was opened, the youngest first."""
_FIRST_DAYS: Final = (31, 8, 2)
"""From how many days on the older buckets begin, the oldest first."""


@dataclass(frozen=True, slots=True)
class AgedMoney:
    """How many payments of a currency have findings of an age, and their money in minor units."""

    currency: str
    bucket: str
    count: int
    amount: int


def bucket_starts(now: datetime) -> tuple[datetime, ...]:
    """The times that divide the buckets, in their order: what was opened before the first is over 30 days old."""
    # a finding is two days old when two whole days have passed
    return tuple(now - timedelta(days=days) + timedelta(microseconds=1) for days in _FIRST_DAYS)


def aged(rows: Sequence[tuple[str, int, int, int]]) -> tuple[AgedMoney, ...]:
    """Every bucket of every currency. A row is (currency, how many of ``bucket_starts`` passed, count, amount)."""
    found = {(currency, position): (count, amount) for currency, position, count, amount in rows}
    return tuple(
        AgedMoney(currency, bucket, *found.get((currency, len(BUCKETS) - 1 - number), (0, 0)))
        for currency in sorted({currency for currency, _ in found})
        for number, bucket in enumerate(BUCKETS)
    )


def bucket_of(opened_at: datetime, now: datetime) -> str:
    """The bucket of a finding that was opened then."""
    days = (now - opened_at) // timedelta(days=1)
    older = sum(days >= first for first in _FIRST_DAYS)
    return BUCKETS[older]
