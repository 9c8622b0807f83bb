"""The read quota: how many reads an account may make in 30 days, beside the rate limits for each second.

Stripe allows 500 GETs for each transaction over 30 rolling days, and never fewer than 10,000 a month (docs, "Rate limits",
read allocation). Stripe does not document what happens beyond that, so Reconciler stays below it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from reconciler.domain.read_limits_and_shortage import (
    QUOTA_DAYS,
    Endpoint,
    ReadsSpent,
    Source,
    SourceShares,
    spendable,
)
from reconciler.errors import StripeUnavailableError

READS_A_TRANSACTION: Final = 500
FEWEST_READS: Final = 10_000
READS_A_BOOKING: Final = 500
QUOTA_PART_A_BOOKING: Final = 0.005
"""An account with few reads books more often: a crash never loses more than this part of its 30-day read quota."""
FEWEST_A_BOOKING: Final = 25


class QuotaSpentError(StripeUnavailableError):
    """The part of the read quota that a source may use now is spent, so nothing more is read."""


def documented_reads(transactions: int) -> int:
    """How many reads Stripe allows an account with so many transactions in 30 days."""
    return max(FEWEST_READS, READS_A_TRANSACTION * transactions)


class ReadQuota:
    """The reads of one account in 30 days, by source. All sweeps of a process share it. Safe between threads.

    ``documented`` is what Stripe allows, ``share`` the part of it that Reconciler uses. ``tail_every`` is the
    configured interval of the tail, ``spent`` the reads that are booked in the database. A read counts as spent from
    the moment at which it is taken, also before it is booked.
    """

    def __init__(
        self,
        documented: int,
        share: float,
        tail_every: timedelta,
        spent: ReadsSpent = ReadsSpent(),  # noqa: B008
    ) -> None:
        self._share = share
        self._tail_every = tail_every
        self._booked = spent
        self._taken: Counter[Source] = Counter()
        self._lock = threading.Lock()
        self._booking_lock = threading.Lock()
        self.resize(documented)

    def resize(self, documented: int) -> None:
        """Set how many reads Stripe allows: this changes with the number of transactions."""
        with self._lock:
            self.documented = documented
            self.reserves = SourceShares(round(documented * self._share), self._tail_every)

    @property
    def allowed(self) -> int:
        """How many reads Reconciler uses in 30 days at most."""
        return self.reserves.allowed

    def left(self, source: Source, *, by_service: bool = False) -> int:
        """How many reads a source may still make now."""
        with self._lock:
            return self._left(source, by_service)

    def take(self, source: Source, endpoint: Endpoint, *, by_service: bool = False) -> None:
        """Take one read. Raises QuotaSpentError if there is none left for this source."""
        with self._lock:
            if self._left(source, by_service) <= 0:
                raise QuotaSpentError(
                    f"This account has {self.allowed:,} reads in {QUOTA_DAYS} days. The part of them that "
                    f"{_reader_of(source)} may use now is spent, so {endpoint} was not read.",
                    "Reads become available again day by day. If Stripe allows the account more reads, set "
                    "[budget] reads_per_30_days; [budget] share is the part of them that Reconciler uses.",
                )
            self._taken[source] += 1

    @property
    def has_to_be_booked(self) -> bool:
        """Whether so many reads are not booked yet that a crash would lose too many."""
        part = max(FEWEST_A_BOOKING, round(QUOTA_PART_A_BOOKING * self.reserves.allowed))
        with self._lock:
            return self._taken.total() >= min(READS_A_BOOKING, part)

    def renew(self, read_booked: Callable[[], ReadsSpent]) -> None:
        """Read anew what is booked: another process may have read since, and the oldest days no longer count."""
        with self._booking_lock:
            booked = read_booked()
            with self._lock:
                self._booked = booked

    def book(self, write: Callable[[Mapping[Source, int]], None]) -> None:
        """Book what was taken. If ``write`` raises, the error is raised, and the next call books it."""
        with self._booking_lock:
            # the lock is not held while the database is asked, so that other threads can go on reading
            with self._lock:
                taken = self._taken.copy()
            if not taken.total():
                return
            # nothing else changes what is booked while the booking lock is held
            booked = _sum(self._booked, taken)
            write({source: count for source, count in taken.items() if count})
            with self._lock:
                self._taken.subtract(taken)
                self._booked = booked

    def _left(self, source: Source, by_service: bool) -> int:
        return self.reserves.left(source, _sum(self._booked, self._taken), by_service=by_service)


class SourceQuota:
    """The read quota as one sweep sees it: its reads count for the source that was begun last.

    Before any source is begun, they count for a person.
    """

    def __init__(self, quota: ReadQuota) -> None:
        self.quota = quota
        self._source, self._by_service = Source.PERSON, False

    def begin(self, source: Source, *, by_service: bool) -> None:
        """Count the reads from now on for this source."""
        self._source, self._by_service = source, by_service

    def take(self, endpoint: Endpoint) -> None:
        """Take one read. Raises QuotaSpentError if there is none left for the source."""
        self.quota.take(self._source, endpoint, by_service=self._by_service)

    @property
    def left(self) -> int:
        """How many reads the source may still make now."""
        return self.quota.left(self._source, by_service=self._by_service)

    @property
    def spendable(self) -> int:
        """How many of them a plan may use: the recent events need some of them."""
        return spendable(self.left)


def _sum(booked: ReadsSpent, taken: Mapping[Source, int]) -> ReadsSpent:
    if not any(taken.values()):
        return booked
    month, day = Counter(booked.month), Counter(booked.day)
    month.update(taken)
    day.update(taken)
    return ReadsSpent(month, day)


def _reader_of(source: Source) -> str:
    return "a command" if source is Source.PERSON else f"the source {source}"
