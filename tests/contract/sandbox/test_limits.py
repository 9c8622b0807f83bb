from __future__ import annotations

import threading
from datetime import timedelta

import httpx
import pytest
import stripe

from reconciler.clock import ManualClock
from reconciler.sandbox import RequestFault, Sandbox, SandboxLimits, SandboxServer

LIST = "/v1/payment_intents"


@pytest.fixture
def rate_clock(clock: ManualClock) -> ManualClock:
    return ManualClock(clock.now())


@pytest.fixture
def sandbox(clock: ManualClock, rate_clock: ManualClock) -> Sandbox:
    return Sandbox(clock, rate_clock=rate_clock, limits=SandboxLimits())


def statuses(http: httpx.Client, target: str, count: int) -> list[int]:
    return [http.get(target).status_code for _ in range(count)]


def test_endpoint_rate(client: stripe.StripeClient, http: httpx.Client, sandbox: Sandbox) -> None:
    """More than 25 requests a second to one endpoint are the SDK's RateLimitError, with the reason in a header and
    no Retry-After."""
    sandbox.limiter.limits = SandboxLimits(test_per_second=None)
    assert statuses(http, LIST, 25) == [200] * 25
    with pytest.raises(stripe.RateLimitError) as caught:
        client.v1.payment_intents.list()
    assert caught.value.http_status == 429
    assert caught.value.error is not None
    assert caught.value.error.code == "rate_limit"
    assert caught.value.headers is not None
    headers = httpx.Headers(dict(caught.value.headers))
    assert headers["Stripe-Rate-Limited-Reason"] == "endpoint-rate"
    assert "Retry-After" not in headers
    assert http.get("/v1/events").status_code == 200
    assert sandbox.requests.rate_limited == 1


def test_all_ids_share_a_limit(http: httpx.Client, sandbox: Sandbox) -> None:
    """Retrieves of different ids are one endpoint; the list is another."""
    sandbox.limiter.limits = SandboxLimits(
        test_per_second=None, endpoints={"GET /v1/payment_intents/{id}": 2}
    )
    assert [http.get(f"{LIST}/pi_{n}").status_code for n in range(3)] == [404, 404, 429]
    assert http.get(LIST).status_code == 200


def test_global_rate(http: httpx.Client) -> None:
    """All endpoints together have the account's limit: 25 a second in test mode."""
    assert statuses(http, LIST, 20) + statuses(http, "/v1/events", 5) == [200] * 25
    refused = http.get("/v1/charges")
    assert refused.status_code == 429
    assert refused.headers["Stripe-Rate-Limited-Reason"] == "global-rate"


def test_limits_refill_on_the_rate_clock(
    http: httpx.Client, clock: ManualClock, rate_clock: ManualClock
) -> None:
    """Limits refill by real time while the sandbox's time stands still, and not the other way round."""
    statuses(http, LIST, 25)
    clock.advance(timedelta(days=1))
    assert http.get(LIST).status_code == 429
    rate_clock.advance(timedelta(milliseconds=200))
    assert statuses(http, LIST, 6) == [200] * 5 + [429]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (SandboxLimits(global_at_once=1), "global-concurrency"),
        (SandboxLimits(endpoint_at_once=1), "endpoint-concurrency"),
    ],
)
def test_concurrency(
    server: SandboxServer, http: httpx.Client, sandbox: Sandbox, limits: SandboxLimits, reason: str
) -> None:
    """A request is refused while too many others are in progress, with that reason, and admitted afterwards."""
    sandbox.limiter.limits = limits
    inside, leave = threading.Event(), threading.Event()

    def hold(_endpoint: str, _target: str) -> None:
        inside.set()
        leave.wait(10)

    sandbox.before_answer = hold
    headers = dict(http.headers)
    first = threading.Thread(target=lambda: httpx.get(server.url + LIST, headers=headers))
    first.start()
    assert inside.wait(10)
    refused = http.get(LIST)
    assert refused.headers["Stripe-Rate-Limited-Reason"] == reason
    leave.set()
    first.join()
    assert http.get(LIST).status_code == 200


def test_each_account_has_its_own_limits(
    server: SandboxServer, http: httpx.Client, sandbox: Sandbox
) -> None:
    """One account's requests do not use another's limits."""
    sandbox.add_key("sk_test_b", account="acct_b")
    statuses(http, LIST, 26)
    other = httpx.get(server.url + LIST, headers={"Authorization": "Bearer sk_test_b"})
    assert other.status_code == 200


def test_the_request_log_counts(
    http: httpx.Client, sandbox: Sandbox, rate_clock: ManualClock
) -> None:
    """Requests are counted by endpoint and status. Reads include the refused ones. The fastest second is kept."""
    statuses(http, LIST, 3)
    rate_clock.advance(timedelta(seconds=2))
    statuses(http, f"{LIST}/pi_x", 4)
    http.post(LIST, data={"amount": "100", "currency": "usd"})
    sandbox.faults.script(RequestFault.RATE_LIMITED)
    http.get("/v1/events")
    requests = sandbox.requests
    assert requests.counts == {
        ("GET /v1/payment_intents", 200): 3,
        ("GET /v1/payment_intents/{id}", 404): 4,
        ("POST /v1/payment_intents", 200): 1,
        ("GET /v1/events", 429): 1,
    }
    assert (requests.reads, requests.count(), requests.rate_limited) == (8, 9, 1)
    assert requests.count("GET /v1/payment_intents") == 3
    assert requests.count(status=404) == 4
    assert requests.most_per_second() == 6
    assert requests.most_per_second("GET /v1/payment_intents") == 3
    requests.reset()
    assert requests.count() == 0
