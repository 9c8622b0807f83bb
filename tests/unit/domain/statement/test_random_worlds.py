"""In a world of any payments, month and time zone, findings and the days' own notes explain the whole difference."""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Decision, Keep, decide
from reconciler.domain.statement.bridge import Bridge, bridge_of
from reconciler.domain.statement.day_entry import DayEntry, WindowSweep
from reconciler.domain.statement.day_totals import DayTotals
from reconciler.domain.statement.payment_difference import with_difference
from reconciler.domain.statement.period import Period
from reconciler.domain.statement.reconciling_item import FindingRecord, histories
from reconciler.domain.statement.recorded_day import read_day
from reconciler.domain.statement.statement import Statement, statement_of
from reconciler.domain.statement.statement_figures import Movement
from tests.unit.domain.samples import charge, intent_of, match_of, missing, payment, rules

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu",
    "Pacific/Apia", "Africa/Cairo",
)  # fmt: skip
"""Clocks that change by an hour, by half an hour, at midnight, and not at all; days that begin nearly a day apart."""
AROUND = timedelta(days=2)
SWEEP = 7
Drawn = tuple[float, int, Outcome, Outcome | None, int, int, str, str, bool, bool]


@dataclass(frozen=True)
class World:
    """A month, and the payments that were created in and around it, as one sweep decided about them."""

    period: Period
    decided: Sequence[tuple[Match, Decision]]

    @property
    def sweep(self) -> WindowSweep:
        """A sweep after the month that examined it with some days around."""
        first, last = self.period.first - AROUND, self.period.last + AROUND
        return WindowSweep(
            10_000, self.period.end + AROUND * 2, SWEEP, first, last, str(self.period.zone)
        )

    @property
    def records(self) -> list[FindingRecord]:
        """The findings, as the ledger holds them."""
        at = self.sweep.at - timedelta(hours=1)
        return [
            FindingRecord(
                number, at, one.subject, one.kind.value, "open", one.difference, one.payment_created
            )
            for number, (match, decision) in enumerate(self.decided, start=1)
            for one in with_difference(match, getattr(decision, "findings", ()))
        ]

    def entries(self) -> list[DayEntry]:
        """The days, with the table added up by itself and without regard to what was matched."""
        totals = DayTotals(self.period.zone, writes_rows=False)
        totals.add(self.decided)
        local: dict[tuple[date, str], dict[str, dict[str, int]]] = defaultdict(dict)
        for match, _ in self.decided:
            for row in match.payments:
                day = totals.day_of(row.created), row.currency  # type: ignore[arg-type]
                sums = local[day].setdefault(row.outcome.value, {"count": 0, "amount": 0})  # type: ignore[index]
                sums["count"] += 1
                sums["amount"] += row.amount or 0
        days = Period(self.sweep.first, self.sweep.last, self.period.zone).days
        drafts = totals.entries(SWEEP, days, local, {})
        return [day for draft in drafts if (day := read_day(draft.body)) is not None]

    def statement(self, records: Sequence[FindingRecord]) -> Statement:
        """The statement of the month, of these findings alone."""
        ordered = sorted(records, key=lambda one: (one.subject, one.kind, one.seq))
        cut = self.sweep.at + timedelta(days=1)
        return statement_of(
            "default", self.period, cut, (self.sweep,), self.entries(), histories(ordered)
        )


