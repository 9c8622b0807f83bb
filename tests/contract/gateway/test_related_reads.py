"""What a list of intents does not show, read from a Stripe that is as strict as the real one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.adapters.stripe_gateway import StripeGateway
from reconciler.clock import ManualClock
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.looked_up_id import ChargeIntent
from reconciler.domain.model.money_back import ChargeBalance, DisputePhase, RefundFacts
from reconciler.domain.rules.refunded_amount import refunded_amount
from reconciler.errors import SearchRefusedError, StripeRefusedError
from reconciler.sandbox import Checkout, PaymentKind, Sandbox, make
from tests.contract.gateway.conftest import START, OpenGateway


def charge_id(intent: object) -> str:
    ident = getattr(intent, "latest_charge", None)
    assert isinstance(ident, str)
    return ident


def test_refunds_and_their_states_are_read(sandbox: Sandbox, gateway: StripeGateway) -> None:
    """Every refund is read over several pages, with its status."""
    made = make(sandbox, PaymentKind.SUCCEEDED, 10_000)
    for _ in range(120):
        sandbox.refund(made.id, 10, status="pending")
    sandbox.change_refund(sandbox.refunds(made.id)[0].id, "failed")
    found = gateway.refunds(charge_id(made))
    assert len({refund.id for refund in found}) == 120
    assert sum(refund.amount for refund in found if refund.counts) == 1190
    assert gateway.reads == 2


@pytest.mark.parametrize("counts", [False, True])
@pytest.mark.parametrize("refunded", [0, 200, 400, 600])
def test_a_release_is_no_refund(
    sandbox: Sandbox, gateway: StripeGateway, counts: bool, refunded: int
) -> None:
    """In both shapes of Stripe's, the refunded amount follows from the charge, its refunds and its balance."""
    sandbox.releases_count_as_refunded = counts
    held = make(sandbox, PaymentKind.AUTHORIZED, 1000, "eur")
    captured = sandbox.capture(held.id, 600)
    if refunded:
        sandbox.refund(held.id, refunded)
    ident = charge_id(captured)
    read = gateway.retrieve(held.id)
    assert isinstance(read, Intent)
    assert read.charge is not None
    facts = RefundFacts(gateway.refunds(ident), gateway.charge_balance(ident), balance_was_read=True)  # fmt: skip
    assert facts.balance == ChargeBalance(1000 if counts else 600, "eur")
    assert refunded_amount(read.charge, "eur", facts) == refunded


def test_disputes_are_read_with_their_states(sandbox: Sandbox, gateway: StripeGateway) -> None:
    """A charge may have several; each has its state, and the time by which evidence is due if it is."""
    made = make(sandbox, PaymentKind.DISPUTED, 1000)
    sandbox.change_dispute(sandbox.disputes(made.id)[0].id, "won")
    sandbox.dispute(made.id, status="warning_needs_response")
    newest, oldest = gateway.disputes(charge_id(made))
    assert (newest.phase, oldest.phase) == (DisputePhase.INQUIRY, DisputePhase.OVER)
    assert newest.evidence_due_by == START + timedelta(days=14)
    assert oldest.evidence_due_by is None


def test_other_ids_lead_to_their_payments(sandbox: Sandbox, gateway: StripeGateway) -> None:
    """A session and a charge name their intent. An unknown id is no answer about money."""
    checkout = Checkout(sandbox)
    session = checkout.create(1000, "eur", client_reference_id="o-1")
    waiting = gateway.session(session.id)
    assert waiting is not None
    assert (waiting.payment_intent, waiting.status, waiting.order(None)) == (None, "open", "o-1")
    assert waiting.expires_at == START + timedelta(hours=24)
    checkout.complete(session.id)
    done = gateway.session(session.id)
    assert done is not None
    assert done.payment_intent is not None
    charge = sandbox.latest_charge(done.payment_intent)
    assert charge is not None
    assert gateway.charge_intent(charge.id) == ChargeIntent(charge.id, done.payment_intent)
    assert gateway.session("cs_test_nowhere") is None
    assert gateway.charge_intent("ch_nowhere") is None


def test_a_transfer_in_part_is_read(sandbox: Sandbox, gateway: StripeGateway) -> None:
    """What a bank transfer still lacks stands in the intent."""
    intent = sandbox.create_payment(1000, method="customer_balance", customer="cus_1")
    sandbox.require_action(intent.id)
    sandbox.fund(intent.id, 300)
    read = gateway.retrieve(intent.id)
    assert isinstance(read, Intent)
    assert read.next_action is not None
    assert (read.next_action.amount_remaining, read.customer) == (700, "cus_1")


def test_orders_are_searched(
    sandbox: Sandbox, open_gateway: OpenGateway, stripe_clock: ManualClock
) -> None:
    """Orders of any text are found by their exact text, ten at a time, once the index has them."""
    orders = ["o-1", 'a "b" OR status:"succeeded', "\\", "ü 7", *(f"x-{n}" for n in range(8))]
    made = {order: make(sandbox, PaymentKind.SUCCEEDED, 100, metadata={"order": order}).id for order in orders}  # fmt: skip
    make(sandbox, PaymentKind.SUCCEEDED, 100, metadata={"order": "O-1"})
    gateway = open_gateway()
    assert gateway.search_intents("order", orders[:1]).intents == ()
    stripe_clock.advance(timedelta(minutes=1))
    found = gateway.search_intents("order", orders)
    assert (found.values, found.is_whole) == (tuple(orders[:10]), True)
    assert {one.metadata["order"]: one.id for one in found.intents} == {
        order: made[order] for order in orders[:10]
    }
    sandbox.offers_search = False
    with pytest.raises(SearchRefusedError):
        gateway.search_intents("order", orders)


def test_the_permissions_of_the_related_reads(
    sandbox: Sandbox, open_gateway: OpenGateway, stripe_clock: ManualClock
) -> None:
    """The four documented permissions are enough for refunds, disputes, charges and searches. Sessions need their own,
    and without that of balances the balance is unknown."""
    made = make(sandbox, PaymentKind.DISPUTED, 1000, metadata={"order": "7"})
    stripe_clock.advance(timedelta(minutes=1))
    enough = {"payment_intent_read", "charge_read", "event_read", "dispute_read"}
    sandbox.add_key("rk_test_reader", permissions=enough)
    gateway = open_gateway("rk_test_reader")
    assert gateway.refunds(charge_id(made)) == ()
    assert len(gateway.disputes(charge_id(made))) == 1
    assert gateway.charge_intent(charge_id(made)) is not None
    assert len(gateway.search_intents("order", ["7"]).intents) == 1
    assert gateway.charge_balance(charge_id(made)) is None
    session = Checkout(sandbox).create(1000)
    with pytest.raises(StripeRefusedError, match="Checkout Sessions"):
        gateway.session(session.id)
    sandbox.add_key("rk_test_more", permissions={*enough, "checkout_session_read", "balance_read"})
    more = open_gateway("rk_test_more")
    assert more.session(session.id) is not None
    assert more.charge_balance(charge_id(made)) == ChargeBalance(1000, "usd")
