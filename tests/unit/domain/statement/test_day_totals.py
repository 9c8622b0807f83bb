"""What the payments of a day add up to, and what explains a difference for which there is no finding."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from reconciler.domain.audit.ledger_entry import Action
from reconciler.domain.model.intent import Event
from reconciler.domain.model.match import Match
from reconciler.domain.model.match_facts import MatchFacts, OrderFacts
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Decision, Flag, Keep
from reconciler.domain.rules.grace import Wait
from reconciler.domain.statement.day_totals import DayTotals
from tests.unit.domain.samples import (
    AMOUNT,
    CREATED,
    NOW,
    charge,
    dispute,
    intent_of,
    match_of,
    missing,
    payment,
)

DAY = CREATED.date()
PAID = payment(Outcome.SUCCEEDED)
SUCCEEDED = intent_of(Outcome.SUCCEEDED)
WAIT = Wait(NOW, "changed a moment ago")
NOTHING = {"count": 0, "amount": 0}
NO_PAYMENT: dict[str, object] = {"count": 0, "payments": []}
NO_MONEY_BACK: dict[str, object] = {"count": 0, "payments": {}}
ONE = {"count": 1, "amount": AMOUNT}


def body(
    *decided: tuple[Match, Decision], day: date = DAY, writes: bool = True
) -> dict[str, object]:
    """The entry of a day after these decisions."""
    totals = DayTotals(UTC, writes_rows=writes)
    totals.add(decided)
    entries = totals.entries(7, [day], {}, {})
    assert [entry.action for entry in entries] == [Action.DAY_TOTALS] * len(entries)
    return dict(entries[0].body) if entries else {}


def test_a_payment_that_agrees() -> None:
    """It is counted once on Stripe's side, and explains nothing."""
    found = body((match_of(SUCCEEDED, PAID), Keep()))
    assert found == {
        "sweep": 7,
        "day": DAY.isoformat(),
        "currency": "eur",
        "local": {},
        "left_out": {},
        "stripe": {"succeeded": ONE},
        "received": ONE,
        "refunded": 0,
        "disputed": 0,
        "refunded_payments": NO_MONEY_BACK,
        "disputed_payments": NO_MONEY_BACK,
        "moved": 0,
        "moved_by_day": {},
        "waiting": 0,
        "returned": 0,
        "waiting_payments": NO_PAYMENT,
        "returned_payments": NO_PAYMENT,
        "unrelated": NOTHING,
        "outside_mapping": NOTHING,
        "matching": {"matched_rows": ONE, "only_local": NOTHING, "only_stripe": NOTHING},
    }


def test_an_unpaid_payment_has_no_money() -> None:
    """It is counted by its outcome, with the amount that was asked for."""
    found = body((match_of(intent_of(Outcome.CANCELED), payment(Outcome.CANCELED)), Keep()))
    assert (found["received"], found["waiting"]) == (NOTHING, 0)
    assert list(found["stripe"]) == ["canceled"]  # type: ignore[call-overload]


def test_money_of_others_is_in_no_sum() -> None:
    """Stripe may hold payments of another shop, and of rows outside the mapping."""
    excluded = MatchFacts(excluded_rows=(replace(PAID, excluded=True),))
    found = body(
        (match_of(SUCCEEDED), Keep()),
        (match_of(replace(SUCCEEDED, id="pi_2"), facts=excluded), Keep()),
        (match_of(intent_of(Outcome.INCOMPLETE, id="pi_3")), Keep()),
    )
    assert (found["unrelated"], found["outside_mapping"]) == (ONE, ONE)
    assert (found["received"], found["stripe"]) == (NOTHING, {})


@pytest.mark.parametrize(
    ("match", "decision"),
    [
        (match_of(SUCCEEDED), Flag(())),
        (match_of(SUCCEEDED, facts=MatchFacts(pays_for_row=True)), Keep()),
    ],
    ids=["a finding", "it pays for a row"],
)
def test_an_intent_without_a_row_may_belong_to_the_table(match: Match, decision: Decision) -> None:
    """A finding says so, which carries the difference."""
    found = body((match, decision))
    assert (found["received"], found["unrelated"], found["waiting"]) == (ONE, NOTHING, 0)


def test_what_waits_is_explained() -> None:
    """Its webhook may be on its way, so there is no finding yet, with a row or without one."""
    totals = DayTotals(UTC, writes_rows=True)
    totals.add([(match_of(SUCCEEDED, payment(Outcome.INCOMPLETE)), WAIT)])
    totals.add_waiting([replace(SUCCEEDED, id="pi_2")])
    (entry,) = totals.entries(7, [DAY], {}, {})
    assert entry.body["waiting"] == -2 * AMOUNT
    assert entry.body["waiting_payments"] == {"count": 2, "payments": [SUCCEEDED.id, "pi_2"]}
    assert entry.body["received"] == {"count": 2, "amount": 2 * AMOUNT}


