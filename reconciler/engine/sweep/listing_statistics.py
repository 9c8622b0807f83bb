"""What the lists of a window sweep show for later plans: intents for each row, and how far the two sides' times differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from reconciler.domain.model.intent import Intent, MissingIntent
from reconciler.domain.model.match import Match

MOST_SAMPLES: Final = 10_000
"""The most differences in time that a sweep keeps."""
TRIMMED: Final = 200
"""One in so many is left out at either end, so that a few imported rows do not widen every list."""


class ListingStatistics:
    """Counts the pages of a window's lists."""

    def __init__(self) -> None:
        self._listed = 0
        self._rows = 0
        self._skews: list[float] = []

    def add_page(self, intents: Sequence[Intent | MissingIntent], matches: Sequence[Match]) -> None:
        """Add the intents of a page of a list, and the matches that have rows, as they were loaded."""
        self._listed += len(intents)
        for match in matches:
            self._rows += len(match.payments)
            # ten thousand differences show the skew well enough
            if isinstance(match.intent, Intent) and len(self._skews) < MOST_SAMPLES:
                created = match.intent.created
                self._skews += [
                    (created - payment.created).total_seconds()
                    for payment in match.payments
                    if payment.created is not None
                ]

    def as_body(self) -> Mapping[str, object]:
        """How many intents were listed, how many rows hold them, and how far their times differ.

        Stored with the sweep for later plans. The skew is Stripe's time minus the row's time, in seconds.
        """
        skews = sorted(self._skews)
        # the ends are left out: rows that were imported years later would widen every list
        cut = len(skews) // TRIMMED
        return {
            "listed": self._listed,
            "listed_rows": self._rows,
            "skew_earliest": round(skews[cut], 3) if skews else 0,
            "skew_latest": round(skews[-1 - cut], 3) if skews else 0,
        }
