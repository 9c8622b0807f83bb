"""Endpoints that fail in every way: no message is lost, nothing hangs, and the row says what failed."""

from __future__ import annotations

import threading

import pytest
import stripe

from reconciler.adapters.webhook_sender import STOP_SECONDS, HttpWebhookSender
from reconciler.clock import SystemClock
from tests.endpoint import WAIT_SECONDS, Behaviour, EndpointFault
from tests.integration.delivery.conftest import SECRET, TIMEOUT, Post
from tests.some_quick import some_quick


def test_a_correction_arrives_signed(post: Post) -> None:
    """It arrives once, as JSON, with a signature that Stripe's SDK accepts; then the row is delivered."""
    post.put("1")
    post.put("2", kind="revert")
    assert post.run().delivered == 2
    first, second = post.endpoint.all()
    assert first.headers["content-type"] == "application/json"
    assert first.path == "/reconciler"
    header = first.headers["reconciler-signature"]
    assert stripe.WebhookSignature.verify_header(first.body, header, SECRET, 300)
    assert first.id == f"default:{post.rows()[0]['id']}"
    assert (first.json["type"], second.json["type"]) == ("payment.corrected", "payment.reverted")
    assert post.waiting() == []
    assert post.run().delivered == 0


@some_quick(
    ("behaviour", "said"),
    [
        (500, "the endpoint answered 500"),
        (503, "the endpoint answered 503"),
        (400, "the endpoint answered 400"),
        (401, "the endpoint answered 401"),
        (410, "the endpoint answered 410"),
        (302, "the endpoint answered 302, a redirect, which is not followed"),
        (307, "the endpoint answered 307, a redirect, which is not followed"),
        (EndpointFault.HANG, "no answer within 0.5 s"),
        (EndpointFault.TRICKLE, "no answer within 0.5 s"),
        (EndpointFault.RESET, "the connection broke before an answer came"),
        (EndpointFault.DROP, "the connection broke before an answer came"),
    ],
    quick=range(0, 11, 3),
)
def test_a_failure_is_tried_again_under_the_same_id(
    post: Post, behaviour: Behaviour, said: str
) -> None:
    """After any failure the row stays, says why, waits some seconds, and is sent again with the same id."""
    post.put("1")
    post.endpoint.behave(behaviour)
    began = post.clock.monotonic()
    report = post.run()
    assert post.clock.monotonic() - began < TIMEOUT + 5
    assert (report.delivered, report.failed) == (0, 1)
    (row,) = post.rows()
    assert row["last_error"].startswith(said)
    assert row["attempts"] == 1
    assert 0 < (row["next_attempt_at"] - row["last_attempt_at"]).total_seconds() <= 10
    assert post.run().failed == 0, "its pause is not over"
    assert post.endpoint.tried.qsize() == 1
    post.later()
    assert post.run().delivered == 1
    sent = {received.id for received in post.endpoint.all()}
    assert sent == {f"default:{row['id']}"}


@pytest.mark.parametrize("behaviour", [EndpointFault.CUT, EndpointFault.TRICKLE_BODY])
def test_a_status_without_its_body_counts(post: Post, behaviour: Behaviour) -> None:
    """200 is a receipt, even if the body does not come; the request takes no longer than its timeout."""
    post.put("1")
    post.endpoint.behave(behaviour)
    assert post.run().delivered == 1
    assert post.endpoint.tried.qsize() == 1


def test_an_address_without_a_server(post: Post) -> None:
    """A refused connection is a failure like any other."""
    post.put("1")
    sender = HttpWebhookSender(
        "http://127.0.0.1:9/reconciler", TIMEOUT, SystemClock(), threading.Event()
    )
    receipt = sender.post(b"{}", {})
    assert receipt.status is None
    assert receipt.fault == "no connection (Connection refused)"
    sender.close()


def test_a_redirect_is_not_followed(post: Post) -> None:
    """The message goes only to the configured address."""
    post.put("1")
    post.endpoint.behave(308)
    post.run()
    assert [received.path for received in post.endpoint.all()] == ["/reconciler"]


def test_a_stop_does_not_wait_for_the_endpoint(post: Post) -> None:
    """A service that stops ends a request that hangs within seconds, however long its timeout is."""
    post.endpoint.usual = EndpointFault.HANG
    stopping = threading.Event()
    clock = SystemClock()
    sender = HttpWebhookSender(post.endpoint.url, 60.0, clock, stopping)
    receipts = []
    thread = threading.Thread(target=lambda: receipts.append(sender.post(b"{}", {})))
    thread.start()
    post.endpoint.tried.get(timeout=WAIT_SECONDS)
    began = clock.monotonic()
    stopping.set()
    thread.join(WAIT_SECONDS)
    assert clock.monotonic() - began < STOP_SECONDS + 3
    assert receipts[0].fault == "the service stopped before an answer came"
    sender.close()


def test_an_outage_costs_three_requests_and_ends_with_the_first_success(post: Post) -> None:
    """After three failures the endpoint gets no request; after the first success the same run delivers the rest."""
    post.put(*map(str, range(20)))
    post.endpoint.usual = 503
    delivery = post.new_delivery()
    nothing = type("Progress", (), {"advance": lambda *_: None})()
    assert delivery.run(post.epoch, lambda: None, nothing).endpoint_down
    assert delivery.run(post.epoch, lambda: None, nothing).failed == 0
    assert post.endpoint.tried.qsize() == 3
    post.endpoint.usual = 200
    delivery._circuit._probe_at = 0.0
    report = delivery.run(post.epoch, lambda: None, nothing)
    assert (report.delivered, report.endpoint_down) == (20, False)
    assert post.waiting() == []


def test_a_client_that_cannot_be_made_is_a_failure_like_any_other(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a proxy of an unknown scheme the row stays and says what to check."""
    post.put("1")
    monkeypatch.setenv("HTTP_PROXY", "gopher://127.0.0.1:70")
    assert post.run().failed == 1
    (row,) = post.rows()
    assert "SSL_CERT_FILE" in row["last_error"]
    assert row["attempts"] == 1