def _decided(number: int, drawn: Drawn, period: Period) -> tuple[Match, Decision]:
    part, skew, here, there, amount, other, currency, other_currency, refunded, has_row = drawn
    start, end = period.start - AROUND, period.end + AROUND
    created = (start + (end - start) * part).replace(microsecond=0)
    # the earliest and the latest payments of the sweep stay on its days
    created = min(max(created, start + timedelta(hours=3)), end - timedelta(hours=3))
    now = period.end + AROUND * 2
    name = f"pi_{number}"
    row = payment(
        here, key=str(number), payment_intent=name, amount=amount, currency=currency,
        created=created + timedelta(minutes=skew),
    )  # fmt: skip
    if there is None:
        match = match_of(missing(id=name), row)
    else:
        back = other if refunded and there is Outcome.SUCCEEDED else 0
        paid = charge(
            created=created, amount=other, amount_captured=other, amount_refunded=back, refunded=bool(back),
        )  # fmt: skip
        received = other if there is Outcome.SUCCEEDED else 0
        changes = {"charge": paid} if received else {}
        seen = intent_of(
            there, id=name, created=created, amount=other, amount_received=received, currency=other_currency,
            seen_at=now, **changes,
        )  # fmt: skip
        match = match_of(seen, row)
        if not has_row:
            match = match_of(seen)
    return match, decide(match, rules(), now)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A month with up to a dozen payments; many lie at the edge of a day."""
    zone = ZoneInfo(draw(st.sampled_from(ZONES)))
    first = date(draw(st.integers(2024, 2027)), draw(st.integers(1, 12)), 1)
    last = first.replace(day=calendar.monthrange(first.year, first.month)[1])
    period = Period(first, last, zone)
    amounts = st.sampled_from((1, 999, 1000, 4200))
    currencies = st.sampled_from(("eur", "eur", "eur", "jpy", "kwd"))
    span = (period.end - period.start + AROUND * 2).total_seconds()
    edges = [
        (datetime.combine(day, datetime.min.time(), zone) - (period.start - AROUND)).total_seconds()
        / span
        for day in period.days
    ]
    parts = st.one_of(st.floats(0, 1), st.sampled_from(edges))
    outcomes = st.sampled_from([one for one in Outcome if one is not Outcome.UNKNOWN])
    at_stripe = st.sampled_from((None, *(one for one in (Outcome.SUCCEEDED, Outcome.CANCELED, Outcome.FAILED, Outcome.PROCESSING))))  # fmt: skip
    drawn = draw(
        st.lists(
            st.tuples(
                parts, st.integers(-90, 90), outcomes, at_stripe, amounts, amounts, currencies, currencies, st.booleans(), st.booleans(),
            ),
            min_size=1,
            max_size=12,
        )
    )  # fmt: skip
    return World(period, [_decided(number, one, period) for number, one in enumerate(drawn)])


def _unexplained(found: Statement) -> dict[str, int]:
    return {one.currency: one.unexplained for one in found.currencies if one.unexplained}


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_taking_any_finding_away_moves_unexplained_by_its_difference(world: World) -> None:
    """With every finding nothing is unexplained. Without one of them exactly its difference is, in each currency, if its
    payment is of the month; else nothing moves."""
    records = world.records
    assert _unexplained(world.statement(records)) == {}
    for record in records:
        rest = [one for one in records if one is not record]
        created = record.payment_created
        is_of_month = created is not None and (
            world.period.first <= created.astimezone(world.period.zone).date() <= world.period.last
        )
        expected = {code: amount for code, amount in record.difference.items() if amount}
        assert _unexplained(world.statement(rest)) == (expected if is_of_month else {})


@settings(max_examples=40, deadline=None)
@given(worlds())
def test_the_bridge_adds_up_to_both_populations(world: World) -> None:
    """Each row and each payment of the month is matched, or only on its own side: counted here one by one, and no row is left."""
    found = world.statement(world.records)
    zone, days = world.period.zone, set(world.period.days)
    for currency in {day.currency for day in found.days}:
        bridge = bridge_of(day for day in found.days if day.currency == currency)
        expected = {name: Movement() for name in ("matched_rows", "only_local", "matched_payments", "only_stripe")}  # fmt: skip
        for match, decision in world.decided:
            if not match.payments and isinstance(decision, Keep):
                # it is not of this table
                continue
            intent = match.intent if isinstance(match.intent, Intent) else None
            for row in match.payments:
                if row.currency == currency and row.created.astimezone(zone).date() in days:  # type: ignore[union-attr]
                    name = "only_local" if intent is None else "matched_rows"
                    expected[name] += Movement(1, row.amount or 0)
            if intent and intent.currency == currency and intent.created.astimezone(zone).date() in days:  # fmt: skip
                name = "matched_payments" if match.payments else "only_stripe"
                expected[name] += Movement(1, intent.settled_amount)
        assert isinstance(bridge, Bridge)
        assert {name: getattr(bridge, name) for name in expected} == expected
        assert bridge.not_met_rows == Movement()
        assert bridge.matched_rows + bridge.only_local == bridge.rows
        assert bridge.matched_payments + bridge.only_stripe == bridge.payments
