from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import stripe

from reconciler.sandbox import Checkout, PaymentKind, Sandbox, make


def test_usual_expansions(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    """The fields that integrations expand become whole objects, also through one another."""
    made = make(sandbox, PaymentKind.PARTLY_REFUNDED, 900, "eur", customer="cus_1")
    intent = client.v1.payment_intents.retrieve(
        made.id,
        {"expand": ["latest_charge.balance_transaction", "latest_charge.refunds", "customer", "payment_method"]},
    )  # fmt: skip
    charge = intent.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert isinstance(charge.balance_transaction, stripe.BalanceTransaction)
    assert charge.balance_transaction.amount == 900
    assert charge.refunds is not None
    assert [refund.amount for refund in charge.refunds.data] == [300]
    assert isinstance(intent.customer, stripe.Customer)
    assert isinstance(intent.payment_method, stripe.PaymentMethod)
    assert client.v1.payment_intents.retrieve(made.id).latest_charge == charge.id

    refund = client.v1.refunds.list({"expand": ["data.charge.payment_intent", "data.balance_transaction"]}).data[0]  # fmt: skip
    assert isinstance(refund.balance_transaction, stripe.BalanceTransaction)
    assert refund.balance_transaction.amount == -300
    assert isinstance(refund.charge, stripe.Charge)
    assert isinstance(refund.charge.payment_intent, stripe.PaymentIntent)


def test_expansions_of_a_list(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    """On a list, each object is expanded."""
    for amount in (100, 200):
        make(sandbox, PaymentKind.SUCCEEDED, amount)
    read = client.v1.payment_intents.list({"expand": ["data.latest_charge.balance_transaction"]})
    amounts = [one.latest_charge.balance_transaction.amount for one in read.data]  # type: ignore[union-attr]
    assert amounts == [200, 100]


def test_a_session_shows_its_payment(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    """A session's payment can be expanded with its charge; without a payment there is nothing to expand."""
    checkout = Checkout(sandbox)
    done, waiting = checkout.create(1500), checkout.create(1500)
    checkout.complete(done.id)
    expand = {"expand": ["payment_intent.latest_charge"]}
    read = client.v1.checkout.sessions.retrieve(done.id, expand)  # type: ignore[arg-type]
    assert isinstance(read.payment_intent, stripe.PaymentIntent)
    assert isinstance(read.payment_intent.latest_charge, stripe.Charge)
    assert client.v1.checkout.sessions.retrieve(waiting.id, expand).payment_intent is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "field"),
    [
        ("payment_intents", "latest_charge"),
        ("payment_intents", "data.amount"),
        ("payment_intents", "data"),
        ("payment_intents", "data.latest_charge.amount"),
        ("payment_intents", "data.latest_charge.payment_intent.latest_charge.payment_intent"),
        ("refunds", "charge"),
        ("events", "data.data"),
    ],
)
def test_a_field_that_cannot_be_expanded_is_refused(
    http: httpx.Client, sandbox: Sandbox, target: str, field: str
) -> None:
    """An unknown field, one without "data." on a list, and more than four levels are 400."""
    make(sandbox, PaymentKind.REFUNDED, 900)
    answer: Any = http.get(f"/v1/{target}", params={"expand[]": field})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "expand"


@pytest.mark.parametrize(
    ("field", "missing"),
    [
        ("latest_charge", "charge_read"),
        ("latest_charge.refunds", "charge_read"),
        ("latest_charge.balance_transaction", "balance_read"),
        ("customer", "customer_read"),
    ],
)
def test_a_restricted_key_needs_read_on_what_is_expanded(
    client_for: Callable[..., stripe.StripeClient], sandbox: Sandbox, field: str, missing: str
) -> None:
    """Each expanded object needs its own permission."""
    made = make(sandbox, PaymentKind.REFUNDED, 900)
    everything = {"payment_intent_read", "charge_read", "balance_read", "customer_read"}
    sandbox.add_key("rk_test_all", permissions=everything)
    client_for("rk_test_all").v1.payment_intents.retrieve(made.id, {"expand": [field]})
    sandbox.add_key("rk_test_less", permissions=everything - {missing})
    with pytest.raises(stripe.PermissionError, match=missing):
        client_for("rk_test_less").v1.payment_intents.retrieve(made.id, {"expand": [field]})
