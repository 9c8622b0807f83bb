"""Which reads cover what is to be asked."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from reconciler.domain.page import TimeRange

PAGE_SIZE: Final = 100
"""The most objects that Stripe gives in one page of a list."""
LONGEST_PAGE_SECONDS: Final = 15.0
"""A page takes no longer to read than this: what is recorded must not be old."""
PAGES_A_CURSOR: Final = 8
MOST_CURSORS: Final = 8


def whole_seconds(created: TimeRange) -> TimeRange:
    """The same range widened to whole seconds, in which Stripe counts."""
    since, until = created.since, created.until
    if since is not None:
        since = since.replace(microsecond=0)
    if until is not None and until.microsecond:
        until = until.replace(microsecond=0) + timedelta(seconds=1)
    return TimeRange(since, until)


def stretches(created: TimeRange, now: datetime, expected: int) -> tuple[TimeRange, ...]:
    """A range cut into stretches, each listed by a cursor of its own, side by side.

    ``expected`` is about how many intents the range holds. The stretches touch and do not overlap; the last one has
    the range's own end, which may be open.
    """
    whole = whole_seconds(created)
    until = whole.until or now
    if whole.since is None:
        return (whole,)
    cursors = max(1, min(MOST_CURSORS, expected // (PAGE_SIZE * PAGES_A_CURSOR)))
    width = int((until - whole.since).total_seconds()) // cursors
    if width < 1:
        return (whole,)
    edges = [whole.since + timedelta(seconds=width * n) for n in range(cursors)]
    inner = [TimeRange(one, other) for one, other in pairwise(edges)]
    return (*inner, TimeRange(edges[-1], whole.until))


def retrieve_page_size(reads_per_second: float) -> int:
    """How many single retrieves make a page, so that it is read in time."""
    return max(1, min(PAGE_SIZE, int(reads_per_second * LONGEST_PAGE_SECONDS)))
