"""The rows of a merchant's table for a :class:`VirtualStripe`, made by one SELECT: a million rows in seconds."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.benchmarks.virtual_stripe import AMOUNT, DIGITS, PREFIX, VirtualStripe


@dataclass(frozen=True, slots=True)
class GeneratedRows:
    """``rows`` rows. The n-th is for intent ``n * intents_a_row``. Every ``open_every``-th is pending, the others are paid.

    Of the pending ones every ``wrong_every``-th was paid at Stripe. ``late_by`` is added to Stripe's time to give the
    row's, and ``scattered`` spreads it evenly up to so much on either side. With ``chosen``, these rows are the pending
    ones.
    """

    rows: int
    open_every: int = 1
    wrong_every: int = 50
    intents_a_row: int = 1
    late_by: timedelta = timedelta(0)
    scattered: timedelta = timedelta(0)
    chosen: tuple[int, ...] = ()

    @property
    def open(self) -> int:
        """How many rows are pending."""
        return len(self.chosen) or -(-self.rows // self.open_every)

    @property
    def wrong(self) -> int:
        """How many of the pending rows were paid at Stripe."""
        return -(-self.open // self.wrong_every)

    @property
    def intents(self) -> int:
        """How many intents Stripe has."""
        return self.rows * self.intents_a_row

    def is_paid(self, number: int) -> bool:
        """Whether an intent was paid at Stripe; an intent without a row never was."""
        row, other = divmod(number, self.intents_a_row)
        if other:
            return False
        if self.chosen:
            at = bisect_left(self.chosen, row)
            is_open = at < len(self.chosen) and self.chosen[at] == row
            return not is_open or at % self.wrong_every == 0
        nth, settled = divmod(row, self.open_every)
        return bool(settled) or nth % self.wrong_every == 0

    def select(self, stripe: VirtualStripe, numbers: range | None = None) -> str:
        """The SELECT that makes the rows: all of them, or those of ``numbers``."""
        wanted = range(self.rows) if numbers is None else numbers
        seconds = int(stripe.span.total_seconds())
        scattered = int(self.scattered.total_seconds())
        jitter = f"(n * 7919 % {2 * scattered + 1}) - {scattered}"
        created = f"n * {self.intents_a_row} * {seconds} / {self.intents} + {jitter}"
        base = (stripe.since + self.late_by).isoformat()
        digits = f"lpad((n * {self.intents_a_row})::text, {DIGITS}, '0')"
        is_open = f"n % {self.open_every} = 0"
        if self.chosen:
            is_open = f"n IN ({', '.join(map(str, self.chosen))})"

        return (
            f"SELECT n, '{PREFIX}' || {digits},"
            f" CASE WHEN {is_open} THEN 'pending' ELSE 'paid' END, {AMOUNT}, 'eur',"
            f" timestamptz '{base}' + ({created}) * interval '1 second', n::text"
            f" FROM generate_series({wanted.start}::bigint, {wanted.stop - 1}) AS n"
        )

    def stripe(self, now: datetime, age: timedelta = timedelta(days=29)) -> VirtualStripe:
        """The Stripe with the intents of these rows, created from ``age`` before ``now`` until three hours before it."""
        span = age - timedelta(hours=3)
        return VirtualStripe(self.intents, now - age, span, self.is_paid, lambda: now)
