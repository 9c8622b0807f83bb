"""What the lists of a window sweep add up to: totals for each day, and statistics for later plans."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from reconciler.domain.audit.ledger_entry import Action, Draft
from reconciler.domain.model.intent import Intent, MissingIntent
from reconciler.domain.model.match import Match
from reconciler.domain.model.time_range import TimeRange

MOST_SAMPLES: Final = 10_000
"""The most differences in time that a sweep keeps."""
TRIMMED: Final = 200
"""One in so many is left out at either end, so that a few imported rows do not widen every list."""


class ListingTotals:
    """Adds up the pages of a window's lists. The day of a payment is the day on which Stripe created its intent.

    The day totals are count and sum by outcome on both sides, for each UTC day and currency. Agreeing payments leave
    no other trace, and a statement must be reproducible when the merchant's table has changed.
    """

    def __init__(self) -> None:
        self._stripe: dict[tuple[date, str], dict[str, list[int]]] = defaultdict(dict)
        self._local: dict[tuple[date, str], dict[str, list[int]]] = defaultdict(dict)
        self._listed = 0
        self._rows = 0
        self._skews: list[float] = []

    def add_page(self, intents: Sequence[Intent | MissingIntent], matches: Sequence[Match]) -> None:
        """Add the intents of a page of a list, and the matches that have rows, as they were loaded."""
        self._listed += len(intents)
        for intent in intents:
            if isinstance(intent, Intent):
                key = (intent.created.astimezone(UTC).date(), intent.currency)
                _add(self._stripe[key], intent.outcome.value, intent.settled_amount)
        for match in matches:
            self._rows += len(match.payments)
            if isinstance(match.intent, Intent):
                self._add_rows(match, match.intent)

    def _add_rows(self, match: Match, intent: Intent) -> None:
        day = intent.created.astimezone(UTC).date()
        takes_samples = len(self._skews) < MOST_SAMPLES
        for payment in match.payments:
            key = (day, payment.currency or intent.currency)
            _add(self._local[key], payment.outcome.value, payment.amount or 0)
            if takes_samples and payment.created is not None:
                self._skews.append((intent.created - payment.created).total_seconds())

    def day_entries(
        self, sweep: int | None, covered: TimeRange, listed_from: datetime
    ) -> tuple[Draft, ...]:
        """A ledger entry for each day that the sweep covered from its first second to its last.

        ``listed_from`` is Stripe's time when the lists began: a day that ended later was not over when it was listed.
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

    def statistics(self) -> Mapping[str, object]:
        """How many intents were listed, how many rows hold them, and how far their times differ.

        Stored with the sweep for later plans. The skew is Stripe's time minus the row's time, in seconds.
        """
        skews = sorted(self._skews)
        cut = len(skews) // TRIMMED
        return {
            "listed": self._listed,
            "listed_rows": self._rows,
            "skew_earliest": round(skews[cut], 3) if skews else 0,
            "skew_latest": round(skews[-1 - cut], 3) if skews else 0,
        }


def _add(sums: dict[str, list[int]], outcome: str, amount: int) -> None:
    entry = sums.setdefault(outcome, [0, 0])
    entry[0] += 1
    entry[1] += amount


def _as_body(sums: dict[str, list[int]]) -> dict[str, dict[str, int]]:
    return {outcome: {"count": n, "amount": amount} for outcome, (n, amount) in sums.items()}


def _is_whole(day: date, covered: TimeRange, listed_from: datetime) -> bool:
    start = datetime.combine(day, time(), UTC)
    end = start + timedelta(days=1)
    begins_inside = covered.since is None or covered.since <= start
    return begins_inside and end <= min(covered.until or listed_from, listed_from)
