"""How the rows of a day and Stripe's payments of it were matched: what the bridge of a certificate is made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match
from reconciler.domain.model.payment import Payment
from reconciler.domain.statement.day_money import Count


@dataclass(slots=True)
class DayMatching:
    """One day and currency, in minor units.

    ``matched_rows`` are the rows of which Stripe has the payment, ``only_local`` those of which it has none, both by the
    row's own day. ``only_stripe`` are the payments of the table that no row holds, by the payment's day.
    """

    matched_rows: Count = field(default_factory=Count)
    only_local: Count = field(default_factory=Count)
    only_stripe: Count = field(default_factory=Count)

    def as_body(self) -> dict[str, object]:
        """The counts as a ledger entry holds them."""
        return {
            "matched_rows": self.matched_rows.as_body(),
            "only_local": self.only_local.as_body(),
            "only_stripe": self.only_stripe.as_body(),
        }


class MatchingCounts:
    """Counts what a sweep has matched. ``day_of`` gives the day of the books of a moment."""

    def __init__(self, day_of: Callable[[datetime], date]) -> None:
        self._day_of = day_of
        self._days: defaultdict[tuple[date, str], DayMatching] = defaultdict(DayMatching)
        self._relinked: set[str] = set()

    def of(self, day: date, currency: str) -> DayMatching:
        """The counts of a day; of zeros if there are none."""
        return self._days.get((day, currency), DayMatching())

    def add_rows(
        self,
        match: Match,
        rows: Sequence[Payment],
        paying: Intent | None,
        *,
        is_again: bool = False,
    ) -> bool:
        """Count the rows of a match as they are after its decision; whether one of them holds the intent of the match.

        ``paying`` is the intent at which they point then, None if Stripe has none. ``is_again`` is whether the match was
        counted before, with its rows at its own intent.
        """
        holding = [row for row in rows if row.payment_intent == match.intent.id]
        # another match has counted those that were pointed at this intent
        if self._relinked:
            holding = [row for row in holding if row.key not in self._relinked]
        if not holding:
            return False
        for row in () if is_again else holding:
            # as the table's own sum has it, which leaves out such rows
            if row.amount is None or row.currency is None or row.created is None:
                continue
            counts = self._days[self._day_of(row.created), row.currency]
            counted = counts.only_local if paying is None else counts.matched_rows
            counted.add(row.amount)
        if paying is None or paying.id == match.intent.id:
            return True

        # the match of the other intent counts it as one without a row: it has none yet, or this one, which is counted
        self._relinked.update(row.key for row in holding)
        self.add_payment_without_row(paying, -1)
        if is_again and isinstance(match.intent, Intent):
            self.add_payment_without_row(match.intent)
        return False

    def add_payment_without_row(self, intent: Intent, count: int = 1) -> None:
        """Count a payment of the table that no row holds; -1 takes one back."""
        counts = self._days[self._day_of(intent.created), intent.currency]
        counts.only_stripe.add(count * intent.settled_amount, count)
