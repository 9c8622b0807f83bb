"""The window source: every intent that was created in a range of time, and every row of that range."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.cursor_ranges import cursor_ranges, cursors_for, whole_seconds
from reconciler.domain.planning.histogram import PAGE_SIZE
from reconciler.engine.ports import Store
from reconciler.engine.reads.fetcher import FetchedPage, range_text
from reconciler.engine.sources.source_reader import ROWS_A_QUERY, SourceReader, all_rows

HALVINGS: Final = 16
"""How often the range is halved to find the newest part that the reads suffice for: to a minute in a month."""


class WindowSource:
    """Lists the intents of a range, and then retrieves those of its rows that the list did not show.

    ``listed`` is the range for which the lists showed every intent, None before that. ``listed_from`` is Stripe's
    time when the lists began.
    """

    def __init__(self, reader: SourceReader) -> None:
        self._reader = reader
        self._context = reader.context
        self.listed: TimeRange | None = None
        self.listed_from: datetime | None = None

    def pages(self) -> Iterator[FetchedPage]:
        """All pages of the window, or of the newest part of it that the read quota suffices for."""
        horizon = self._context.rules.horizon
        whole = whole_seconds(self._reader.created_range(horizon))
        now = self._context.stripe.now()
        reads_left = self._context.source_quota.spendable
        chosen = window_part(self._context.store, whole, reads_left, now)
        # an earlier sweep has probably listed the older part, so the newest part is worth more
        if chosen.left_out is not None:
            created = range_text(chosen.left_out)
            what = f"{chosen.rows_left_out:,} payments, and the PaymentIntents created {created}"
            self._reader.leave_out(what, max(1, chosen.rows_left_out))
        if chosen.part is not None:
            yield from self._list(chosen.part, chosen.rows)

    def _list(self, created: TimeRange, expected: int) -> Iterator[FetchedPage]:
        # the list shows intents, and a row that holds a session belongs to its intent
        self._reader.find_intents_of_other_ids(created)
        self.listed_from = self._context.stripe.now()
        unread = set(cursor_ranges(created, self.listed_from, expected))
        is_whole = True
        for page in self._reader.with_rows(self._reader.fetcher.list_pages(tuple(unread))):
            if page.ends and page.stretch is not None:
                unread.discard(page.stretch)
            is_whole = is_whole and not page.failures
            yield page

        # A list with a gap does not show that an intent is missing. Its rows are not retrieved one by one.
        if unread:
            return
        if is_whole:
            self.listed = created

        # the times of the two sides differ, and a row may hold an id that Stripe does not know
        store = self._context.store
        rows = all_rows(lambda after: store.payments_between(created, after, ROWS_A_QUERY))
        what = f"payments that the list did not show, created {range_text(created)}"
        intents = self._reader.row_ids.intents(rows)
        yield from self._reader.retrieve(intents, what, None, self._context.source_quota.spendable)


@dataclass(frozen=True, slots=True)
class WindowPart:
    """The newest part of a window that the reads suffice for, and the rest of it. Each is None if it is empty.

    ``rows`` and ``rows_left_out`` count the rows of the two. ``pages`` is how many pages the whole window has to list.
    """

    part: TimeRange | None
    left_out: TimeRange | None
    rows: int
    rows_left_out: int
    pages: int


def window_part(store: Store, created: TimeRange, reads_left: int, now: datetime) -> WindowPart:
    """The newest part of a window that so many reads are expected to list.

    Each cursor may end with a page that is almost empty, and a window with few rows still costs a read.
    """
    ratio = store.listing_model().ratio
    until = created.until or now

    def pages_of(rows: int) -> int:
        intents = math.ceil(rows * ratio)
        return max(1, -(-intents // PAGE_SIZE)) + cursors_for(intents) - 1

    all_rows = store.count_between(created)
    all_pages = pages_of(all_rows)
    if all_pages <= reads_left or created.since is None or until <= created.since:
        return WindowPart(created, None, all_rows, 0, all_pages)
    if reads_left < 1:
        return WindowPart(None, created, 0, all_rows, all_pages)

    # halve the range between the longest part that fits and the shortest that does not
    fits, too_long = timedelta(0), until - created.since
    rows = 0
    for _ in range(HALVINGS):
        middle = (fits + too_long) / 2
        counted = store.count_between(TimeRange(until - middle, created.until))
        if pages_of(counted) <= reads_left:
            fits, rows = middle, counted
        else:
            too_long = middle

    start = (until - fits).replace(microsecond=0) + timedelta(seconds=1)
    if start >= until:
        return WindowPart(None, created, 0, all_rows, all_pages)
    left_out = TimeRange(created.since, start)
    part = TimeRange(start, created.until)
    return WindowPart(part, left_out, rows, all_rows - rows, all_pages)
