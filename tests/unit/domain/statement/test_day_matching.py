"""Which rows and which payments of a day have the other side, also of a row that is pointed at another intent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta

import pytest

from reconciler.domain.model.match_facts import MatchFacts, OrderFacts
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Flag
from reconciler.domain.statement.bridge import Bridge, bridge_of
from reconciler.domain.statement.day_matching import MatchingCounts
from reconciler.domain.statement.day_totals import DayTotals
from reconciler.domain.statement.recorded_day import read_day
from reconciler.domain.statement.statement_figures import Movement
from tests.unit.domain.samples import AMOUNT, CREATED, intent_of, match_of, missing, payment

DAY = CREATED.date()
PAYING = replace(intent_of(Outcome.SUCCEEDED), id="pi_2")
ROW = payment(Outcome.INCOMPLETE)
UNPAID = intent_of(Outcome.CANCELED)


def test_a_row_without_a_payment_of_stripe_is_only_local() -> None:
    """On its own day. Rows that the table's own sum leaves out, or that hold another intent, are not counted."""
    counts = MatchingCounts(lambda moment: moment.astimezone(UTC).date())
    early = payment(Outcome.SUCCEEDED, created=CREATED - timedelta(days=1))
    assert counts.add_rows(match_of(missing(), early), (early,), None)
    found = counts.of(DAY - timedelta(days=1), "eur")
    assert (found.only_local.count, found.only_local.amount) == (1, AMOUNT)
    for row in (replace(ROW, amount=None), replace(ROW, currency=None), replace(ROW, created=None)):
        assert counts.add_rows(match_of(UNPAID, row), (row,), UNPAID)
    linked = replace(ROW, payment_intent=None)
    assert not counts.add_rows(match_of(UNPAID, linked), (linked,), UNPAID)
    assert counts.of(DAY, "eur").matched_rows.count == 0


@pytest.mark.parametrize("order", ["first", "last, without the row", "last, with the row", "again"])
def test_a_row_that_is_pointed_at_another_intent(order: str) -> None:
    """It counts once, with the paying intent, whichever of both the sweep meets first; the intent that it held has no row."""
    facts = MatchFacts(order=OrderFacts(intents=(PAYING,)))
    match = match_of(UNPAID, ROW, order="o1", facts=facts)
    relink = match, Correct((ROW,), Outcome.SUCCEEDED, "paid", (), "pi_2")
    row_now = replace(ROW, payment_intent="pi_2", outcome=Outcome.SUCCEEDED)
    alone = match_of(PAYING, *([row_now] if order.endswith("with the row") else [])), Flag(())
    totals = DayTotals(UTC, writes_rows=True)
    if order == "again":
        # the sweep decides about the row once more when it knows that its order was paid
        totals.add([(match, Flag(())), alone])
        totals.again.add(UNPAID.id)
        totals.add([relink])
    else:
        totals.add([alone, relink] if order == "first" else [relink, alone])
    local = {"succeeded": {"count": 1, "amount": AMOUNT}}
    (draft,) = totals.entries(7, [DAY], {(DAY, "eur"): local}, {})
    day = read_day(draft.body)
    assert day is not None
    bridge = bridge_of([day])
    one = Movement(1, AMOUNT)
    assert isinstance(bridge, Bridge)
    assert (bridge.matched_rows, bridge.not_met_rows, bridge.only_local) == (one, Movement(), Movement())  # fmt: skip
    assert (bridge.only_stripe, bridge.matched_payments) == (one, one)


def test_a_day_of_an_early_version_has_no_bridge() -> None:
    """Nothing is guessed of it."""
    day = read_day(
        {
            **{name: {"count": 0, "amount": 0} for name in ("received", "unrelated", "outside_mapping")},
            **dict.fromkeys(("refunded", "disputed", "moved", "waiting", "returned"), 0),
            "sweep": 1, "day": "2026-10-01", "currency": "eur", "local": {},
        }
    )  # fmt: skip
    assert day is not None
    assert bridge_of([day]) is None