def test_nothing_is_kept_on_either_side() -> None:
    """An order that was canceled here and paid back in full has ended well, although Stripe received its money."""
    back = charge(amount_refunded=AMOUNT, refunded=True)
    returned = replace(SUCCEEDED, charge=back)
    found = body((match_of(returned, payment(Outcome.CANCELED)), Keep()))
    assert (found["returned"], found["refunded"]) == (-AMOUNT, AMOUNT)
    assert found["returned_payments"] == {"count": 1, "payments": [returned.id]}


def test_some_payments_without_a_finding_are_named() -> None:
    """All are counted, and the entry stays small."""
    totals = DayTotals(UTC, writes_rows=True)
    totals.add_waiting([replace(SUCCEEDED, id=f"pi_{number}") for number in range(25)])
    (entry,) = totals.entries(7, [DAY], {}, {})
    named = entry.body["waiting_payments"]
    assert isinstance(named, dict)
    assert (named["count"], len(named["payments"]), named["payments"][-1]) == (25, 20, "pi_19")


def test_rows_that_are_in_no_sum_are_counted() -> None:
    """Also if the day has no other row and no payment: what is left out of the populations is never silent."""
    left = {"no_payment_intent": {"count": 1, "amount": 5, "paid_count": 1, "paid_amount": 5}}
    found = DayTotals(UTC, writes_rows=True).entries(7, [DAY], {}, {(DAY, "eur"): left})
    assert [(entry.body["currency"], entry.body["left_out"]) for entry in found] == [("eur", left)]


def test_what_agrees_and_differs_stays_unexplained() -> None:
    """A difference that no rule found is nothing that this may hide."""
    unread = charge(disputed=True)
    found = body(
        (match_of(SUCCEEDED, payment(Outcome.CANCELED)), Keep()),
        (
            match_of(
                replace(SUCCEEDED, charge=unread), payment(Outcome.CANCELED), facts=MatchFacts()
            ),
            Keep(),
        ),
    )
    assert (found["returned"], found["waiting"], found["moved"]) == (0, 0, 0)


def test_what_went_back() -> None:
    """Refunds and lost disputes, as far as they were read; what was not read counts by the charge."""
    released = charge(amount_captured=1000, amount_refunded=3300, disputed=True)
    lost = MatchFacts(disputes=(dispute("lost", amount=AMOUNT),))
    open_dispute = MatchFacts(disputes=(dispute("needs_response"),))
    found = body(
        (match_of(replace(SUCCEEDED, charge=charge(amount_refunded=700)), PAID), Keep()),
        (match_of(replace(SUCCEEDED, charge=released), PAID), Keep()),
        (match_of(replace(SUCCEEDED, charge=charge(disputed=True)), PAID, facts=lost), Flag(())),
        (
            match_of(replace(SUCCEEDED, charge=charge(disputed=True)), PAID, facts=open_dispute),
            Flag(()),
        ),
    )
    assert (found["refunded"], found["disputed"]) == (700 + 1000, AMOUNT)


def event(kind: str, at: datetime, payment: str | None = SUCCEEDED.id) -> Event:
    """An event of Stripe about a payment."""
    return Event("evt_1", kind, at, payment)


def test_the_payments_of_which_money_went_back_are_named_with_stripes_time() -> None:
    """So that a later sweep shows which payment a late refund is of, and whether it was late. Events about other things, and
    of no payment, say nothing."""
    lost = replace(SUCCEEDED, id="pi_2", charge=charge(disputed=True))
    facts = MatchFacts(disputes=(dispute("lost", amount=900),))
    totals = DayTotals(UTC, writes_rows=True)
    totals.money_back.add(
        [
            event("charge.refunded", NOW),
            event("refund.created", NOW - timedelta(hours=1)),
            event("charge.dispute.closed", NOW, "pi_2"),
            event("payment_intent.succeeded", NOW + timedelta(days=1)),
            event("charge.refunded", NOW + timedelta(days=1), None),
        ]
    )
    totals.add(
        [
            (match_of(replace(SUCCEEDED, charge=charge(amount_refunded=700)), PAID), Keep()),
            (match_of(lost, PAID, facts=facts), Flag(())),
            (
                match_of(replace(SUCCEEDED, id="pi_3", charge=charge(amount_refunded=5)), PAID),
                Keep(),
            ),
        ]
    )
    (entry,) = totals.entries(7, [DAY], {}, {})
    assert entry.body["refunded_payments"] == {
        "count": 2, "payments": {SUCCEEDED.id: {"amount": 700, "at": NOW}, "pi_3": {"amount": 5}},
    }  # fmt: skip
    assert entry.body["disputed_payments"] == {"count": 1, "payments": {"pi_2": {"amount": 900, "at": NOW}}}  # fmt: skip


