"""Reads about one charge or Checkout Session: refunds, disputes, balance, and the intent behind another id."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.adapters.stripe_gateway import StripeGateway
from reconciler.domain.model.looked_up_id import ChargeIntent, CheckoutSession
from reconciler.domain.model.money_back import ChargeBalance, Dispute, Refund
from reconciler.domain.read_limits_and_shortage import Endpoint
from reconciler.errors import (
    MalformedAnswerError,
    StripeRefusedError,
    StripeRequestError,
    WrongKeyError,
)
from tests.unit.gateway.canned_server import CREATED, charge, error, page, reply
from tests.unit.gateway.conftest import Serve

AT = datetime.fromtimestamp(CREATED, UTC)
NO_PERMISSION = (
    "The provided key does not have the required permissions. Having the 'rak_balance_read' permission would allow "
    "this request to continue."
)


def refund(**changes: Any) -> dict[str, Any]:
    return {
        "id": "re_1",
        "object": "refund",
        "amount": 500,
        "charge": "ch_1",
        "currency": "usd",
        "status": "succeeded",
        **changes,
    }


def dispute(**changes: Any) -> dict[str, Any]:
    return {
        "id": "dp_1",
        "object": "dispute",
        "amount": 1099,
        "charge": "ch_1",
        "created": CREATED,
        "currency": "EUR",
        "evidence": {"customer_name": "Jenny Rosen"},
        "evidence_details": {"due_by": CREATED + 60, "has_evidence": False},
        "livemode": False,
        "status": "needs_response",
        **changes,
    }


def session(**changes: Any) -> dict[str, Any]:
    return {
        "id": "cs_1",
        "object": "checkout.session",
        "client_reference_id": None,
        "customer_details": {"email": "jenny@example.com"},
        "expires_at": CREATED,
        "livemode": False,
        "metadata": {},
        "mode": "payment",
        "payment_intent": "pi_1",
        "payment_status": "paid",
        "status": "complete",
        "url": None,
        **changes,
    }


def balance(**changes: Any) -> dict[str, Any]:
    transaction = {"id": "txn_1", "object": "balance_transaction", "amount": 800, "currency": "USD"}
    return charge(balance_transaction=transaction | changes)


def test_every_refund_of_a_charge_is_read(serve: Serve) -> None:
    """Each refund has its amount and status, over as many pages as there are; one that two pages show counts once."""
    served = serve(
        reply(page([refund(id="re_3", status="failed"), refund(id="re_2", amount=7)], has_more=True)),
        reply(page([refund(id="re_2", amount=7), refund(status=None)])),
    )  # fmt: skip
    assert served.gateway.refunds("ch_1") == (
        Refund("re_3", 500, "failed"),
        Refund("re_2", 7, "succeeded"),
        Refund("re_1", 500, None),
    )
    assert served.server.targets == [
        "/v1/refunds?limit=100&charge=ch_1",
        "/v1/refunds?limit=100&starting_after=re_2&charge=ch_1",
    ]
    assert served.hook_calls.acquired == [Endpoint.OTHER] * 2


def test_every_dispute_of_a_charge_is_read(serve: Serve) -> None:
    """A charge can have several disputes. Each has its own currency, status and the time by which evidence is due."""
    served = serve(
        reply(page([dispute(id="dp_2", status="warning_closed", evidence_details={"due_by": 0})], has_more=True)),
        reply(page([dispute()])),
    )  # fmt: skip
    due_by = datetime.fromtimestamp(CREATED + 60, UTC)
    assert served.gateway.disputes("ch_1") == (
        Dispute("dp_2", "warning_closed", 1099, "eur", AT, None),
        Dispute("dp_1", "needs_response", 1099, "eur", AT, due_by),
    )
    assert served.server.targets[0] == "/v1/disputes?limit=100&charge=ch_1"


LISTS = {
    "refunds": (StripeGateway.refunds, refund),
    "disputes": (StripeGateway.disputes, dispute),
}


@pytest.mark.parametrize("kind", LISTS)
def test_an_endless_list_is_refused(serve: Serve, kind: str) -> None:
    """A server that always has more does not hold the gateway without end: it reads fifty pages."""
    read, item = LISTS[kind]
    numbers = iter(range(1000))
    served = serve(lambda _: reply(page([item(id=f"x_{next(numbers)}")], has_more=True)))
    with pytest.raises(MalformedAnswerError, match="does not end"):
        read(served.gateway, "ch_1")
    assert served.gateway.reads == 50


@pytest.mark.parametrize(
    ("kind", "field", "changes"),
    [
        ("refunds", "amount", {"amount": 5.0}),
        ("refunds", "amount", {"amount": -5}),
        ("refunds", "amount", {"amount": None}),
        ("refunds", "status", {"status": 3}),
        ("refunds", "charge", {"charge": "ch_2"}),
        ("refunds", "charge", {"charge": None}),
        ("disputes", "amount", {"amount": True}),
        ("disputes", "status", {"status": None}),
        ("disputes", "created", {"created": "today"}),
        ("disputes", "charge", {"charge": "ch_2"}),
        ("disputes", "evidence_details.due_by", {"evidence_details": {"due_by": 10**15}}),
    ],
)
def test_one_broken_item_makes_the_list_unreadable(
    serve: Serve, kind: str, field: str, changes: dict[str, Any]
) -> None:
    """A sum over a list that lacks an item is a wrong sum: the list is read all or none. The field is named."""
    read, item = LISTS[kind]
    served = serve(reply(page([item(id="x_1"), item(id="x_2", **changes)])))
    with pytest.raises(MalformedAnswerError, match=rf"x_2 .* at {field}\."):
        read(served.gateway, "ch_1")


def test_the_balance_of_a_charge_is_read(serve: Serve) -> None:
    """The balance transaction has its amount before fees, in the currency of the balance."""
    served = serve(reply(balance(fee=30)))
    assert served.gateway.charge_balance("ch_1") == ChargeBalance(800, "usd")
    assert served.server.targets == ["/v1/charges/ch_1?expand[0]=balance_transaction"]


def test_a_charge_may_have_no_balance_transaction_yet(serve: Serve) -> None:
    """It is null until Stripe has captured the money."""
    assert serve(reply(charge(balance_transaction=None))).gateway.charge_balance("ch_1") is None


def test_a_balance_that_the_key_may_not_read_is_unknown(serve: Serve) -> None:
    """The balance decides only rare cases, and Read on it is not among the needed permissions: no error."""
    assert serve(error(403, NO_PERMISSION)).gateway.charge_balance("ch_1") is None


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("amount", {"amount": "800"}),
        ("amount", {"amount": None}),
        ("currency", {"currency": None}),
        ("object", {"object": "charge"}),
    ],
)
def test_a_broken_balance_is_named(serve: Serve, field: str, changes: dict[str, Any]) -> None:
    """A balance that is not what the API promises is an error and never a missing one."""
    with pytest.raises(
        MalformedAnswerError, match=rf"charge ch_1 .* at balance_transaction.{field}"
    ):
        serve(reply(balance(**changes))).gateway.charge_balance("ch_1")


def test_a_balance_that_was_not_expanded_is_an_error(serve: Serve) -> None:
    """An id says nothing about the amount."""
    with pytest.raises(MalformedAnswerError, match="at balance_transaction"):
        serve(reply(charge(balance_transaction="txn_1"))).gateway.charge_balance("ch_1")


@pytest.mark.parametrize("intent", ["pi_9", None])
def test_a_charge_names_its_intent(serve: Serve, intent: str | None) -> None:
    """A charge that was made without an intent is another answer than a charge that does not exist."""
    served = serve(reply(charge(id="py_1", payment_intent=intent)))
    assert served.gateway.charge_intent("py_1") == ChargeIntent("py_1", intent)
    assert served.server.targets == ["/v1/charges/py_1"]


def test_a_session_is_read_without_the_customer(serve: Serve) -> None:
    """A Checkout Session names its intent, its state and its order, and nothing of the customer is kept."""
    body = session(metadata={"order": "7", "email": "x"}, client_reference_id="cart-1")
    served = serve(reply(body), metadata_keys=["order"])
    found = served.gateway.session("cs_1")
    assert found == CheckoutSession(
        "cs_1", "pi_1", "payment", "complete", "paid", AT, "cart-1", {"order": "7"}
    )
    assert served.server.targets == ["/v1/checkout/sessions/cs_1"]


@pytest.mark.parametrize(
    ("link", "expected"), [("order", "7"), ("absent", "cart-1"), (None, "cart-1")]
)
def test_a_session_names_its_order(serve: Serve, link: str | None, expected: str) -> None:
    """The order stands in the configured metadata key, else in client_reference_id."""
    body = session(metadata={"order": "7"}, client_reference_id="cart-1")
    found = serve(reply(body), metadata_keys=["order"]).gateway.session("cs_1")
    assert found is not None
    assert found.order(link) == expected


@pytest.mark.parametrize("changes", [{"payment_intent": None}, {"mode": "setup"}, {"status": "new", "payment_status": "odd"}])  # fmt: skip
def test_any_sort_of_session_is_read(serve: Serve, changes: dict[str, Any]) -> None:
    """Sessions in setup and subscription mode, unpaid ones, and words that Stripe may add are read as they are."""
    found = serve(reply(session(**changes))).gateway.session("cs_1")
    assert found is not None
    assert {name: getattr(found, name) for name in changes} == changes


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("payment_intent", {"payment_intent": {"id": "pi_1"}}),
        ("payment_intent", {"payment_intent": "pi/1"}),
        ("payment_status", {"payment_status": None}),
        ("expires_at", {"expires_at": "soon"}),
        ("metadata", {"metadata": []}),
    ],
)
def test_a_broken_session_is_named(serve: Serve, field: str, changes: dict[str, Any]) -> None:
    """An odd field is named and never quoted."""
    with pytest.raises(MalformedAnswerError, match=rf"Checkout Session cs_1 .* at {field}"):
        serve(reply(session(**changes))).gateway.session("cs_1")


SINGLE = {
    "charge": (StripeGateway.charge_intent, "ch_1", charge(payment_intent="pi_1")),
    "session": (StripeGateway.session, "cs_1", session()),
    "balance": (StripeGateway.charge_balance, "ch_1", balance()),
}


@pytest.mark.parametrize("kind", ["charge", "session"])
def test_an_id_that_stripe_does_not_know_is_an_answer(serve: Serve, kind: str) -> None:
    """Stripe's 404 for another id says nothing about money. A proxy's 404 is an error."""
    read, ident, _ = SINGLE[kind]
    assert read(serve(error(404, code="resource_missing")).gateway, ident) is None
    with pytest.raises(StripeRequestError):
        read(serve(reply(b"<html>", 404)).gateway, ident)


@pytest.mark.parametrize("kind", SINGLE)
def test_an_answer_about_another_object_is_requested_again(serve: Serve, kind: str) -> None:
    """An answer that is not the requested object says nothing about it."""
    read, ident, body = SINGLE[kind]
    served = serve(reply({**body, "id": "other_1"}), reply(body))
    assert read(served.gateway, ident) is not None
    assert served.gateway.reads == 2


@pytest.mark.parametrize("kind", ["charge", "session", "refunds", "disputes"])
def test_a_missing_permission_is_an_error(serve: Serve, kind: str) -> None:
    """A refusal is never read as an empty answer."""
    read = LISTS[kind][0] if kind in LISTS else SINGLE[kind][0]
    with pytest.raises(StripeRefusedError):
        read(serve(error(403, NO_PERMISSION)).gateway, "ch_1")


@pytest.mark.parametrize("kind", [*SINGLE, "disputes"])
def test_an_object_of_the_other_mode_is_an_error(serve: Serve, kind: str) -> None:
    """livemode of every object that has it must be the configured one."""
    if kind in SINGLE:
        read, ident, body = SINGLE[kind]
        answer = {**body, "livemode": True}
    else:
        read, ident, answer = StripeGateway.disputes, "ch_1", page([dispute(livemode=True)])
    with pytest.raises(WrongKeyError, match="live mode"):
        read(serve(reply(answer), livemode=False).gateway, ident)


@pytest.mark.parametrize("wrong", ["", "ch_1/refunds", "../events", "ch_1?x=1", "x" * 256])
def test_an_impossible_id_is_never_sent(serve: Serve, wrong: str) -> None:
    """An id from a merchant's row goes into a path only if it can be one of Stripe's."""
    served = serve(reply(charge()))
    for read in (*(entry[0] for entry in LISTS.values()), *(entry[0] for entry in SINGLE.values())):
        with pytest.raises(StripeRequestError, match="cannot be the id"):
            read(served.gateway, wrong)
    assert (served.gateway.reads, served.server.targets) == (0, [])
