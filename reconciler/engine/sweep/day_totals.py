"""Count and sum by outcome on both sides, for each UTC day and currency.

Agreeing payments leave no other trace, and a statement has to be reproducible when the merchant's table has moved on.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta

from reconciler.domain.audit.ledger_entry import Action, Draft
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match
from reconciler.domain.model.time_range import TimeRange


class DayTotals:
    """Adds up a window sweep. The day is that on which Stripe created the intent."""

    def __init__(self) -> None:
        self._stripe: dict[tuple[date, str], dict[str, list[int]]] = defaultdict(dict)
        self._local: dict[tuple[date, str], dict[str, list[int]]] = defaultdict(dict)

    def add_intent(self, intent: Intent) -> None:
        """An intent that the list showed."""
        key = (intent.created.astimezone(UTC).date(), intent.currency)
        _count(self._stripe[key], intent.outcome.value, intent.settled_amount)

    def add_rows(self, subject: Match) -> None:
        """The rows of an intent that the list showed, as they were when the page was loaded."""
        if not isinstance(subject.intent, Intent):
            return
        day = subject.intent.created.astimezone(UTC).date()
        for payment in subject.payments:
            key = (day, payment.currency or subject.intent.currency)
            _count(self._local[key], payment.outcome.value, payment.amount or 0)

    def drafts(
        self, sweep: int | None, covered: TimeRange, listed_from: datetime
    ) -> tuple[Draft, ...]:
        """A ledger entry for each day that the sweep covered from its first second to its last.

        ``listed_from`` is when the lists began: a day that ended later was not over when it was listed.
        """
        days = sorted(self._stripe.keys() | self._local.keys())
        return tuple(
            Draft(
                Action.DAY_TOTALS,
                {
                    "sweep": sweep,
                    "day": day.isoformat(),
                    "currency": currency,
                    "stripe": _as_body(self._stripe.get((day, currency), {})),
                    "local": _as_body(self._local.get((day, currency), {})),
                },
            )
            for day, currency in days
            if _is_whole(day, covered, listed_from)
        )


def _count(sums: dict[str, list[int]], outcome: str, amount: int) -> None:
    entry = sums.setdefault(outcome, [0, 0])
    entry[0] += 1
    entry[1] += amount


def _as_body(sums: dict[str, list[int]]) -> dict[str, dict[str, int]]:
    return {outcome: {"count": n, "amount": amount} for outcome, (n, amount) in sums.items()}


def _is_whole(day: date, covered: TimeRange, listed_from: datetime) -> bool:
    start = datetime.combine(day, time(), UTC)
    end = start + timedelta(days=1)
    began = covered.since is None or covered.since <= start
    return began and end <= min(covered.until or listed_from, listed_from)
