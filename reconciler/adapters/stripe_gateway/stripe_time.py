"""Stripe's clock, as its ``Date`` headers tell it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from reconciler.clock import Clock


def parse_date(value: str | None) -> datetime | None:
    """An RFC 7231 date as an aware time in UTC, None where there is none or it is not one."""
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class StripeTime:
    """The time at Stripe: the latest answer's, moved on by our monotonic clock. Safe to share between threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[datetime, float] | None = None
        self._skew: timedelta | None = None

    def note(self, date: str | None) -> datetime:
        """Take an answer's Date header; returns the time of that answer, ours where it has no readable one."""
        ours = self._clock.now()
        told = parse_date(date)
        moment = ours if told is None else told
        known = (moment, self._clock.monotonic())
        with self._lock:
            self._known = known
            self._skew = None if told is None else told - ours
        return moment

    @property
    def skew(self) -> timedelta | None:
        """Stripe's clock less ours at the latest answer, None where that had no date. Exact to a second."""
        with self._lock:
            return self._skew

    def now(self) -> datetime | None:
        """The time at Stripe, None before the first answer."""
        with self._lock:
            known = self._known
        if known is None:
            return None
        moment, at = known
        return moment + timedelta(seconds=self._clock.monotonic() - at)
