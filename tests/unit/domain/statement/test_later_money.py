"""What became of the money of a period after the cut-off: a late refund of a payment that agreed all the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from reconciler.domain.statement.day_entry import (
    BackOfDay,
    BackOfPayment,
    DayEntry,
    MovedDay,
    WindowSweep,
)
from reconciler.domain.statement.later_money import LaterMoney
from reconciler.domain.statement.later_records import (
    LaterRecords,
    MoneyBackFinding,
    MovedFigure,
    read_money_back,
)
from reconciler.domain.statement.period import Period
from reconciler.domain.statement.period_figures import figures_of, late_money_back
from reconciler.domain.statement.statement import Statement, statement_of

OCTOBER = Period(date(2026, 10, 1), date(2026, 10, 31), UTC)
CUT = datetime(2026, 11, 6, tzinfo=UTC)
DAY = timedelta(days=1)
FIRST = WindowSweep(10, CUT - DAY, 1, OCTOBER.first, OCTOBER.last, "UTC")
SECOND = WindowSweep(20, CUT + DAY, 2, date(2026, 10, 7), date(2026, 11, 6), "UTC")
THIRD = replace(SECOND, seq=30, at=CUT + 2 * DAY, sweep=3)
NONE_BACK = BackOfDay(0, {})
AGREED = DayEntry(
    1, date(2026, 10, 9), "eur", {"succeeded": (2, 1500)}, (2, 1500), 0, 0, 0, 0, 0, (0, 0), (0, 0),
    refunded_payments=NONE_BACK, disputed_payments=NONE_BACK,
)  # fmt: skip
EVENT = CUT + timedelta(hours=3)
REFUNDED = replace(
    AGREED, sweep=2, refunded=500, refunded_payments=BackOfDay(1, {"pi_1": BackOfPayment(500, EVENT)})
)  # fmt: skip
FOUND = MoneyBackFinding(
    25, CUT + DAY * 1.5, "pi_1", "eur", MovedFigure.REFUNDED, 500, datetime(2026, 10, 9, 12, tzinfo=UTC), is_new=True
)  # fmt: skip


def made(
    *days: DayEntry,
    sweeps: Sequence[WindowSweep] = (SECOND, THIRD),
    findings: Sequence[MoneyBackFinding] = (),
    base: Sequence[DayEntry] = (AGREED,),
    examined: Sequence[WindowSweep] = (FIRST,),
) -> Statement:
    """The statement of October with what was recorded after its cut-off."""
    later = LaterRecords(sweeps, days, findings)
    return statement_of(
        "default", OCTOBER, CUT, examined, base, [], as_of=CUT + 9 * DAY, later=later
    )


def later_of(found: Statement) -> list[LaterMoney]:
    """What came later, of the one currency."""
    (one,) = found.currencies
    return one.later


def test_a_late_refund_of_a_payment_that_agreed_is_a_subsequent_event() -> None:
    """With its payment, its money, and when it was seen first; no figure changes."""
    found = made(REFUNDED, replace(REFUNDED, sweep=3))
    assert later_of(found) == [
        LaterMoney(
            AGREED.day, "eur", MovedFigure.REFUNDED, "pi_1", 0, 500, FIRST.at, SECOND.at, SECOND.seq, EVENT
        )
    ]  # fmt: skip
    assert later_of(found)[0].change == 500
    (one,) = found.currencies
    assert (one.refunded, one.difference, len(found.days_examined_later)) == (0, 0, 25)
    assert late_money_back(found) == ()


def test_a_refund_of_before_the_cutoff_is_a_late_fact() -> None:
    """By the time of Stripe's event. What has no date or no name is none."""
    early = replace(
        AGREED, sweep=2, refunded=700, disputed=40,
        refunded_payments=BackOfDay(2, {"pi_1": BackOfPayment(500, CUT), "pi_2": BackOfPayment(200)}),
        disputed_payments=BackOfDay(2, {"pi_3": BackOfPayment(30, CUT - DAY)}),
    )  # fmt: skip
    found = made(early)
    (fact, dispute) = late_money_back(found)
    assert (fact.subject, fact.kind, fact.dated, dict(fact.money_back), fact.change) == (
        "pi_1", "refunded", CUT, {"eur": 500}, {},
    )  # fmt: skip
    assert (dispute.subject, dispute.kind) == ("pi_3", "disputed")
    figures = figures_of(found, late_money_back(found))["eur"]
    assert (figures.late, figures.late_items, figures.late_money_back) == (0, 2, 530)
    assert [(one.payment, one.change) for one in later_of(found)] == [
        ("pi_1", 500), ("pi_2", 200), ("pi_3", 30), (None, 10),
    ]  # fmt: skip


