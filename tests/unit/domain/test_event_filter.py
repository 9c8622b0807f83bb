"""Whether recent events are a reason to retrieve their intent."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.domain.model.intent import Event, Snapshot
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import AT_STRIPE, Outcome
from reconciler.domain.rules.comparison import compare
from reconciler.domain.rules.decision_table import TABLE, Cell
from reconciler.domain.rules.event_filter import asks_for_retrieve
from tests.unit.domain.samples import AMOUNT, CREATED, NOW, intent_of, match_of, payment, rules

LOCAL = [outcome for outcome in Outcome if outcome is not Outcome.UNKNOWN]


def an_event(outcome: Outcome | None, second: int = 0, **changes: object) -> Event:
    facts: dict[str, object] = {
        "outcome": outcome,
        "amount_received": AMOUNT if outcome is Outcome.SUCCEEDED else 0,
        "amount_capturable": AMOUNT if outcome is Outcome.AUTHORIZED else 0,
        "currency": "eur",
        **changes,
    }
    snapshot = None if outcome is None else Snapshot(**facts)  # type: ignore[arg-type]
    when = CREATED + timedelta(seconds=second)
    return Event(f"evt_{outcome}_{second}", "payment_intent.any", when, "pi_1", snapshot=snapshot)


@pytest.mark.parametrize(("local", "stripe"), list(itertools.product(LOCAL, AT_STRIPE)))
def test_an_event_is_ignored_only_if_the_table_says_keep(local: Outcome, stripe: Outcome) -> None:
    """What the decision table would correct or flag is retrieved, and so is a refund that no event shows."""
    asks = asks_for_retrieve([an_event(stripe)], [payment(local)], rules())
    unproved = local in (Outcome.REFUNDED, Outcome.DISPUTED)
    assert asks is (unproved or TABLE[local, stripe] is not Cell.KEEP)


@pytest.mark.parametrize(
    "kind", ["refund.failed", "charge.dispute.closed", "charge.refund.updated"]
)
def test_money_that_may_not_have_gone_back_is_retrieved(kind: str) -> None:
    """A refund may have failed and a dispute may be over, although the row says refunded."""
    event = replace(an_event(None), type=kind)
    assert asks_for_retrieve([event], [payment(Outcome.REFUNDED)], rules())


def test_a_transfer_of_which_a_part_arrived_is_retrieved() -> None:
    """Both sides wait, but money has arrived."""
    event = replace(an_event(Outcome.INCOMPLETE), type="payment_intent.partially_funded")
    assert asks_for_retrieve([event], [payment(Outcome.INCOMPLETE)], rules())


@pytest.mark.parametrize(
    "change", [{"amount_capturable": AMOUNT - 1}, {"currency": "usd"}, {"amount_received": 1}]
)
def test_a_held_amount_that_differs_is_retrieved(change: dict[str, object]) -> None:
    """Both sides say authorized, but not the same amount or currency."""
    event = an_event(Outcome.AUTHORIZED, **change)
    assert asks_for_retrieve([event], [payment(Outcome.AUTHORIZED)], rules())


def test_a_canceled_intent_that_received_money_is_retrieved() -> None:
    """Both sides say canceled, but money was received."""
    event = an_event(Outcome.CANCELED, amount_received=1)
    assert asks_for_retrieve([event], [payment(Outcome.CANCELED)], rules())


@pytest.mark.parametrize(("local", "stripe"), list(itertools.product(LOCAL, AT_STRIPE)))
def test_an_intent_that_is_not_retrieved_has_no_finding(local: Outcome, stripe: Outcome) -> None:
    """If the intent is still as the event shows it, nothing is missed without the retrieve."""
    row = payment(local)
    if asks_for_retrieve([an_event(stripe)], [row], rules()):
        return
    found = compare(match_of(intent_of(stripe), row), rules(), NOW).findings
    assert [finding for finding in found if not finding.kind.is_side] == []


def test_the_intent_of_a_row_with_an_unknown_status_is_retrieved() -> None:
    """An unknown status is a finding whether or not the event agrees with it."""
    assert asks_for_retrieve([an_event(Outcome.SUCCEEDED)], [payment(Outcome.UNKNOWN)], rules())


@pytest.mark.parametrize("change", [{"amount_received": AMOUNT - 1}, {"currency": "usd"}])
def test_the_intent_of_a_paid_row_with_other_money_is_retrieved(change: dict[str, object]) -> None:
    """Both sides say paid, but not the same amount or currency."""
    event = an_event(Outcome.SUCCEEDED, **change)
    assert asks_for_retrieve([event], [payment(Outcome.SUCCEEDED)], rules())


def test_a_final_snapshot_decides_in_every_order_of_the_events() -> None:
    """A late event about an earlier state says nothing after the intent has succeeded."""
    events = [an_event(Outcome.INCOMPLETE, 9), an_event(Outcome.SUCCEEDED, 5)]
    for order in itertools.permutations(events):
        assert not asks_for_retrieve(order, [payment(Outcome.SUCCEEDED)], rules())
        assert asks_for_retrieve(order, [payment(Outcome.INCOMPLETE)], rules())


def test_of_one_second_all_snapshots_must_agree() -> None:
    """Nothing shows which of two events of the same second was later."""
    events = [an_event(Outcome.INCOMPLETE, 5), an_event(Outcome.PROCESSING, 5)]
    for order in itertools.permutations(events):
        assert asks_for_retrieve(order, [payment(Outcome.INCOMPLETE)], rules())


def test_an_older_snapshot_does_not_count() -> None:
    """Only the snapshots of the newest second show the state."""
    events = [an_event(Outcome.INCOMPLETE, 1), an_event(Outcome.PROCESSING, 5)]
    assert not asks_for_retrieve(events, [payment(Outcome.PROCESSING)], rules())


@pytest.mark.parametrize("local", LOCAL)
def test_an_event_without_a_snapshot_is_a_reason_unless_the_row_says_given_back(
    local: Outcome,
) -> None:
    """Events about refunds and disputes carry a charge, so they have no snapshot of the intent."""
    asks = asks_for_retrieve([an_event(None)], [payment(local)], rules())
    assert asks is (local not in (Outcome.REFUNDED, Outcome.DISPUTED))


def test_an_intent_whose_order_another_intent_paid_is_retrieved() -> None:
    """Both rows may say paid, and the order may be paid twice."""
    event, row = an_event(Outcome.SUCCEEDED), payment(Outcome.SUCCEEDED)
    assert asks_for_retrieve([event], [row], rules(), order_was_paid=True)


def test_an_intent_with_two_rows_is_retrieved() -> None:
    """Several rows of one intent may be a finding although each of them agrees."""
    rows: list[Payment] = [
        payment(Outcome.SUCCEEDED, key="1"),
        payment(Outcome.SUCCEEDED, key="2"),
    ]
    assert asks_for_retrieve([an_event(Outcome.SUCCEEDED)], rows, rules())


@pytest.mark.parametrize("outcome", [*AT_STRIPE, Outcome.UNKNOWN])
def test_without_a_row_only_an_intent_that_may_be_missing_is_retrieved(outcome: Outcome) -> None:
    """Money was taken or is held, or Reconciler does not know the status."""
    asks = asks_for_retrieve([an_event(outcome)], [], rules())
    assert asks is (outcome in (Outcome.SUCCEEDED, Outcome.AUTHORIZED, Outcome.UNKNOWN))


def test_without_a_row_an_intent_of_another_program_is_not_retrieved() -> None:
    """The payments of another program on the same account cost no reads."""
    shop_only = rules(metadata={"app": "shop"}, link_metadata="order_id")
    foreign = an_event(Outcome.SUCCEEDED, metadata={"app": "blog"})
    linked = an_event(Outcome.CANCELED, metadata={"app": "shop", "order_id": "7"})
    assert not asks_for_retrieve([foreign], [], shop_only)
    assert asks_for_retrieve([linked], [], shop_only)


def test_without_a_row_an_intent_without_the_key_is_not_retrieved() -> None:
    """The same if a key alone tells the programs apart."""
    with_key = rules(metadata={"order_id": None})
    assert not asks_for_retrieve(
        [an_event(Outcome.SUCCEEDED, metadata={"app": "blog"})], [], with_key
    )
    assert asks_for_retrieve(
        [an_event(Outcome.SUCCEEDED, metadata={"order_id": "7"})], [], with_key
    )


def test_without_a_row_an_open_intent_that_names_no_order_is_not_retrieved() -> None:
    """Orders are linked by metadata, and this intent has none: no row can be its own."""
    linking = rules(link_metadata="order_id")
    assert not asks_for_retrieve([an_event(Outcome.CANCELED, metadata={})], [], linking)