def test_of_many_payments_some_are_named() -> None:
    """All are counted and summed, and the entry stays small."""
    totals = DayTotals(UTC, writes_rows=True)
    refunded = replace(SUCCEEDED, charge=charge(amount_refunded=7))
    totals.add([(match_of(replace(refunded, id=f"pi_{n}"), PAID), Keep()) for n in range(105)])
    (entry,) = totals.entries(7, [DAY], {}, {})
    named = entry.body["refunded_payments"]
    assert isinstance(named, dict)
    assert (entry.body["refunded"], named["count"], len(named["payments"])) == (735, 105, 100)


def test_a_correction_counts_as_written() -> None:
    """The table's own sum is taken after it. A decision that was not written has a finding."""
    early = payment(Outcome.INCOMPLETE, created=CREATED - timedelta(days=1))
    match = match_of(SUCCEEDED, early, payment(Outcome.CANCELED, key="p2"))
    correct = Correct((early,), Outcome.SUCCEEDED, "paid", ())
    assert body((match, correct))["moved"] == -AMOUNT
    assert body((match, correct), writes=False)["moved"] == 0


def test_a_row_of_another_day_is_moved() -> None:
    """The table counts it on its own day and Stripe on the other: both days explain it. A row without a time has no day."""
    before = DAY - timedelta(days=1)
    late = match_of(SUCCEEDED, payment(Outcome.SUCCEEDED, created=CREATED - timedelta(days=1)))
    undated = match_of(SUCCEEDED, payment(Outcome.SUCCEEDED, created=None))
    assert body((late, Keep()))["moved"] == -AMOUNT
    assert body((late, Keep()), day=before)["moved"] == AMOUNT
    named = {"count": 1, "payments": [SUCCEEDED.id]}
    assert body((late, Keep()))["moved_by_day"] == {
        before.isoformat(): {"amount": -AMOUNT, **named}
    }
    assert body((undated, Keep()))["moved"] == -AMOUNT
    assert body((undated, Keep()))["moved_by_day"] == {"": {"amount": -AMOUNT, **named}}
    assert body((undated, Keep()), day=before) == {}


def test_the_rows_of_one_payment_are_one_payment() -> None:
    """Its money is that of both rows."""
    earlier = CREATED - timedelta(days=1)
    rows = [payment(Outcome.SUCCEEDED, key=key, created=earlier) for key in ("p1", "p2")]
    found = body((match_of(SUCCEEDED, *rows), Keep()))
    named = {"amount": -2 * AMOUNT, "count": 1, "payments": [SUCCEEDED.id]}
    assert found["moved_by_day"] == {earlier.date().isoformat(): named}


def test_a_row_that_was_pointed_at_the_paying_intent() -> None:
    """Its money is on the paying intent's day."""
    paying = replace(SUCCEEDED, id="pi_2", created=CREATED + timedelta(days=2))
    row = payment(Outcome.INCOMPLETE)
    order = MatchFacts(order=OrderFacts(intents=(paying,)))
    match = match_of(intent_of(Outcome.CANCELED), row, order="o1", facts=order)
    relink = Correct((row,), Outcome.SUCCEEDED, "paid", (), "pi_2")
    found = body((match, relink))
    assert (found["moved"], found["received"]) == (AMOUNT, NOTHING)
    forgotten = match_of(intent_of(Outcome.CANCELED), row, order="o1")
    assert body((forgotten, relink))["moved"] == 0


def test_stripe_may_have_no_intent() -> None:
    """A finding carries the difference of such a row: the day has no money at Stripe."""
    assert body((match_of(missing(), PAID), Flag(()))) == {}


def test_the_days_are_those_of_the_books() -> None:
    """Shortly before midnight in UTC it is the next day in Tokyo."""
    late = replace(SUCCEEDED, created=datetime(2026, 6, 9, 20, 0, tzinfo=UTC))
    totals = DayTotals(ZoneInfo("Asia/Tokyo"), writes_rows=True)
    totals.add([(match_of(late, payment(Outcome.SUCCEEDED, created=late.created)), Keep())])
    local = {(date(2026, 6, 10), "usd"): {"succeeded": ONE}, (date(2026, 7, 1), "usd"): {}}
    days = [date(2026, 6, 9), date(2026, 6, 10)]
    bodies = [entry.body for entry in totals.entries(None, days, local, {})]
    assert [(one["day"], one["currency"]) for one in bodies] == [
        ("2026-06-10", "eur"),
        ("2026-06-10", "usd"),
    ]
    assert bodies[1]["local"] == {"succeeded": ONE}
