"""The slow budget: reads over 30 days, beside the requests a second that the pacer keeps.

Stripe allows 500 GETs for each transaction over 30 rolling days, and never fewer than 10,000 a month (docs, "Rate limits",
read allocation). How it is enforced is not documented, so that we do not find out.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from reconciler.domain.read_limits_and_shortage import (
    DAYS,
    Endpoint,
    ReadsSpent,
    Source,
    SourceShares,
)
from reconciler.errors import StripeUnavailableError

READS_A_TRANSACTION: Final = 500
FEWEST_READS: Final = 10_000


class QuotaSpentError(StripeUnavailableError):
    """A net's part of our reads over 30 days is used up: nothing more is asked."""


def documented_reads(transactions: int) -> int:
    """What Stripe allows an account with so many transactions in 30 days."""
    return max(FEWEST_READS, READS_A_TRANSACTION * transactions)


class ReadQuota:
    """Counts reads down, by net. One serves all sweeps of a process on an account; safe to share between threads.

    ``documented`` is what Stripe allows, ``share`` the part of it that we take, ``tail_every`` the configured pace of the
    tail, ``spent`` what was booked before. What was taken and is not booked yet counts as spent.
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
        self._books = threading.Lock()
        self.resize(documented)

    def resize(self, documented: int) -> None:
        """Take note that Stripe allows another number of reads: transactions came or went."""
        with self._lock:
            self.documented = documented
            self.reserves = SourceShares(round(documented * self._share), self._tail_every)

    @property
    def allowed(self) -> int:
        """Our share of the reads of 30 days."""
        return self.reserves.allowed

    def left(self, source: Source, *, by_service: bool = False) -> int:
        """Reads that a net may still make now."""
        with self._lock:
            return self._left(source, by_service)

    def take(self, source: Source, endpoint: Endpoint, *, by_service: bool = False) -> None:
        """Spend one. Raises QuotaSpentError where there is none."""
        with self._lock:
            if self._left(source, by_service) <= 0:
                raise QuotaSpentError(
                    f"What {_whose(source)} may take now of this account's {self.allowed:,} reads in {DAYS} days is"
                    f" spent, so {endpoint} was not asked.",
                    "They come back day by day. If Stripe allows the account more, say so in [budget]"
                    " reads_per_30_days; share is the part of it that we take.",
                )
            self._taken[source] += 1

    @property
    def unbooked(self) -> int:
        """Reads that were taken and not booked yet."""
        with self._lock:
            return self._taken.total()

    def renew(self, read: Callable[[], ReadsSpent]) -> None:
        """Begin anew from what is booked: others may have read meanwhile, and the oldest days drop out."""
        with self._books:
            booked = read()
            with self._lock:
                self._booked = booked

    def book(self, write: Callable[[Mapping[Source, int]], None]) -> None:
        """Have what was taken booked. What ``write`` raises comes out, and it is booked another time."""
        with self._books:
            with self._lock:
                taken = self._taken.copy()
            if not taken.total():
                return
            write({source: count for source, count in taken.items() if count})
            with self._lock:
                self._taken.subtract(taken)
                self._booked = _sum(self._booked, taken)

    def _left(self, source: Source, by_service: bool) -> int:
        return self.reserves.left(source, _sum(self._booked, self._taken), by_service=by_service)


class SourceQuota:
    """What one way into an account spends of the allowance: in the name of a person, until a net is cast."""

    def __init__(self, quota: ReadQuota) -> None:
        self.quota = quota
        self._source, self._by_service = Source.PERSON, False

    def cast(self, source: Source, *, by_service: bool) -> None:
        """What is read from now on is read by this net."""
        self._source, self._by_service = source, by_service

    def take(self, endpoint: Endpoint) -> None:
        """Spend one. Raises QuotaSpentError where there is none."""
        self.quota.take(self._source, endpoint, by_service=self._by_service)

    @property
    def left(self) -> int:
        """Reads that the net which is cast may still make now."""
        return self.left_for(self._source)

    def left_for(self, source: Source) -> int:
        """Reads that a net may still make now."""
        return self.quota.left(source, by_service=self._by_service)


def _sum(booked: ReadsSpent, taken: Mapping[Source, int]) -> ReadsSpent:
    if not any(taken.values()):
        return booked
    month, day = Counter(booked.month), Counter(booked.day)
    month.update(taken)
    day.update(taken)
    return ReadsSpent(month, day)


def _whose(source: Source) -> str:
    return "anybody" if source is Source.PERSON else f"the {source} net"
