"""A statement is made from the entries of the ledger alone, so that an auditor can make it without a database."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import pytest

from reconciler.domain.audit.ledger_entry import Entry
from reconciler.domain.statement.close_state import CloseState, close_state
from reconciler.domain.statement.day_entry import LeftOut
from reconciler.domain.statement.period import Period
from reconciler.domain.statement.statement_figures import Movement
from reconciler.domain.statement.statement_of_entries import EntriesOfStatement

OCTOBER = Period(date(2026, 10, 1), date(2026, 10, 31), UTC)
CUT = datetime(2026, 11, 5, tzinfo=UTC)
NOTHING = {"count": 0, "amount": 0}
DAY: Mapping[str, object] = {
    "sweep": 9, "day": "2026-10-03", "currency": "eur", "local": {"succeeded": {"count": 1, "amount": 500}},
    "received": {"count": 2, "amount": 1200}, "refunded": 0, "disputed": 0, "moved": 0, "waiting": 0, "returned": 0,
    "unrelated": NOTHING, "outside_mapping": NOTHING,
}  # fmt: skip
SWEEP: Mapping[str, object] = {
    "sweep": 9, "days": {"first": "2026-10-01", "last": "2026-10-31"}, "timezone": "UTC", "reads": 7,
    "certificate": {"table": "public.payments"},
}  # fmt: skip
FOUND: Mapping[str, object] = {
    "subject": "pi_1", "kind": "missed_outcome", "state": "open", "difference": {"eur": -700},
    "payment_created": "2026-10-03T12:00:00Z", "severity": "warning", "reason": None,
    "evidence": {"charge": {"created": "2026-10-03T12:00:01Z"}},
}  # fmt: skip
STEP: Mapping[str, object] = {
    "period": {"first": "2026-10-01", "last": "2026-10-31"}, "timezone": "UTC", "asked_by": "os:ana", "person": "ana",
    "cutoff": "2026-11-05T00:00:00Z", "figures": {"eur": {"local": 500}}, "head": {"seq": 4, "hash": "a" * 64},
}  # fmt: skip


def entries(*found: tuple[str, Mapping[str, object]], at: datetime = CUT) -> EntriesOfStatement:
    """The entries of a ledger, a minute apart; the last one at this time."""
    taken = EntriesOfStatement("default", OCTOBER, CUT)
    for number, (action, body) in enumerate(found, start=1):
        moment = at - timedelta(minutes=len(found) - number)
        taken.add(Entry("default", number, moment, action, body, "", ""))
    return taken


def test_it_is_made_of_findings_days_and_sweeps() -> None:
    """As the queries of the database make it."""
    found = entries(
        ("finding_opened", FOUND),
        ("assignment", {"subject": "pi_1", "kind": "missed_outcome", "owner": "ana"}),
        ("correction", {}),
        ("day_totals", DAY),
        ("sweep", SWEEP),
    ).statement({"eur": 800})
    (eur,) = found.currencies
    assert (eur.local, eur.stripe, eur.unexplained) == (500, 1200, 0)
    assert eur.below_materiality == Movement(1, -700)
    assert found.is_complete
    assert found.owner_of(eur.items[0]) == "ana"
    assert found.sweeps[0].facts["table"] == "public.payments"
    assert found.sweeps[0].facts["reads"] == 7
    assert found.days[0].left_out is None


def test_what_a_day_leaves_out_and_names() -> None:
    """A first version recorded neither, and the very first no sum of the table."""
    left_out = {"where": {"count": 1, "amount": 5, "paid_count": 0, "paid_amount": 0}}
    named = {"count": 1, "payments": ["pi_9"]}
    found = entries(
        ("day_totals", {**DAY, "left_out": left_out, "waiting_payments": named, "returned_payments": named}),
        ("day_totals", {"sweep": 9, "day": "2026-10-04", "currency": "eur"}),
        ("day_totals", {**DAY, "day": "2026-11-04"}),
        ("sweep", SWEEP),
    ).statement({})  # fmt: skip
    (day,) = found.days
    assert day.left_out == {"where": LeftOut(1, 5)}
    assert day.waiting_payments == day.returned_payments == (1, ("pi_9",))


def test_what_came_later_is_in_no_figure() -> None:
    """A day and a sweep after the cut-off do not count, and a finding is a subsequent event."""
    taken = entries(("finding_opened", FOUND), ("day_totals", DAY), ("sweep", SWEEP))
    later = CUT + timedelta(days=1)
    gone = {"subject": "pi_1", "kind": "missed_outcome", "state": "corrected"}
    more = {**DAY, "local": {"succeeded": {"count": 9, "amount": 9}}}
    for number, (action, body) in enumerate(
        (("finding_changed", gone), ("day_totals", more), ("sweep", SWEEP)), start=4
    ):
        taken.add(Entry("default", number, later, action, body, "", ""))
    (eur,) = taken.statement({}).currencies
    assert (eur.local, [event.state for event in eur.subsequent]) == (500, ["corrected"])


def test_late_refunds_are_made_of_the_entries_too() -> None:
    """Those that a sweep counted on a day again, and those of findings."""
    zero = {"count": 0, "payments": {}}
    back = {
        "count": 2,
        "payments": {"pi_8": {"amount": 300, "at": "2026-11-07T08:00:00Z"}, "pi_9": {"amount": 1}},
    }
    moved = {
        "": {"amount": 0, "count": 0, "payments": []},
        "2026-10-02": {"amount": 0, "count": 0, "payments": []},
    }
    first = {**DAY, "refunded_payments": zero, "disputed_payments": zero, "moved_by_day": moved}
    taken = entries(("day_totals", first), ("sweep", SWEEP))
    later = {**first, "sweep": 11, "refunded": 301, "refunded_payments": back}
    drift = {
        "subject": "pi_7",
        "kind": "refund_drift",
        "state": "open",
        "reason": None,
        "stripe": {"amount_refunded": 40, "currency": "eur"},
        "evidence": {"created": "2026-10-03T12:00:00Z", "charge": {"amount_captured": 40}},
    }
    found = (
        ("day_totals", later),
        ("sweep", {**SWEEP, "sweep": 11}),
        ("finding_opened", drift),
    )
    for number, (action, body) in enumerate(found, start=3):
        taken.add(Entry("default", number, CUT + timedelta(days=number), action, body, "", ""))
    (eur,) = taken.statement({}).currencies
    assert [(one.payment, one.change, one.dated) for one in eur.later] == [
        ("pi_8", 300, datetime(2026, 11, 7, 8, tzinfo=UTC)), ("pi_9", 1, None), ("pi_7", 40, None),
    ]  # fmt: skip


def test_sweeps_of_other_zones_are_of_other_days() -> None:
    """And a sweep without whole days examined none."""
    other = {**SWEEP, "timezone": "Asia/Tokyo"}
    found = entries(("sweep", other), ("sweep", {"sweep": 3})).statement({})
    assert len(found.days_not_examined) == 31
    free = {"subject": "pi_1", "kind": "missed_outcome", "owner": None}
    assert entries(("assignment", free)).statement({}).owners == {}


def test_the_steps_of_the_period_are_known() -> None:
    """Not those of another period."""
    other = {**STEP, "period": {"first": "2026-09-01", "last": "2026-09-30"}, "head": None}
    taken = entries(("period_prepared", other), ("period_prepared", STEP))
    (step,) = taken.steps
    assert (step.person, step.cutoff, step.head) == ("ana", CUT, (4, "a" * 64))
    assert close_state(taken.steps, None) is CloseState.PREPARED


def test_what_was_over_before_the_period_is_in_no_sum() -> None:
    """A finding and a sweep of an earlier month change nothing, and what is found again begins anew."""
    earlier = {**FOUND, "payment_created": "2026-08-03T12:00:00Z"}
    over = {"subject": "pi_1", "kind": "missed_outcome", "state": "corrected"}
    september = {**SWEEP, "days": {"first": "2026-09-01", "last": "2026-09-30"}}
    taken = entries(
        ("finding_opened", earlier),
        ("finding_changed", over),
        ("sweep", september),
        at=OCTOBER.start,
    )
    empty = taken.statement({})
    assert (empty.currencies, empty.sweeps) == ((), ())
    again = OCTOBER.start + timedelta(days=9)
    taken.add(Entry("default", 4, again, "finding_changed", earlier, "", ""))
    (eur,) = taken.statement({}).currencies
    assert (eur.opening, eur.new, eur.closing) == (Movement(), Movement(1, -700), Movement(1, -700))
    assert eur.open_items[0].since == again


@pytest.mark.parametrize(
    ("action", "body", "most"), [("finding_changed", FOUND, 250), ("day_totals", DAY, 350)]
)
def test_what_an_entry_says_again_is_in_memory_once(
    action: str, body: Mapping[str, object], most: int
) -> None:
    """A year has a hundred thousand of them: bytes that one more entry takes if only its number is new."""
    many = 300
    taken = entries(("finding_opened", FOUND), ("day_totals", DAY))
    tracemalloc.start()
    try:
        for number in range(1000, 1000 + many):
            taken.add(Entry("default", number, CUT, action, {**body, "sweep": number}, "", ""))
        # Python keeps some freed tuples for later
        gc.collect()
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used / many < most


def test_a_day_that_is_found_again_is_of_the_later_sweep() -> None:
    """Though both found the same money."""
    later = {**DAY, "sweep": 10}
    found = entries(
        ("day_totals", DAY), ("sweep", SWEEP), ("day_totals", later), ("sweep", {**SWEEP, "sweep": 10})
    ).statement({})  # fmt: skip
    assert [(day.sweep, day.received) for day in found.days] == [(10, (2, 1200))]


def test_the_same_moment_at_another_offset_is_another_text() -> None:
    """A statement shows each time as its entry has it."""
    elsewhere = {**FOUND, "payment_created": "2026-10-03T14:00:00+02:00"}
    (eur,) = entries(("finding_opened", FOUND), ("finding_changed", elsewhere)).statement({}).currencies  # fmt: skip
    assert eur.open_items[0].payment_created.isoformat() == "2026-10-03T14:00:00+02:00"
