"""The statement of a period: local less Stripe is the difference, findings explain it, and the rest is unexplained.

It is made of the ledger alone, so that it can be made again as of any past moment. The payments of a day are those whose
intents Stripe created on it. Each day stands as the last sweep saw it that examined all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from reconciler.domain.outcome import SAYS_PAID
from reconciler.domain.statement.period import Period
from reconciler.domain.statement.reconciling_item import ReconcilingItem, ReconcilingItems


@dataclass(frozen=True, slots=True)
class WindowSweep:
    """A sweep that examined every payment of the days from ``first`` to ``last``. ``seq`` is that of its ledger entry."""

    seq: int
    at: datetime
    sweep: int
    first: date
    last: date
    timezone: str


@dataclass(frozen=True, slots=True)
class DayEntry:
    """The money of a day and currency as a sweep recorded it, in minor units."""

    sweep: int
    day: date
    currency: str
    local: Mapping[str, tuple[int, int]]
    """Count and amount of the table's own rows, by outcome."""
    received: tuple[int, int]
    refunded: int
    disputed: int
    moved: int
    waiting: int
    returned: int
    unrelated: tuple[int, int]
    outside_mapping: tuple[int, int]

    @property
    def paid_here(self) -> tuple[int, int]:
        """Count and amount of the rows that say that money was taken."""
        counts = [self.local.get(outcome.value, (0, 0)) for outcome in SAYS_PAID]
        return sum(count for count, _ in counts), sum(amount for _, amount in counts)


@dataclass(frozen=True, slots=True)
class Movement:
    """How many items, and their signed sum in minor units."""

    count: int = 0
    amount: int = 0

    def __add__(self, other: Movement) -> Movement:
        return Movement(self.count + other.count, self.amount + other.amount)


@dataclass(slots=True)
class CurrencyStatement:
    """One currency of a statement. Amounts are minor units, signed; currencies are never added up.

    ``local_count`` and ``stripe_count`` are the sizes of both populations before matching.
    """

    currency: str
    local: int = 0
    local_count: int = 0
    stripe: int = 0
    stripe_count: int = 0
    refunded: int = 0
    disputed: int = 0
    moved: int = 0
    waiting: int = 0
    returned: int = 0
    unrelated: Movement = field(default_factory=Movement)
    outside_mapping: Movement = field(default_factory=Movement)
    items: list[ReconcilingItem] = field(default_factory=list)
    opening: Movement = field(default_factory=Movement)
    new: Movement = field(default_factory=Movement)
    cleared: Movement = field(default_factory=Movement)
    closing: Movement = field(default_factory=Movement)

    @property
    def difference(self) -> int:
        """What the table calls paid less what Stripe received."""
        return self.local - self.stripe

    @property
    def explained(self) -> int:
        """The part of the difference that findings and the days' own notes explain."""
        return sum(item.amount for item in self.items) + self.moved + self.waiting + self.returned

    @property
    def unexplained(self) -> int:
        """The rest. In a world in which everything was found it is 0."""
        return self.difference - self.explained


@dataclass(frozen=True, slots=True)
class Statement:
    """The statement of one account and period. ``cut`` is the moment as of which it is made.

    ``days_not_examined`` are the days that no sweep examined to the end by then: their money is in no sum.
    """

    account: str
    period: Period
    cut: datetime
    currencies: tuple[CurrencyStatement, ...]
    days_not_examined: tuple[date, ...]
    sweeps: tuple[WindowSweep, ...]
    """The sweeps that the days of the statement come from."""

    @property
    def is_complete(self) -> bool:
        """Whether every day of the period was examined."""
        return not self.days_not_examined


def statement_of(
    account: str,
    period: Period,
    cut: datetime,
    sweeps: Iterable[WindowSweep],
    entries: Iterable[DayEntry],
    items: ReconcilingItems,
) -> Statement:
    """Make the statement. ``sweeps``, ``entries`` and ``items`` are what the ledger held at ``cut``."""
    examined = _last_sweeps(period, sweeps)
    sums: dict[str, CurrencyStatement] = {}
    for entry in entries:
        sweep = examined.get(entry.day)
        if sweep is not None and sweep.sweep == entry.sweep:
            _add_day(_of(sums, entry.currency), entry)

    # the findings of a day are those that its own sweep knew, so that both are of one moment
    days_of: dict[WindowSweep, set[date]] = {}
    for day, sweep in examined.items():
        days_of.setdefault(sweep, set()).add(day)
    for sweep, days in days_of.items():
        for item in items.at_entry(sweep.seq):
            if item.payment_created.astimezone(period.zone).date() in days:
                _of(sums, item.currency).items.append(item)

    _roll_forward(sums, items, period.start, cut)
    for found in sums.values():
        found.items.sort(key=lambda item: (-abs(item.amount), item.subject, item.kind))
    return Statement(
        account=account,
        period=period,
        cut=cut,
        currencies=tuple(sums[currency] for currency in sorted(sums)),
        days_not_examined=tuple(day for day in period.days if day not in examined),
        sweeps=tuple(sorted(days_of, key=lambda sweep: sweep.seq)),
    )


def _of(sums: dict[str, CurrencyStatement], currency: str) -> CurrencyStatement:
    return sums.setdefault(currency, CurrencyStatement(currency))


def _last_sweeps(period: Period, sweeps: Iterable[WindowSweep]) -> dict[date, WindowSweep]:
    """For each day the last sweep that examined all of it."""
    found: dict[date, WindowSweep] = {}
    days = period.days
    for sweep in sorted(sweeps, key=lambda one: one.seq):
        found.update({day: sweep for day in days if sweep.first <= day <= sweep.last})
    return found


def _add_day(sums: CurrencyStatement, entry: DayEntry) -> None:
    count, amount = entry.paid_here
    sums.local += amount
    sums.local_count += count
    sums.stripe += entry.received[1]
    sums.stripe_count += entry.received[0]
    sums.refunded += entry.refunded
    sums.disputed += entry.disputed
    sums.moved += entry.moved
    sums.waiting += entry.waiting
    sums.returned += entry.returned
    sums.unrelated += Movement(*entry.unrelated)
    sums.outside_mapping += Movement(*entry.outside_mapping)


def _roll_forward(
    sums: dict[str, CurrencyStatement], items: ReconcilingItems, start: datetime, end: datetime
) -> None:
    """Opening plus new less cleared is closing, over all items of the account.

    An item whose amount changed was cleared with the old amount and is new with the other.
    """
    opening = _by_identity(items.at_time(start))
    closing = _by_identity(items.at_time(end))
    for item in opening.values():
        _of(sums, item.currency).opening += Movement(1, item.amount)
    for item in closing.values():
        _of(sums, item.currency).closing += Movement(1, item.amount)
    for identity in opening.keys() | closing.keys():
        before, after = opening.get(identity), closing.get(identity)
        if before is not None and after is not None and before.amount == after.amount:
            continue
        if before is not None:
            _of(sums, before.currency).cleared += Movement(1, before.amount)
        if after is not None:
            _of(sums, after.currency).new += Movement(1, after.amount)
    for item in items.between(start, end):
        _of(sums, item.currency).new += Movement(1, item.amount)
        _of(sums, item.currency).cleared += Movement(1, item.amount)


def _by_identity(
    items: Sequence[ReconcilingItem],
) -> dict[tuple[str, str, str], ReconcilingItem]:
    return {(item.subject, item.kind, item.currency): item for item in items}
