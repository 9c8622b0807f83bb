"""Which net goes first when the reads of 30 days run short, by simulated time."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from reconciler.domain.quota.source_priority import SPAN, Net, Reserves, Spent, tail_pace

MINUTE = timedelta(minutes=1)
HOURS = 24


@dataclass
class Shop:
    """Hours of a service, its reads booked by the hour and counted over 30 days."""

    reserves: Reserves
    hours: deque[Counter[Net]] = field(default_factory=deque)
    month: Counter[Net] = field(default_factory=Counter)
    day: Counter[Net] = field(default_factory=Counter)

    def hour(self, wanted: dict[Net, int]) -> Counter[Net]:
        """An hour in which the nets want so many reads, the greediest first."""
        if len(self.hours) >= HOURS:
            self.day.subtract(self.hours[-HOURS])
        if len(self.hours) >= HOURS * SPAN.days:
            self.month.subtract(self.hours.popleft())
        self.hours.append(Counter())
        for net in (Net.WINDOW, Net.DUE, Net.TAIL):
            spent = Spent(self.month, self.day)
            taken = min(wanted[net], self.reserves.left(net, spent, by_service=True))
            for sums in (self.hours[-1], self.day, self.month):
                sums[net] += taken
        return self.hours[-1]


@pytest.mark.parametrize("allowed", [5_000, 250_000])
def test_demand_far_above_the_allowance(allowed: int) -> None:
    """The tail never misses a tick, due gets half of what the tail leaves, window something, and the sum stays below."""
    reserves = Reserves(allowed, MINUTE)
    ticks = timedelta(hours=1) / tail_pace(MINUTE, allowed)
    shop = Shop(reserves)
    owed = 0.0
    days: list[Counter[Net]] = []
    for hour in range(HOURS * 90):
        if hour % HOURS == 0:
            days.append(Counter())
        owed += ticks
        wanted = {Net.TAIL: int(owed), Net.DUE: allowed, Net.WINDOW: allowed}
        got = shop.hour(wanted)
        assert got[Net.TAIL] == int(owed), f"a tick was missed in hour {hour}"
        owed -= int(owed)
        days[-1].update(got)
        assert shop.month.total() <= allowed
    month = shop.month
    rest = allowed - reserves.tail
    assert month[Net.DUE] >= rest / 2
    assert month[Net.WINDOW] >= rest / 5
    assert all(day[Net.DUE] > 0 and day[Net.WINDOW] > 0 for day in days)


def test_a_burst_of_events_does_not_stop_the_tail() -> None:
    """What is kept for the tail is more than its ticks: what events lead to is in it, whatever the other nets want."""
    shop = Shop(Reserves(5_000, MINUTE))
    ticks = timedelta(hours=1) / tail_pace(MINUTE, 5_000)
    owed = 0.0
    for hour in range(HOURS * 75):
        owed += ticks
        burst = 200 if hour in (500, 650, 1300) else 0
        got = shop.hour(
            {
                Net.TAIL: int(owed) + burst,
                Net.DUE: 5_000,
                Net.WINDOW: 5_000 if hour % 24 == 0 else 0,
            }
        )
        assert got[Net.TAIL] >= int(owed), f"a tick was missed in hour {hour}"
        owed -= int(owed)


def test_a_person_takes_what_is_left_at_once() -> None:
    """One who asks is not held to a day's part; what the nets before need is kept all the same."""
    reserves = Reserves(10_000, timedelta(hours=1))
    spent = Spent()
    assert reserves.left(Net.PERSON, spent, by_service=False) == 10_000
    assert reserves.left(Net.DUE, spent, by_service=False) == 10_000 - reserves.tail
    assert (
        reserves.left(Net.WINDOW, spent, by_service=False) == 10_000 - reserves.tail - reserves.due
    )
    assert reserves.left(Net.DUE, spent, by_service=True) == -(-(10_000 - reserves.tail) // 10)


@pytest.mark.parametrize(
    ("configured", "allowed", "pace"),
    [
        (MINUTE, 5_000, SPAN / 2_500),
        (MINUTE, 250_000, MINUTE),
        (timedelta(seconds=1), 10_000_000, timedelta(seconds=10)),
        (timedelta(days=1), 5_000, timedelta(days=1)),
        (MINUTE, 0, SPAN),
    ],
)
def test_the_pace_of_the_tail(configured: timedelta, allowed: int, pace: timedelta) -> None:
    """As configured, no faster than 10 s, and no more than half of the reads where nothing happens."""
    assert tail_pace(configured, allowed) == pace
