from __future__ import annotations

import inspect
from typing import Any

import httpx
import pytest
import stripe

from reconciler.domain.model.money_back import _PHASES
from reconciler.sandbox import Checkout, PaymentKind, Sandbox, make
from reconciler.sandbox.objects.next_actions import BODIES
from reconciler.sandbox.objects.payment_methods import METHODS
from tests.contract.sandbox.sdk_shapes import TYPES, problems, problems_of_answer
from tests.some_quick import some_quick

LISTS = ("payment_intents", "charges", "refunds", "disputes", "events", "webhook_endpoints", "checkout/sessions")  # fmt: skip


def served(http: httpx.Client, target: str, **params: Any) -> dict[str, Any]:
    answer = http.get(f"/v1/{target}", params=params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def check(http: httpx.Client, target: str, **params: Any) -> dict[str, Any]:
    body = served(http, target, **params)
    found = problems_of_answer(body)
    for event in body.get("data", ()) if target == "events" else ():
        about = event["data"]["object"]
        found += problems(about, TYPES[about["object"]], event["type"])
    assert not found, f"{target}\n" + "\n".join(found)
    return body


@some_quick("kind", list(PaymentKind), quick=5)
def test_every_kind_of_payment_has_the_sdks_fields(
    http: httpx.Client, sandbox: Sandbox, kind: PaymentKind
) -> None:
    """Every object and list of a payment has the field names and types of the SDK's own annotations."""
    sandbox.register_webhook("https://shop.example.com/hooks")
    make(sandbox, kind, 1000, "eur", customer="cus_1", metadata={"order_id": "7"})
    for name in LISTS:
        for item in check(http, name, limit=100)["data"]:
            check(http, f"{name}/{item['id']}")


@some_quick("method", METHODS, quick=6)
def test_every_payment_method_has_the_sdks_fields(
    http: httpx.Client, sandbox: Sandbox, method: str
) -> None:
    """The details of each type of payment method are those of the SDK, on the charge, the failed attempt and the
    PaymentMethod."""
    paid, failed, waiting = (
        sandbox.create_payment(1000, "eur", method=method).id for _ in range(3)
    )
    sandbox.succeed(paid)
    sandbox.refund(paid, 100)
    sandbox.dispute(paid)
    sandbox.fail(failed)
    sandbox.require_action(waiting)
    for ident in (paid, failed, waiting):
        check(http, f"payment_intents/{ident}", **{"expand[]": "latest_charge"})
    expanded = check(http, f"payment_intents/{paid}", **{"expand[]": "payment_method"})
    assert expanded["payment_method"]["type"] == method
    for name in LISTS:
        check(http, name, limit=100)


def test_every_next_action_has_the_sdks_fields(http: httpx.Client, sandbox: Sandbox) -> None:
    """Each type of next action that the SDK knows has its own body."""
    types = set(inspect.get_annotations(stripe.PaymentIntent.NextAction)) - {"type"}
    assert types == set(BODIES)
    for action in sorted(types):
        intent = sandbox.create_payment(1000, method="customer_balance")
        sandbox.require_action(intent.id, action=action)
        body = check(http, f"payment_intents/{intent.id}")
        assert body["next_action"]["type"] == action
        assert action in body["next_action"]


@some_quick("status", ["pending", "requires_action", "succeeded", "failed", "canceled"], quick=2)  # fmt: skip
@pytest.mark.parametrize("method", ["card", "us_bank_account", "multibanco"])
def test_every_refund_has_the_sdks_fields(
    http: httpx.Client, sandbox: Sandbox, status: str, method: str
) -> None:
    """A refund of any status has the SDK's fields, and so have the objects that it names."""
    made = make(sandbox, PaymentKind.SUCCEEDED, 1000, "eur", method=method)
    sandbox.refund(made.id, 300, status="pending", reason="duplicate")
    refund = sandbox.refunds(made.id)[0].id
    sandbox.change_refund(refund, status)
    expanded = check(http, f"refunds/{refund}", **{"expand[]": ["charge", "balance_transaction", "payment_intent"]})  # fmt: skip
    assert expanded["charge"]["balance_transaction"] is not None
    check(http, f"charges/{made.latest_charge}", **{"expand[]": ["refunds", "balance_transaction"]})
    check(http, "events", limit=100)


@some_quick("status", _PHASES, quick=4)
def test_every_dispute_has_the_sdks_fields(
    http: httpx.Client, sandbox: Sandbox, status: str
) -> None:
    """A dispute of any status has the SDK's fields."""
    for method in ("card", "klarna", "paypal", "sepa_debit"):
        made = make(sandbox, PaymentKind.SUCCEEDED, 1000, "eur", method=method)
        sandbox.dispute(made.id)
        dispute = sandbox.disputes(made.id)[0].id
        sandbox.change_dispute(dispute, status)
        assert check(http, f"disputes/{dispute}", **{"expand[]": "charge"})["status"] == status


@pytest.mark.parametrize("mode", ["payment", "setup", "subscription"])
def test_every_session_has_the_sdks_fields(http: httpx.Client, sandbox: Sandbox, mode: str) -> None:
    """Open, complete and expired sessions of each mode have the SDK's fields."""
    checkout = Checkout(sandbox)
    waiting, done, expired = (checkout.create(1000, mode=mode, customer="cus_1").id for _ in range(3))  # fmt: skip
    checkout.complete(done)
    checkout.expire(expired)
    for ident in (waiting, done, expired):
        check(http, f"checkout/sessions/{ident}", **{"expand[]": ["payment_intent", "customer"]})
    check(http, "checkout/sessions")
    check(http, "events", limit=100)


def test_search_results_have_the_sdks_fields(http: httpx.Client, sandbox: Sandbox) -> None:
    """A page of results, with a next one or without."""
    sandbox.search_delay = 0.0
    for _ in range(3):
        make(sandbox, PaymentKind.SUCCEEDED, 1000)
    for limit in (2, 3):
        body = check(
            http,
            "payment_intents/search",
            query="amount:1000",
            limit=limit,
            **{"expand[]": ["data.latest_charge", "total_count"]},
        )
        assert (body["next_page"] is None) is (limit == 3)


def test_the_account_has_the_sdks_fields(http: httpx.Client) -> None:
    """The account of the key."""
    check(http, "account")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"amount": "1000"}, "amount"),
        ({"amount": None}, "amount"),
        ({"colour": "red"}, "colour"),
        ({"metadata": {"order": 7}}, "metadata[order]"),
        ({"object": "charge"}, "object"),
        ({"latest_charge": {"id": "ch_1"}}, "latest_charge"),
        ({"next_action": {"type": "redirect_to_url", "redirect_to_url": {"link": "x"}}}, "redirect_to_url.link"),
        ({"payment_method_types": "card"}, "payment_method_types"),
    ],
)  # fmt: skip
def test_a_wrong_shape_is_found(
    http: httpx.Client, sandbox: Sandbox, change: dict[str, Any], path: str
) -> None:
    """The check itself finds a wrong type, an unknown field and a missing one."""
    made = make(sandbox, PaymentKind.SUCCEEDED, 1000)
    body = served(http, f"payment_intents/{made.id}")
    found = list(problems({**body, **change}, stripe.PaymentIntent))
    assert found
    assert all(path in one for one in found)
    del body["created"]
    assert list(problems(body, stripe.PaymentIntent)) == [".created: missing"]
