from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
import stripe

from reconciler.clock import ManualClock
from reconciler.sandbox import Faults, Sandbox, make
from reconciler.sandbox.state.seeding import PaymentKind


def types_of(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [event["type"] for event in answer.json()["data"]]


def test_newest_first_with_cursor(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    """Events are listed newest first. ending_before returns the newer ones, oldest first."""
    make(sandbox, PaymentKind.REFUNDED, 100)
    oldest_first = [event.id for event in sandbox.events()]
    assert [event.id for event in client.v1.events.list().data] == oldest_first[::-1]
    newer = client.v1.events.list({"ending_before": oldest_first[1], "limit": 1})
    assert [event.id for event in newer.auto_paging_iter()] == oldest_first[2:]
    assert client.v1.events.retrieve(oldest_first[0]).type == "payment_intent.created"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("type=charge.succeeded", ["charge.succeeded"]),
        ("type=payment_intent.*", ["payment_intent.succeeded", "payment_intent.created"]),
        ("types[]=payment_intent.created&types[]=charge.succeeded", ["charge.succeeded", "payment_intent.created"]),
        ("types[0]=payment_intent.created&types[1]=charge.succeeded", ["charge.succeeded", "payment_intent.created"]),
        ("type=payment_intent", []),
    ],
)  # fmt: skip
def test_types(http: httpx.Client, sandbox: Sandbox, query: str, expected: list[str]) -> None:
    """type and types filter by exact name or by wildcard, in both formats of a list."""
    make(sandbox, PaymentKind.SUCCEEDED, 100)
    assert types_of(http.get(f"/v1/events?{query}")) == expected


def test_too_many_types(http: httpx.Client) -> None:
    """At most twenty types are allowed, and none together with type."""
    many = "&".join(f"types[]=a.{n}" for n in range(21))
    assert http.get(f"/v1/events?{many}").status_code == 400
    assert http.get("/v1/events?types[]=a&type=b").status_code == 400


def test_created(http: httpx.Client, sandbox: Sandbox, clock: ManualClock) -> None:
    """created of an event is the time of the event, not of the intent."""
    intent = sandbox.create_payment(100)
    clock.advance(timedelta(seconds=10))
    sandbox.cancel(intent.id)
    later = int(clock.now().timestamp())
    assert types_of(http.get("/v1/events", params={"created[gte]": later})) == [
        "payment_intent.canceled"
    ]
    assert types_of(http.get("/v1/events", params={"created[lt]": later})) == [
        "payment_intent.created"
    ]


def test_retention(http: httpx.Client, sandbox: Sandbox, clock: ManualClock) -> None:
    """Events are listed for 30 days. After that neither they nor their cursors exist."""
    sandbox.create_payment(100)
    (event,) = sandbox.events()
    clock.advance(timedelta(days=30, seconds=-1))
    assert len(types_of(http.get("/v1/events"))) == 1
    clock.advance(timedelta(seconds=1))
    assert types_of(http.get("/v1/events")) == []
    assert http.get(f"/v1/events/{event.id}").status_code == 404
    assert http.get("/v1/events", params={"ending_before": event.id}).status_code == 400


def test_late_visibility(http: httpx.Client, sandbox: Sandbox, clock: ManualClock) -> None:
    """An event can be listed some time after its created, behind events that were listed before it."""
    sandbox.faults.shares = Faults(events_listed_late=1.0, listed_after=20)
    sandbox.create_payment(100)
    (late,) = sandbox.events()
    clock.advance(timedelta(seconds=5))
    sandbox.faults.shares = Faults()
    sandbox.create_payment(200)
    assert len(types_of(http.get("/v1/events"))) == 1
    assert http.get(f"/v1/events/{late.id}").status_code == 404
    clock.advance(timedelta(seconds=15))
    assert http.get("/v1/events").json()["data"][1]["id"] == late.id


def test_never_generated(http: httpx.Client, sandbox: Sandbox) -> None:
    """An event that Stripe fails to generate is neither listed nor delivered, although the intent changed."""
    delivered: list[bytes] = []
    sandbox.register_webhook(lambda payload, _headers: delivered.append(payload) or 200)
    sandbox.faults.shares = Faults(events_never_generated=1.0)
    made = make(sandbox, PaymentKind.SUCCEEDED, 100)
    sandbox.deliver_due()
    assert types_of(http.get("/v1/events")) == []
    assert delivered == []
    assert sandbox.intent(made.id).status == "succeeded"


def test_delivery_success(http: httpx.Client, sandbox: Sandbox) -> None:
    """delivery_success=false shows events that are pending or failed at an endpoint, true those that all
    acknowledged."""
    sandbox.register_webhook(lambda payload, _headers: 500 if b"charge." in payload[-40:] else 200)
    make(sandbox, PaymentKind.SUCCEEDED, 100)
    before = http.get("/v1/events", params={"delivery_success": "false"}).json()["data"]
    assert [event["pending_webhooks"] for event in before] == [1, 1, 1]
    sandbox.deliver_due()
    assert types_of(http.get("/v1/events?delivery_success=false")) == ["charge.succeeded"]
    assert types_of(http.get("/v1/events?delivery_success=true")) == [
        "payment_intent.succeeded",
        "payment_intent.created",
    ]
