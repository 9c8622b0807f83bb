"""What became of the money of a period after the cut-off of its statement, also of payments that agreed all the time.

A late refund changes no difference, because Stripe received the money all the same. It shows in the money of its day, which
later sweeps recorded again, and in findings about refunds and lost disputes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import assert_never

from reconciler.domain.statement.day_entry import BackOfDay, BackOfPayment, DayEntry, WindowSweep
from reconciler.domain.statement.later_records import LaterRecords, MoneyBackFinding, MovedFigure


@dataclass(frozen=True, slots=True)
class LaterMoney:
    """A figure of a payment, or of the rest of its day, that changed after the cut-off, in minor units.

    ``payment`` is None if the ledger does not know which payments it was. It changed between ``since``, when the ledger
    recorded the day for the statement, and ``at``, when entry ``seq`` recorded the new amount. ``dated`` is the time of
    Stripe's last event about it, None if no sweep has met one.
    """

    day: date
    currency: str
    figure: MovedFigure
    payment: str | None
    before: int
    after: int
    since: datetime
    at: datetime
    seq: int
    dated: datetime | None = None

    @property
    def change(self) -> int:
        """By how much the figure grew."""
        return self.after - self.before


_Recorded = tuple[WindowSweep, DayEntry]


def later_money(
    days: Iterable[DayEntry],
    examined: Mapping[date, WindowSweep],
    later: LaterRecords,
    day_of: Callable[[datetime], date],
) -> list[LaterMoney]:
    """What changed, by time. ``days`` are those of the statement, ``examined`` the sweep that each day stands on.

    A day that no sweep had examined by the cut-off is in no sum, so that nothing of it can have changed.
    """
    before = {(entry.day, entry.currency): entry for entry in days}
    sweeps = {sweep.sweep: sweep for sweep in later.sweeps}
    recorded: defaultdict[tuple[date, str], list[_Recorded]] = defaultdict(list)
    for entry in later.days:
        if entry.sweep in sweeps and entry.day in examined:
            recorded[entry.day, entry.currency].append((sweeps[entry.sweep], entry))

    found: list[LaterMoney] = []
    for (day, currency), entries in recorded.items():
        base = before.get((day, currency)) or _empty_day(day, currency)
        found += _changes_of_day(base, examined[day].at, entries)
    found += _of_findings(before, examined, later, day_of)
    return sorted(found, key=lambda one: (one.at, one.seq, one.payment or "~", one.figure))


def _empty_day(day: date, currency: str) -> DayEntry:
    no_payment = BackOfDay(0, {})
    return DayEntry(
        sweep=0, day=day, currency=currency, local={}, received=(0, 0), refunded=0, disputed=0, moved=0, waiting=0,
        returned=0, unrelated=(0, 0), outside_mapping=(0, 0), refunded_payments=no_payment, disputed_payments=no_payment,
    )  # fmt: skip


def _changes_of_day(
    base: DayEntry, since: datetime, entries: Sequence[_Recorded]
) -> Iterator[LaterMoney]:
    """What is not in the last of these entries as it was in the statement's."""
    last = entries[-1][1]
    for figure in MovedFigure:
        # what of the day's sum no payment by name explains
        rest = _amount(base, figure)
        for name, (old, new) in sorted(_named_changes(base, last, figure).items()):
            rest += new.amount - old
            sweep = _first_with(entries, figure, name)
            yield LaterMoney(
                base.day, base.currency, figure, name, old, new.amount, since, sweep.at, sweep.seq, new.at
            )  # fmt: skip
        if rest != _amount(last, figure):
            sweep = _first_with(entries, figure)
            yield LaterMoney(
                base.day, base.currency, figure, None, rest, _amount(last, figure), since, sweep.at, sweep.seq
            )  # fmt: skip


def _first_with(
    entries: Sequence[_Recorded], figure: MovedFigure, payment: str | None = None
) -> WindowSweep:
    """The sweep that was the first to record what the last one still records."""
    last, now = entries[-1]
    for sweep, entry in reversed(entries):
        if _amount(entry, figure, payment) != _amount(now, figure, payment):
            break
        last = sweep
    return last


def _named_changes(
    base: DayEntry, last: DayEntry, figure: MovedFigure
) -> Mapping[str, tuple[int, BackOfPayment]]:
    """The payments that are known to have changed: the amount before, and what is known of them now."""
    old, new = _back(base, figure), _back(last, figure)
    if old is None or new is None:
        return {}
    found: dict[str, tuple[int, BackOfPayment]] = {}
    for name, back in new.payments.items():
        known = old.payments.get(name)
        # without every name of before, this one may not be new
        if known is not None or old.names_all:
            found[name] = (0 if known is None else known.amount, back)
    if new.names_all:
        for name, back in old.payments.items():
            found.setdefault(name, (back.amount, BackOfPayment()))
    return {name: pair for name, pair in found.items() if pair[0] != pair[1].amount}


def _of_findings(
    before: Mapping[tuple[date, str], DayEntry],
    examined: Mapping[date, WindowSweep],
    later: LaterRecords,
    day_of: Callable[[datetime], date],
) -> Iterator[LaterMoney]:
    """What findings say of payments that no window sweep has examined since."""
    last: dict[tuple[str, MovedFigure], MoneyBackFinding] = {}
    is_new: set[tuple[str, MovedFigure]] = set()
    for one in later.findings:
        key = one.payment, one.figure
        known = last.get(key)
        # the first entry with an amount says when it was found
        if known is None or known.amount != one.amount:
            last[key] = one
        if one.is_new:
            is_new.add(key)
    for (name, figure), one in last.items():
        day = day_of(one.created)
        if day not in examined or any(
            sweep.first <= day <= sweep.last and sweep.seq > one.seq for sweep in later.sweeps
        ):
            continue
        entry = before.get((day, one.currency)) or _empty_day(day, one.currency)
        back = _back(entry, figure)
        named = None if back is None else back.payments.get(name)
        if named is None and (back is None or not back.names_all) and (name, figure) not in is_new:
            continue
        amount = 0 if named is None else named.amount
        if amount != one.amount:
            yield LaterMoney(
                day, one.currency, figure, name, amount, one.amount, examined[day].at, one.at, one.seq
            )  # fmt: skip


def _back(entry: DayEntry, figure: MovedFigure) -> BackOfDay | None:
    """The payments of which money went back; None if the entry names none, as for the other figures."""
    match figure:
        case MovedFigure.REFUNDED:
            return entry.refunded_payments
        case MovedFigure.DISPUTED:
            return entry.disputed_payments
        case MovedFigure.LOCAL | MovedFigure.STRIPE:
            return None
        case _ as unreachable:
            assert_never(unreachable)


def _amount(entry: DayEntry, figure: MovedFigure, payment: str | None = None) -> int:
    """The figure of a day, or of a payment that is named in it."""
    if payment is not None:
        back = _back(entry, figure)
        named = None if back is None else back.payments.get(payment)
        return 0 if named is None else named.amount
    match figure:
        case MovedFigure.LOCAL:
            return entry.paid_here[1]
        case MovedFigure.STRIPE:
            return entry.received[1]
        case MovedFigure.REFUNDED:
            return entry.refunded
        case MovedFigure.DISPUTED:
            return entry.disputed
        case _ as unreachable:
            assert_never(unreachable)
