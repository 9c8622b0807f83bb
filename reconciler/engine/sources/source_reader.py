"""What the sources of one sweep share: the intents met so far, the range that is asked for, and the reads that are left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from reconciler.domain.model.payment import RowReference
from reconciler.domain.model.time_range import TimeRange
from reconciler.engine.id_sets import IdSet
from reconciler.engine.reads.fetcher import FetchedPage, Fetcher
from reconciler.engine.reads.id_reader import QUOTA_SHORT
from reconciler.engine.report import Moment, SweepReport, SweepRequest
from reconciler.engine.sources.row_ids import RowIds
from reconciler.engine.sweep_context import SweepContext
from reconciler.errors import UsageError

ROWS_A_QUERY: Final = 1000
"""Rows are read in larger pages than Stripe's, because a page costs a round trip and nothing else."""


class SourceReader:
    """Reads for the sources of one sweep, one source at a time.

    ``left_out_for_tail`` counts payments that the read quota was too small for, in a sweep that reads the window in
    place of the tail. The tail begins anew all the same.
    """

    def __init__(
        self,
        context: SweepContext,
        request: SweepRequest,
        fetcher: Fetcher,
        report: SweepReport,
        row_ids: RowIds,
        *,
        by_service: bool,
    ) -> None:
        self.context = context
        self.fetcher = fetcher
        self.report = report
        self.by_service = by_service
        self.replaces_tail = False
        self.left_out_for_tail = 0
        self.row_ids = row_ids
        self._request = request
        self._met = IdSet()

    def unmet(self, intents: Iterable[str]) -> Iterator[str]:
        """Those of the intents that this sweep has not met yet. From now on they count as met."""
        return (intent for intent in intents if self._met.add(intent))

    def is_met(self, intent: str) -> bool:
        """Whether this sweep has met an intent."""
        return intent in self._met

    def retrieve(self, intents: Iterable[str], what: str) -> Iterator[FetchedPage]:
        """Retrieve those that were not met yet, as many as the read quota allows. The others are reported as ``what``."""
        wanted = iter(intents)
        affordable = islice(self.unmet(wanted), self.context.source_quota.spendable)
        yield from self.fetcher.retrieve_pages(affordable)

        # the others do not count as met: another source, with reads of its own, may still read them
        left_out = sum(1 for intent in wanted if intent not in self._met)
        if left_out:
            self.leave_out(f"{left_out:,} {what}", left_out)

    def find_intents_of_other_ids(self, created: TimeRange) -> None:
        """Find out the intents of the rows of a range that hold a Checkout Session or a charge."""
        store = self.context.store
        rows = all_rows(lambda after: store.looked_up_payments(created, after, ROWS_A_QUERY))
        for _ in self.row_ids.intents(rows):
            pass  # each intent is read later, with the others

    def leave_out(self, what: str, count: int) -> None:
        """Report that the read quota is too small for these."""
        self.report.miss(what, QUOTA_SHORT, count)
        if self.replaces_tail:
            self.left_out_for_tail += count

    def created_range(self, horizon: timedelta | None) -> TimeRange:
        """The range of creation that is asked for. ``horizon`` is how far it reaches back if no start was given.

        Raises UsageError if it ends before it begins.
        """
        since = self._moment(self._request.since or horizon)
        until = self._moment(self._request.until)
        if since is not None and until is not None and since >= until:
            raise UsageError(
                f"--since ({since:%Y-%m-%d %H:%M:%S}) is not before --until"
                f" ({until:%Y-%m-%d %H:%M:%S}).",
                "Give an earlier --since.",
            )
        return TimeRange(since, until)

    def _moment(self, moment: Moment | None) -> datetime | None:
        """A span counts back from Stripe's present time, because this machine's clock may differ from it."""
        return self.context.stripe.now() - moment if isinstance(moment, timedelta) else moment


def all_rows(
    read: Callable[[str | None], tuple[RowReference, ...]], page_size: int = ROWS_A_QUERY
) -> Iterator[RowReference]:
    """All rows of a query that reads them in pages of ``page_size`` by key, each page from after a key."""
    rows = read(None)
    yield from rows
    # a page may have more rows, because it ends with all that share its last key
    while len(rows) >= page_size:
        rows = read(rows[-1].key)
        yield from rows
