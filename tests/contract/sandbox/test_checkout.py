from __future__ import annotations

import pytest
import stripe

from reconciler.sandbox import ApiRefusal, Checkout, Sandbox


@pytest.fixture
def checkout(sandbox: Sandbox) -> Checkout:
    return Checkout(sandbox)


def event_types(sandbox: Sandbox) -> list[str]:
    return [event.type for event in sandbox.events()]


def test_a_session_gets_its_payment_when_the_customer_confirms(
    client: stripe.StripeClient, sandbox: Sandbox, checkout: Checkout
) -> None:
    """Before that it names no PaymentIntent. The session's metadata is not the intent's."""
    session = checkout.create(
        1500, "eur", client_reference_id="cart-1", metadata={"order": "7"}, intent_metadata={"shop": "x"}
    )  # fmt: skip
    waiting = client.v1.checkout.sessions.retrieve(session.id)
    assert (waiting.payment_intent, waiting.status, waiting.payment_status) == (None, "open", "unpaid")  # fmt: skip
    assert waiting.url is not None

    checkout.complete(session.id)
    done = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (done.status, done.payment_status, done.client_reference_id) == ("complete", "paid", "cart-1")  # fmt: skip
    intent = done.payment_intent
    assert isinstance(intent, stripe.PaymentIntent)
    assert (intent.status, intent.amount, intent.currency) == ("succeeded", 1500, "eur")
    assert intent.metadata.to_dict() == {"shop": "x"}
    assert event_types(sandbox)[-1] == "checkout.session.completed"
    found = client.v1.checkout.sessions.list({"payment_intent": intent.id}).data
    assert [one.id for one in found] == [session.id]
    assert client.v1.checkout.sessions.list({"status": "open"}).data == []


@pytest.mark.parametrize(("paid", "last", "status"), [(True, "succeeded", "paid"), (False, "failed", "unpaid")])  # fmt: skip
def test_a_bank_debit_is_paid_later(
    sandbox: Sandbox, checkout: Checkout, paid: bool, last: str, status: str
) -> None:
    """A session with a bank debit is complete and unpaid until the bank answers."""
    session = checkout.create(1500, "eur", method="sepa_debit")
    assert checkout.complete(session.id).payment_status == "unpaid"
    assert checkout.settle(session.id, paid=paid).payment_status == status
    assert event_types(sandbox)[-1] == f"checkout.session.async_payment_{last}"


@pytest.mark.parametrize(
    ("mode", "payment_status", "named"),
    [("setup", "no_payment_required", "setup_intent"), ("subscription", "paid", "subscription")],
)
def test_other_modes_have_no_payment(
    client: stripe.StripeClient, checkout: Checkout, mode: str, payment_status: str, named: str
) -> None:
    """A session that sets up a method or a subscription names no PaymentIntent."""
    session = checkout.create(1500, "eur", mode=mode)
    checkout.complete(session.id)
    read = client.v1.checkout.sessions.retrieve(session.id)
    assert (read.payment_intent, read.mode, read.payment_status) == (None, mode, payment_status)
    assert getattr(read, named) is not None


@pytest.mark.parametrize("begun", [False, True])
def test_a_session_expires(
    client: stripe.StripeClient, sandbox: Sandbox, checkout: Checkout, begun: bool
) -> None:
    """An expired session cannot be completed. Its payment, if one was begun, is canceled."""
    session = checkout.create(1500, "eur")
    if begun:
        checkout.begin_payment(session.id)
    expired = client.v1.checkout.sessions.expire(session.id)
    assert (expired.status, expired.url) == ("expired", None)
    assert event_types(sandbox)[-1] == "checkout.session.expired"
    assert [intent.status for intent in sandbox.intents()] == ["canceled"] * begun
    with pytest.raises(stripe.InvalidRequestError, match="expired"):
        client.v1.checkout.sessions.expire(session.id)
    with pytest.raises(ApiRefusal):
        checkout.complete(session.id)


def test_an_unknown_session_is_missing(client: stripe.StripeClient) -> None:
    """Stripe answers 404 with resource_missing."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.checkout.sessions.retrieve("cs_test_nowhere")
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")
