from __future__ import annotations

import json
import threading
from datetime import timedelta

import httpx
import pytest
import stripe

from reconciler.clock import ManualClock
from reconciler.sandbox import Faults, RequestFault, Sandbox, SandboxAnswer, SandboxServer, make
from reconciler.sandbox.state.seeding import PaymentKind

LIST = "/v1/payment_intents"


@pytest.fixture(autouse=True)
def payments(sandbox: Sandbox) -> list[str]:
    return [make(sandbox, PaymentKind.SUCCEEDED, 100 + number).id for number in range(5)]


def test_server_error(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    """A 500 is the SDK's APIError with Stripe's body; the next request succeeds."""
    sandbox.faults.script(RequestFault.SERVER_ERROR)
    with pytest.raises(stripe.APIError) as caught:
        client.v1.payment_intents.list()
    assert caught.value.http_status == 500
    assert caught.value.error is not None
    assert caught.value.error.type == "api_error"
    assert len(client.v1.payment_intents.list().data) == 5


def test_bad_gateway(client: stripe.StripeClient, http: httpx.Client, sandbox: Sandbox) -> None:
    """A gateway's HTML page has none of Stripe's headers, and the SDK finds neither code nor request id."""
    sandbox.faults.script(RequestFault.BAD_GATEWAY, times=2)
    with pytest.raises(stripe.APIError) as caught:
        client.v1.payment_intents.list()
    assert (caught.value.http_status, caught.value.request_id, caught.value.error) == (
        502,
        None,
        None,
    )
    answer = http.get(LIST)
    assert answer.headers["Content-Type"] == "text/html"
    assert not {"request-id", "stripe-version"} & set(answer.headers)


@pytest.mark.parametrize("reason", ["global-rate", "endpoint-concurrency"])
def test_rate_limited(http: httpx.Client, sandbox: Sandbox, reason: str) -> None:
    """A 429 with a chosen reason."""
    sandbox.faults.script(RequestFault.RATE_LIMITED, reason=reason)
    answer = http.get(LIST)
    assert (answer.status_code, answer.headers["Stripe-Rate-Limited-Reason"]) == (429, reason)


@pytest.mark.parametrize("kind", [RequestFault.RESET, RequestFault.RESET_MIDWAY])
def test_reset(
    client: stripe.StripeClient, http: httpx.Client, sandbox: Sandbox, kind: RequestFault
) -> None:
    """A reset connection is a transport error to every client, and is logged as a request without an answer."""
    sandbox.faults.script(kind, times=2)
    with pytest.raises(httpx.TransportError):
        http.get(LIST)
    with pytest.raises(stripe.APIConnectionError):
        client.v1.payment_intents.list()
    assert sandbox.requests.count(status=0) == 2
    assert http.get(LIST).status_code == 200


def test_reset_midway_sends_its_status(
    server: SandboxServer, http: httpx.Client, sandbox: Sandbox
) -> None:
    """A connection that is reset in the middle of an answer has sent its status: a 200 does not prove a whole
    answer."""
    sandbox.faults.script(RequestFault.RESET_MIDWAY)
    with http.stream("GET", LIST) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.TransportError):
            answer.read()


def test_truncated(http: httpx.Client, sandbox: Sandbox) -> None:
    """A truncated body ends before its Content-Length."""
    sandbox.faults.script(RequestFault.TRUNCATED)
    with pytest.raises(httpx.RemoteProtocolError):
        http.get(LIST)


def test_malformed(client: stripe.StripeClient, http: httpx.Client, sandbox: Sandbox) -> None:
    """A 200 whose body is not JSON is an APIError to the SDK."""
    sandbox.faults.script(RequestFault.MALFORMED, times=2)
    answer = http.get(LIST)
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    with pytest.raises(stripe.APIError):
        client.v1.payment_intents.list()


def test_silent(server: SandboxServer, http: httpx.Client, sandbox: Sandbox) -> None:
    """A server that never answers costs the client's timeout."""
    sandbox.faults.script(RequestFault.SILENT)
    with pytest.raises(httpx.ReadTimeout):
        http.get(LIST, timeout=0.05)
    assert http.get(LIST).status_code == 200


def test_silent_until_released(server: SandboxServer, sandbox: Sandbox, http: httpx.Client) -> None:
    """A silent request ends without an answer when the server stops, and the server stops immediately."""
    sandbox.faults.script(RequestFault.SILENT)
    arrived = threading.Event()
    sandbox.before_answer = lambda _endpoint, _target: arrived.set()
    failures: list[Exception] = []

    def ask() -> None:
        try:
            httpx.get(server.url + LIST, headers=dict(http.headers), timeout=30)
        except httpx.TransportError as error:
            failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    assert arrived.wait(10)
    server.stop()
    asking.join(10)
    assert not asking.is_alive()
    assert len(failures) == 1


