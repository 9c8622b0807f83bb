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

    def note(self, date: str | None, sent: float) -> datetime:
        """Take an answer's Date header; returns the earliest moment that the answer may show, a whole second.

        ``sent`` is when its request was sent, by the monotonic clock. The Date is that of the answer, so what it shows
        may be as much older as the answer took. Where there is no readable Date our own clock serves.
        """
        ours = self._clock.now()
        told = parse_date(date)
        moment = ours if told is None else told
        known = (moment, self._clock.monotonic())
        with self._lock:
            self._known = known
            self._skew = None if told is None else told - ours
        return _when_sent(moment, known[1] - sent)

    def without_note(self, sent: float) -> datetime:
        """The same for an answer that is not Stripe's own: by the time known from others, else by our clock."""
        moment = self.now() or self._clock.now()
        return _when_sent(moment, self._clock.monotonic() - sent)

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


def _when_sent(moment: datetime, seconds: float) -> datetime:
    return (moment - timedelta(seconds=seconds)).replace(microsecond=0)
