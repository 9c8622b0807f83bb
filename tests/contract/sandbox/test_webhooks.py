from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import stripe

from reconciler.clock import ManualClock
from reconciler.sandbox import Faults, Sandbox, WebhookDeliveryState, make
from reconciler.sandbox.state.seeding import PaymentKind


class Inbox:
    """A webhook handler that keeps what it received. Its answers are the given statuses, then 200."""

    def __init__(self, *answers: int) -> None:
        self.received: list[tuple[bytes, Mapping[str, str]]] = []
        self._answers = list(answers)

    def __call__(self, payload: bytes, headers: Mapping[str, str]) -> int:
        self.received.append((payload, headers))
        return self._answers.pop(0) if self._answers else 200

    @property
    def types(self) -> list[str]:
        return [json.loads(payload)["type"] for payload, _ in self.received]


@pytest.fixture
def merchant_server() -> Iterator[tuple[str, Inbox]]:
    """A merchant's HTTP server, and the inbox of what it received."""
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(inbox(body, dict(self.headers.items())))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hooks", inbox
        server.shutdown()
        thread.join()


def test_a_delivery_is_signed(sandbox: Sandbox) -> None:
    """The SDK verifies a delivery with the endpoint's secret. It refuses another secret and a changed body."""
    inbox = Inbox()
    endpoint = sandbox.register_webhook(inbox)
    make(sandbox, PaymentKind.SUCCEEDED, 100)
    assert sandbox.deliver_due() == 3
    assert inbox.types == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]
    for payload, headers in inbox.received:
        text, header = payload.decode(), headers["Stripe-Signature"]
        assert stripe.WebhookSignature.verify_header(text, header, endpoint.secret)
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.WebhookSignature.verify_header(text + " ", header, endpoint.secret)
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.WebhookSignature.verify_header(text, header, "whsec_other")


def test_a_delivery_over_http(merchant_server: tuple[str, Inbox], sandbox: Sandbox) -> None:
    """A delivery is a POST to the server, and a 200 acknowledges it."""
    url, inbox = merchant_server
    endpoint = sandbox.register_webhook(url, enabled_events=("payment_intent.succeeded",))
    make(sandbox, PaymentKind.SUCCEEDED, 100)
    assert sandbox.deliver_due() == 1
    payload, headers = inbox.received[0]
    assert json.loads(payload)["data"]["object"]["status"] == "succeeded"
    assert stripe.WebhookSignature.verify_header(
        payload.decode(), headers["Stripe-Signature"], endpoint.secret
    )
    assert [delivery.state for delivery in sandbox.deliveries] == [WebhookDeliveryState.DELIVERED]


def test_an_unreachable_merchant(sandbox: Sandbox) -> None:
    """If no server listens, that is a failed attempt, not an error of the sandbox."""
    sandbox.register_webhook("http://127.0.0.1:9/hooks")
    sandbox.create_payment(100)
    assert sandbox.deliver_due() == 1
    assert sandbox.webhooks.waiting == 1


def test_retries_in_test_mode(sandbox: Sandbox, clock: ManualClock) -> None:
    """There are three attempts over a few hours, each with a new signature. Then Stripe stops, and the event stays
    pending."""
    inbox = Inbox(500, 302, 404)
    sandbox.register_webhook(inbox)
    sandbox.create_payment(100)
    sandbox.deliver_due()
    for _ in range(24):
        clock.advance(timedelta(hours=1))
        sandbox.deliver_due()
    assert len({headers["Stripe-Signature"] for _, headers in inbox.received}) == 3
    (delivery,) = sandbox.deliveries
    assert (delivery.state, delivery.attempts) == (WebhookDeliveryState.FAILED, 3)
    assert sandbox.webhooks.pending(delivery.event.id) == 1


def test_retries_in_live_mode(sandbox: Sandbox, clock: ManualClock) -> None:
    """Live deliveries are retried for up to three days, at growing intervals."""
    inbox = Inbox(*[500] * 100)
    sandbox.register_webhook(inbox, livemode=True)
    sandbox.create_payment(100, livemode=True)
    start = clock.now().timestamp()
    while (due := sandbox.webhooks.next_due()) is not None:
        clock.advance(timedelta(seconds=due - clock.now().timestamp()))
        sandbox.deliver_due()
    assert len(inbox.received) == 10
    assert (
        timedelta(days=2) < timedelta(seconds=clock.now().timestamp() - start) <= timedelta(days=3)
    )


def test_a_retry_succeeds(sandbox: Sandbox, clock: ManualClock) -> None:
    """A retry that is answered with 200 ends the delivery."""
    inbox = Inbox(500)
    sandbox.register_webhook(inbox)
    sandbox.create_payment(100)
    sandbox.deliver_due()
    clock.advance(timedelta(hours=1))
    sandbox.deliver_due()
    assert [(d.state, d.attempts) for d in sandbox.deliveries] == [
        (WebhookDeliveryState.DELIVERED, 2)
    ]
    (event,) = sandbox.events()
    assert sandbox.webhooks.pending(event.id) == 0


def test_a_lost_webhook(sandbox: Sandbox, clock: ManualClock) -> None:
    """A lost webhook never arrives, not even by a retry."""
    sandbox.faults.shares = Faults(webhooks_lost=1.0)
    inbox = Inbox()
    sandbox.register_webhook(inbox)
    sandbox.create_payment(100)
    for _ in range(5):
        sandbox.deliver_due()
        clock.advance(timedelta(hours=3))
    assert inbox.received == []
    assert [delivery.state for delivery in sandbox.deliveries] == [WebhookDeliveryState.FAILED]


def test_a_duplicated_webhook(sandbox: Sandbox) -> None:
    """A duplicated webhook arrives twice with the same event."""
    sandbox.faults.shares = Faults(webhooks_duplicated=1.0)
    inbox = Inbox()
    sandbox.register_webhook(inbox)
    sandbox.create_payment(100)
    sandbox.deliver_due()
    assert len(inbox.received) == 2
    assert len({json.loads(payload)["id"] for payload, _ in inbox.received}) == 1


def test_a_late_webhook(sandbox: Sandbox, clock: ManualClock) -> None:
    """A late webhook arrives after its delay."""
    sandbox.faults.shares = Faults(webhooks_late=1.0, late_by=600)
    inbox = Inbox()
    sandbox.register_webhook(inbox)
    sandbox.create_payment(100)
    clock.advance(timedelta(seconds=599))
    sandbox.deliver_due()
    assert inbox.received == []
    clock.advance(timedelta(seconds=1))
    sandbox.deliver_due()
    assert len(inbox.received) == 1


def test_reordered_webhooks(sandbox: Sandbox) -> None:
    """All reordered webhooks arrive, in another order than they were made."""
    sandbox.faults.shares = Faults(seed=1, webhooks_reordered=0.5)
    inbox = Inbox()
    sandbox.register_webhook(inbox)
    for _ in range(10):
        make(sandbox, PaymentKind.SUCCEEDED, 100)
    sandbox.deliver_due()
    arrived = [json.loads(payload)["id"] for payload, _ in inbox.received]
    made = [event.id for event in sandbox.events()]
    assert arrived != made
    assert sorted(arrived) == sorted(made)


def test_the_secret_is_not_listed(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    """The endpoints list shows the address of each endpoint, and not the secret that signs its events."""
    endpoint = sandbox.register_webhook("http://127.0.0.1:9/hooks")
    (listed,) = client.v1.webhook_endpoints.list().data
    assert (listed.url, listed.status) == (endpoint.url, "enabled")
    assert endpoint.secret not in str(listed)
    assert endpoint.secret not in repr(endpoint)