def test_slow(http: httpx.Client, sandbox: Sandbox) -> None:
    """Latency uses the rate clock, not Stripe's clock."""
    rate_clock, stripe_time = sandbox.rate_clock, sandbox.clock.now()
    assert isinstance(rate_clock, ManualClock)
    sandbox.faults.shares = Faults(latency=0.2)
    sandbox.faults.script(RequestFault.SLOW, seconds=3)
    assert http.get(LIST).status_code == 200
    assert rate_clock.monotonic() == pytest.approx(3.2)
    assert http.get(LIST).status_code == 200
    assert rate_clock.monotonic() == pytest.approx(3.4)
    assert sandbox.clock.now() == stripe_time


def test_empty_page_with_more(http: httpx.Client, sandbox: Sandbox) -> None:
    """A page can say has_more without any item."""
    sandbox.faults.script(RequestFault.EMPTY_PAGE)
    page = http.get(LIST).json()
    assert (page["data"], page["has_more"]) == ([], True)


def test_repeated_and_skipped_items(
    http: httpx.Client, sandbox: Sandbox, payments: list[str]
) -> None:
    """A page can show an item twice, or leave one out."""
    sandbox.faults.script(RequestFault.REPEATED_ITEM)
    sandbox.faults.script(RequestFault.SKIPPED_ITEM)
    newest = payments[::-1]
    repeated = [item["id"] for item in http.get(LIST).json()["data"]]
    assert repeated == [newest[0], *newest]
    skipped = [item["id"] for item in http.get(LIST).json()["data"]]
    assert skipped == newest[1:]


def test_unknown_status(client: stripe.StripeClient, sandbox: Sandbox, payments: list[str]) -> None:
    """A status that Stripe does not have is a string to the SDK."""
    sandbox.set_status(payments[0], "requires_telepathy")
    assert client.v1.payment_intents.retrieve(payments[0]).status == "requires_telepathy"


def test_prepared_answer(http: httpx.Client, sandbox: Sandbox) -> None:
    """Any answer can replace the endpoint's own, including its headers."""
    answer = SandboxAnswer(503, b"{}", (("Stripe-Should-Retry", "false"),))
    sandbox.faults.script(RequestFault.ANSWER, answer=answer)
    seen = http.get(LIST)
    assert (seen.status_code, seen.headers["Stripe-Should-Retry"], seen.content) == (
        503,
        "false",
        b"{}",
    )


def test_scripted_faults_match(http: httpx.Client, sandbox: Sandbox, payments: list[str]) -> None:
    """A scripted fault affects only the endpoint and target that it names, after a number of requests, a number of
    times."""
    script = sandbox.faults.script
    script(RequestFault.SERVER_ERROR, endpoint="GET /v1/payment_intents/{id}", times=2, after=1)
    script(RequestFault.BAD_GATEWAY, target=r"created\[gte\]=7\b")
    assert http.get(LIST).status_code == 200
    assert [http.get(f"{LIST}/{i}").status_code for i in payments] == [200, 500, 500, 200, 200]
    assert http.get(f"{LIST}?created[gte]=77").status_code == 200
    assert sandbox.faults.scripted == 1
    assert http.get(f"{LIST}?created[gte]=7").status_code == 502
    assert sandbox.faults.scripted == 0


@pytest.mark.parametrize(
    ("shares", "status"),
    [
        (Faults(server_error=1.0), 500),
        (Faults(bad_gateway=1.0), 502),
        (Faults(rate_limited=1.0), 429),
    ],
)
def test_shares(http: httpx.Client, sandbox: Sandbox, shares: Faults, status: int) -> None:
    """A share of 1 breaks every request, until the shares are replaced."""
    sandbox.faults.shares = shares
    assert [http.get(LIST).status_code for _ in range(3)] == [status] * 3
    sandbox.faults.shares = Faults()
    assert http.get(LIST).status_code == 200


def test_a_payment_changes_during_a_request(
    http: httpx.Client, sandbox: Sandbox, clock: ManualClock, payments: list[str]
) -> None:
    """A hook runs before a request is answered, so that a test can change a payment during a sweep."""

    def dispute_it(endpoint: str, target: str) -> None:
        if endpoint == "GET /v1/payment_intents/{id}":
            assert target.endswith("latest_charge")
            clock.advance(timedelta(seconds=1))
            sandbox.before_answer = None
            sandbox.dispute(payments[0])

    sandbox.before_answer = dispute_it
    read = http.get(f"{LIST}/{payments[0]}?expand[]=latest_charge").json()
    assert read["latest_charge"]["disputed"] is True
