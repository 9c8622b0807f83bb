"""The open rows that are due, for the due sweeps of the service: a search costs what is due, and seldom what is open.

Nearly every open row has a recheck, so the due ones are found by the rechecks whose time has come. A row without a
recheck is new, or it was opened again, inserted late or changed by hand. New rows are found by their time. The others
are found by a search in the whole table, which is made for each due sweep if it is short, and at least once an hour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from reconciler.clock import Clock
from reconciler.domain.model.due_row import DueRow, KnownRows
from reconciler.domain.planning.histogram import Histogram, ListingModel

MOST_DUE: Final = 10_000
"""The most due rows that a search returns. If more are due, counts and lists of the whole table cost no more than they."""
SEARCH_EVERY: Final = timedelta(hours=1)
"""The longest time between two searches in the whole table."""
SEARCH_SHARE: Final = 1000
"""A search in the whole table is made again when so many times its own length has passed, if that is sooner."""
SHORT_SEARCH_SECONDS: Final = 0.25
"""So short a search is made for every due sweep, so that nothing waits for the next one."""
NEW_FOR: Final = timedelta(hours=1)
"""How far back a row created before the last whole search may be new: its transaction may have ended later."""


class DueRowStore(Protocol):
    """Where due rows are found."""

    def due_rows(
        self, due_by: datetime, known: KnownRows | None, most: int
    ) -> tuple[DueRow, ...] | None:
        """The open rows that name an intent and have no recheck after ``due_by``; None if they are more than ``most``.

        With ``known`` only rows are compared that have a recheck that is due, were refused, were left or may be new.
        """
        ...

    def remove_needless_polls(self, due_by: datetime, needed: Sequence[str], epoch: int) -> None:
        """Remove the planned polls that are due by a time and not of these intents: no open row needs them.

        Raises LeaseLostError if the lease is lost.
        """
        ...

    def histogram_of(self, rows: Sequence[DueRow], listing_model: ListingModel) -> Histogram:
        """These rows counted by time, with the other rows that a list of theirs would show."""
        ...


class DueRows:
    """Finds the due rows of one account for one due sweep after the other. Not safe between threads."""

    def __init__(self, store: DueRowStore, clock: Clock) -> None:
        self.store = store
        self._clock = clock
        self._left: tuple[str, ...] = ()
        self._searched_from: datetime | None = None
        self._search_again_at = -math.inf
        self._seconds_before = 0.0

    def find(self, now: datetime, epoch: int | None) -> tuple[DueRow, ...] | None:
        """The rows that are due by ``now``; None if they are more than ``MOST_DUE``.

        With an ``epoch``, planned polls that no open row needs any more are removed under that lease.
        """
        found: tuple[DueRow, ...] | None = None
        if self._searched_from is not None and self._clock.monotonic() < self._search_again_at:
            known = KnownRows(self._left, self._searched_from - NEW_FOR)
            found = self.store.due_rows(now, known, MOST_DUE)
        if found is None:
            found = self._search_everywhere(now)
        if found is None:
            return None

        self._left = tuple(row.reference.payment_intent for row in found)
        if epoch is not None:
            self.store.remove_needless_polls(now, [row.intent for row in found], epoch)
        return found

    def _search_everywhere(self, now: datetime) -> tuple[DueRow, ...] | None:
        began = self._clock.monotonic()
        found = self.store.due_rows(now, None, MOST_DUE)
        # what is not known is not left out: the next search is one of the whole table too
        self._searched_from = None if found is None else now
        ended = self._clock.monotonic()
        # the shorter of two: one search may have waited for a busy machine, or for a cold cache
        seconds = min(ended - began, self._seconds_before)
        self._seconds_before = ended - began
        if seconds <= SHORT_SEARCH_SECONDS:
            self._search_again_at = -math.inf
        else:
            pause = min(SEARCH_EVERY.total_seconds(), SEARCH_SHARE * seconds)
            self._search_again_at = ended + pause
        return found
