"""What listing a run of buckets is expected to cost."""

from __future__ import annotations

import math
from bisect import bisect_right
from datetime import datetime
from itertools import accumulate

from reconciler.domain.planning.histogram import PAGE_SIZE, Histogram, ListingModel


class ListingCosts:
    """What is expected at Stripe for any run of buckets, from a histogram and a listing model.

    A run is named by the indexes of its first and its last bucket, both included.
    """

    def __init__(self, histogram: Histogram, listing_model: ListingModel) -> None:
        self.buckets = histogram.buckets
        self.middle = (listing_model.earliest + listing_model.latest) / 2
        """By how much intents are shifted against their rows."""
        self.margin = (listing_model.latest - listing_model.earliest) / 2
        """By how much a list is widened at both ends, besides the shift."""
        self._ratio = max(1.0, listing_model.ratio)
        is_exact = self._ratio == 1 and not self.margin and not listing_model.unmet
        self.slack = 0 if is_exact else PAGE_SIZE // 2
        """Intents to add to each list: if counts are not exact, its last page is half full on average."""
        self._starts = [bucket.start for bucket in self.buckets]
        # sums from the first bucket on, so that a run costs two look-ups and no loop
        self._rows = [0, *accumulate(bucket.rows for bucket in self.buckets)]
        self._due = [0, *accumulate(bucket.due for bucket in self.buckets)]
        self._unmet = [math.ceil(listing_model.unmet * due) for due in self._due]

    def intents_before(self, moment: datetime) -> int:
        """The intents expected of the rows created before a moment, by the merchant's clock."""
        # rounded here and nowhere else, so that the numbers of several runs add up
        return math.floor(self._before(moment, self._rows) * self._ratio + 0.5)

    def due_before(self, moment: datetime) -> int:
        """The due rows expected to be created before a moment, by the merchant's clock."""
        return math.floor(self._before(moment, self._due) + 0.5)

    def _before(self, moment: datetime, sums: list[int]) -> float:
        """A sum up to a moment. Rows are taken as spread evenly over their bucket."""
        at = bisect_right(self._starts, moment) - 1
        if at < 0:
            return 0
        bucket = self.buckets[at]
        if moment >= bucket.end:
            return sums[at + 1]
        share = (moment - bucket.start) / (bucket.end - bucket.start)
        return sums[at] + share * (sums[at + 1] - sums[at])

    def intents(self, first: int, last: int) -> int:
        """The intents in the widened list that covers a run."""
        since, until = self.buckets[first].start, self.buckets[last].end
        return self.intents_before(until + self.margin) - self.intents_before(since - self.margin)

    def due(self, first: int, last: int) -> int:
        """The due rows of a run."""
        return self._due[last + 1] - self._due[first]

    def unmet(self, first: int, last: int) -> int:
        """The due rows of a run that a list is expected not to show."""
        return self._unmet[last + 1] - self._unmet[first]
