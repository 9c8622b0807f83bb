"""How a range of time is listed: with several cursors side by side, and in whole seconds."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.histogram import PAGE_SIZE

PAGES_PER_CURSOR: Final = 8
MOST_CURSORS: Final = 8


def whole_seconds(created: TimeRange) -> TimeRange:
    """The same range widened to whole seconds, in which Stripe counts."""
    since, until = created.since, created.until
    if since is not None:
        since = since.replace(microsecond=0)
    if until is not None and until.microsecond:
        until = until.replace(microsecond=0) + timedelta(seconds=1)
    return TimeRange(since, until)


def cursors_for(expected: int) -> int:
    """How many cursors list this many intents side by side."""
    return max(1, min(MOST_CURSORS, expected // (PAGE_SIZE * PAGES_PER_CURSOR)))


def cursor_ranges(created: TimeRange, now: datetime, expected: int) -> tuple[TimeRange, ...]:
    """A range cut into one range for each cursor, so that several cursors list it side by side.

    ``expected`` is about how many intents the range holds. The results touch and do not overlap. The last one has the
    end of the whole range, which may be open.
    """
    whole = whole_seconds(created)
    until = whole.until or now
    # without a beginning there is no length to cut
    if whole.since is None:
        return (whole,)
    # cut by time, because how the intents are spread over the range is not known
    cursors = cursors_for(expected)
    width = int((until - whole.since).total_seconds()) // cursors
    if width < 1:
        return (whole,)
    edges = [whole.since + timedelta(seconds=width * n) for n in range(cursors)]
    inner = [TimeRange(one, other) for one, other in pairwise(edges)]
    return (*inner, TimeRange(edges[-1], whole.until))
