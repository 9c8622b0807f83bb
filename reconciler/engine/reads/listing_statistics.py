"""What a window sweep learns for later plans: how many intents there are for each row, and how far their times differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match

MOST_SAMPLES: Final = 10_000
TRIMMED: Final = 200
"""One in so many is left out at either end: a few imported rows must not widen every list."""


class ListingStatistics:
    """Counts what the lists of one sweep show. Times are in seconds, Stripe's less ours."""

    def __init__(self) -> None:
        self._listed = 0
        self._rows = 0
        self._skew: list[float] = []

    def add(self, listed: int, subjects: tuple[Match, ...]) -> None:
        """A page of a list, and those of its intents that rows hold."""
        self._listed += listed
        for subject in subjects:
            self._rows += len(subject.payments)
            if not isinstance(subject.intent, Intent) or len(self._skew) >= MOST_SAMPLES:
                continue
            created = subject.intent.created
            self._skew.extend(
                (created - payment.created).total_seconds()
                for payment in subject.payments
                if payment.created is not None
            )

    def body(self) -> Mapping[str, object]:
        """As it is kept with the sweep."""
        skew = sorted(self._skew)
        cut = len(skew) // TRIMMED
        return {
            "listed": self._listed,
            "listed_rows": self._rows,
            "skew_earliest": round(skew[cut], 3) if skew else 0,
            "skew_latest": round(skew[-1 - cut], 3) if skew else 0,
        }
