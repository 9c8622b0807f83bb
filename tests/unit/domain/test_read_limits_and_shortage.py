"""Which source goes first when the reads of 30 days run short, over simulated days."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from reconciler.domain.read_limits_and_shortage import (
    QUOTA_PERIOD,
    ReadsSpent,
    Source,
    SourceShares,
    spendable,
    tail_interval,
)

MINUTE = timedelta(minutes=1)
HOURS = 24


@dataclass
class Shop:
    """A service whose reads are counted by the hour, over 24 hours and over 30 days."""

    shares: SourceShares
    hours: deque[Counter[Source]] = field(default_factory=deque)
    month: Counter[Source] = field(default_factory=Counter)
    day: Counter[Source] = field(default_factory=Counter)

    def hour(self, wanted: dict[Source, int]) -> Counter[Source]:
        """An hour in which the sources want this many reads. The source that goes last asks first."""
        if len(self.hours) >= HOURS:
            self.day.subtract(self.hours[-HOURS])
        if len(self.hours) >= HOURS * QUOTA_PERIOD.days:
            self.month.subtract(self.hours.popleft())
        self.hours.append(Counter())
        for source in (Source.WINDOW, Source.DUE, Source.TAIL):
            spent = ReadsSpent(self.month, self.day)
            taken = min(wanted[source], self.shares.left(source, spent, by_service=True))
            for sums in (self.hours[-1], self.day, self.month):
                sums[source] += taken
        return self.hours[-1]


@pytest.mark.parametrize("allowed", [5_000, 250_000])
def test_demand_far_above_the_quota(allowed: int) -> None:
    """The tail misses no tick, due has half of what the tail leaves, window has some reads, and the quota holds."""
    shares = SourceShares(allowed, MINUTE)
    ticks = timedelta(hours=1) / tail_interval(MINUTE, allowed)
    shop = Shop(shares)
    owed = 0.0
    days: list[Counter[Source]] = []
    for hour in range(HOURS * 90):
        if hour % HOURS == 0:
            days.append(Counter())
        owed += ticks
        wanted = {Source.TAIL: int(owed), Source.DUE: allowed, Source.WINDOW: allowed}
        got = shop.hour(wanted)
        assert got[Source.TAIL] == int(owed), f"a tick was missed in hour {hour}"
        owed -= int(owed)
        days[-1].update(got)
        assert shop.month.total() <= allowed
    month = shop.month
    rest = allowed - shares.tail
    assert month[Source.DUE] >= rest / 2
    assert month[Source.WINDOW] >= rest / 5
    assert all(day[Source.DUE] > 0 and day[Source.WINDOW] > 0 for day in days)


def test_a_burst_of_events_does_not_stop_the_tail() -> None:
    """The tail keeps more than its ticks, for the retrieves that events lead to, however much other sources want."""
    shop = Shop(SourceShares(5_000, MINUTE))
    ticks = timedelta(hours=1) / tail_interval(MINUTE, 5_000)
    owed = 0.0
    for hour in range(HOURS * 75):
        owed += ticks
        burst = 200 if hour in (500, 650, 1300) else 0
        got = shop.hour(
            {
                Source.TAIL: int(owed) + burst,
                Source.DUE: 5_000,
                Source.WINDOW: 5_000 if hour % 24 == 0 else 0,
            }
        )
        assert got[Source.TAIL] >= int(owed), f"a tick was missed in hour {hour}"
        owed -= int(owed)


def test_a_person_takes_what_is_left_at_once() -> None:
    """A person's sweep has no daily share, but what is kept for the sources before it stays."""
    shares = SourceShares(10_000, timedelta(hours=1))
    spent = ReadsSpent()
    assert shares.left(Source.PERSON, spent, by_service=False) == 10_000
    assert shares.left(Source.DUE, spent, by_service=False) == 10_000 - shares.tail
    assert shares.left(Source.WINDOW, spent, by_service=False) == 10_000 - shares.tail - shares.due
    assert shares.left(Source.DUE, spent, by_service=True) == -(-(10_000 - shares.tail) // 10)


@pytest.mark.parametrize(
    ("configured", "allowed", "interval"),
    [
        (MINUTE, 5_000, QUOTA_PERIOD / 2_500),
        (MINUTE, 250_000, MINUTE),
        (timedelta(seconds=1), 10_000_000, timedelta(seconds=10)),
        (timedelta(days=1), 5_000, timedelta(days=1)),
        (MINUTE, 0, QUOTA_PERIOD),
    ],
)
def test_the_interval_of_the_tail(configured: timedelta, allowed: int, interval: timedelta) -> None:
    """It is the configured one, at least 10 s, and so long that the ticks take at most half of the quota."""
    assert tail_interval(configured, allowed) == interval


@pytest.mark.parametrize(
    ("left", "may_use"), [(0, 0), (1, 0), (2, 0), (3, 1), (40, 38), (1000, 950)]
)
def test_a_plan_leaves_reads_for_the_recent_events(left: int, may_use: int) -> None:
    """A twentieth of the reads, and two at least, are left for them."""
    assert spendable(left) == may_use