def test_a_payment_that_both_sides_learned_later_moves_the_sums_of_its_day() -> None:
    """Also if a later sweep met its first money on that day, and the last sweep counts."""
    more = replace(AGREED, sweep=2, local={"succeeded": (3, 2500)}, received=(3, 2500))
    other = replace(more, sweep=3, received=(4, 2600))
    new = replace(AGREED, sweep=3, day=date(2026, 10, 20), local={}, received=(1, 9))
    found = made(more, other, new)
    assert [(one.day.day, one.figure, one.before, one.after, one.seq) for one in later_of(found)] == [
        (9, "local", 1500, 2500, 20), (9, "stripe", 1500, 2600, 30), (20, "stripe", 0, 9, 30),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        # an early version named no payment
        (None, {"pi_1": 500}, [(None, 0, 500)]),
        ({}, None, [(None, 0, 500)]),
        # a refund that failed
        ({"pi_2": 300}, {"pi_1": 500}, [("pi_1", 0, 500), ("pi_2", 300, 0)]),
        ({"pi_1": 100}, {"pi_1": 500}, [("pi_1", 100, 500)]),
        ({"pi_1": 500}, {"pi_1": 500}, []),
    ],
)
def test_payments_are_named_as_far_as_they_are_known(
    before: Mapping[str, int] | None,
    after: Mapping[str, int] | None,
    expected: list[tuple[str | None, int, int]],
) -> None:
    """What no name explains stays the day's."""

    def back(named: Mapping[str, int] | None) -> BackOfDay | None:
        if named is None:
            return None
        return BackOfDay(
            len(named), {name: BackOfPayment(amount) for name, amount in named.items()}
        )

    base = replace(AGREED, refunded=sum((before or {}).values()), refunded_payments=back(before))
    last = replace(AGREED, sweep=2, refunded=500, refunded_payments=back(after))
    found = made(last, base=[base])
    assert [(one.payment, one.before, one.after) for one in later_of(found)] == expected


def test_of_too_many_payments_the_new_ones_are_not_known() -> None:
    """A payment that was not named before may have been one of the others."""
    many = BackOfDay(2, {"pi_1": BackOfPayment(10)})
    base = replace(AGREED, refunded=30, refunded_payments=many)
    now = replace(many, count=3, payments={"pi_1": BackOfPayment(15), "pi_2": BackOfPayment(20)})
    found = made(replace(AGREED, sweep=2, refunded=50, refunded_payments=now), base=[base])
    assert [(one.payment, one.change) for one in later_of(found)] == [("pi_1", 5), (None, 15)]


def test_a_finding_names_a_refund_of_a_day_that_was_not_examined_again() -> None:
    """The tail finds it. A later sweep of the day knows better, and a day that is in no sum cannot have changed."""
    early = replace(FOUND, created=datetime(2026, 10, 2, tzinfo=UTC))
    again = replace(early, seq=27, at=CUT + 3 * DAY, is_new=False)
    (one,) = later_of(made(findings=[early, again]))
    assert (one.payment, one.change, one.at, one.seq, one.dated) == (
        "pi_1",
        500,
        early.at,
        25,
        None,
    )
    assert later_of(made(findings=[FOUND])) == []
    (one,) = later_of(made(findings=[FOUND], sweeps=[SECOND]))
    assert one.change == 500
    assert made(findings=[FOUND], examined=()).currencies == ()


def test_a_finding_of_what_was_known_already_is_no_event() -> None:
    """Also if the ledger cannot tell whether it was known."""
    known = replace(AGREED, refunded=500, refunded_payments=REFUNDED.refunded_payments)
    assert later_of(made(findings=[FOUND], sweeps=[], base=[known])) == []
    unnamed = replace(AGREED, refunded_payments=None)
    assert later_of(made(findings=[replace(FOUND, is_new=False)], sweeps=[], base=[unnamed])) == []
    more = replace(FOUND, amount=700, is_new=False)
    (one,) = later_of(made(findings=[more], sweeps=[], base=[known]))
    assert (one.before, one.after) == (500, 700)


def test_a_sweep_that_is_unknown_or_of_another_zone_says_nothing() -> None:
    """Its days are other days."""
    assert later_of(made(replace(REFUNDED, sweep=9))) == []


BODY: Mapping[str, object] = {
    "subject": "pi_1", "kind": "refund_drift", "reason": None, "stripe": {"amount_refunded": 900, "currency": "eur"},
    "evidence": {"created": "2026-10-09T12:00:00Z", "charge": {"amount_captured": 500}},
}  # fmt: skip
LOST: Mapping[str, object] = {
    **BODY, "kind": "dispute_drift",
    "stripe": {"amount_refunded": 0, "currency": "eur", "dispute_status": "lost"},
    "evidence": {"created": "2026-10-09T12:00:00Z", "charge": None, "disputed_amount": 400},
}  # fmt: skip


def test_entries_about_refunds_and_disputes_are_read() -> None:
    """An open dispute withholds the money, and no money is lost yet."""
    (found,) = read_money_back(25, FOUND.at, "finding_opened", BODY)
    assert found == FOUND
    (lost,) = read_money_back(25, FOUND.at, "finding_changed", LOST)
    assert (lost.figure, lost.amount, lost.is_new) == (MovedFigure.DISPUTED, 400, False)
    waits = {**LOST, "stripe": {"currency": "eur", "dispute_status": "needs_response"}}
    assert [one.amount for one in read_money_back(25, FOUND.at, "finding_opened", waits)] == [0]


@pytest.mark.parametrize("more", [{"reason": "release_or_refund"}, {"stripe": None}])
def test_an_entry_without_an_amount_says_nothing(more: Mapping[str, object]) -> None:
    """A closed finding has no values, and of some refunds Stripe shows no amount."""
    body = {name: value for name, value in {**BODY, **more}.items() if value is not None or name == "reason"}  # fmt: skip
    assert list(read_money_back(25, FOUND.at, "finding_changed", body)) == []


def test_rows_of_another_day_of_the_period_explain_nothing() -> None:
    """Those of a day that is in no sum are named, and counted."""
    inside, outside = date(2026, 10, 8), date(2026, 11, 1)
    moved = {
        inside: MovedDay(-5, (1, ("pi_1",))), outside: MovedDay(-7, (2, ("pi_2",))),
        None: MovedDay(-1, (1, ("pi_3",))),
    }  # fmt: skip
    (one,) = made(base=[replace(AGREED, moved=-13, moved_by_day=moved)]).currencies
    assert (one.moved, one.moved_payments) == (-13, (3, ("pi_2", "pi_3")))
