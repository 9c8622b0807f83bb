from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.adapters.stripe_gateway import Retries, StripeGateway
from reconciler.clock import ManualClock, SystemClock
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.read_limits_and_shortage import Endpoint, RateLimitReason
from reconciler.errors import (
    MalformedAnswerError,
    ReconcilerError,
    StripeRefusedError,
    StripeRequestError,
    StripeUnavailableError,
)
from tests.unit.gateway.canned_server import (
    KEY,
    HookCalls,
    error,
    gateway_to,
    intent,
    page,
    reply,
    unused_port,
)
from tests.unit.gateway.conftest import Serve

GatewayCall = Callable[[StripeGateway], Any]

GOOD_INTENT = reply(intent())

GOOD_LIST = reply(page([intent()]))

WAYS_TO_SEND: dict[str, tuple[GatewayCall, bytes]] = {
    "by the SDK": (lambda gateway: gateway.retrieve("pi_1"), GOOD_INTENT),
    "straight": (lambda gateway: gateway.list_intents(TimeRange()), GOOD_LIST),
}

HTML = b"<html><body>502 Bad Gateway</body></html>"

TEMPORARY_FAILURES = {
    "429": error(429, code="rate_limit"),
    "400 of the old rate limit": error(400, code="rate_limit"),
    "409": error(409),
    "500": error(500),
    "503": error(503),
    "a proxy's page": reply(HTML, 502),
    "a proxy's error text": reply({"error": "bad gateway"}, 502),
    "a proxy's error list": reply({"error": ["bad gateway"]}, 502),
    "a proxy's error number": reply({"error": 502}, 502),
    "an odd code": reply({"error": {"code": 5, "message": ["x"]}}, 500),
    "a JSON text": reply("bad gateway", 502),
    "not UTF-8": reply(b'{"id": "\xff\xfe"}'),
    "no JSON": reply(b"OK"),
    "nothing": reply(b""),
    "cut JSON": reply(b'{"id": "pi_1", "obj'),
    "cut short": GOOD_INTENT[:-10],
    "hung up": b"",
    "no HTTP": b"hello\r\n\r\n",
    "400 to be retried": error(400, should_retry="true"),
    "401 to be retried": error(401, should_retry="true"),
    "too deep": reply(b"[" * 100_000 + b"]" * 100_000),
    "too deep in a field that is not read": reply(
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    ),
    "wrong encoding": reply(b"not gzip", content_encoding="gzip"),
}

FINAL_FAILURES: dict[str, tuple[bytes, type[ReconcilerError]]] = {
    "400": (error(400), StripeRequestError),
    "401": (error(401), StripeRefusedError),
    "402": (error(402), StripeRequestError),
    "403": (error(403), StripeRefusedError),
    "a path's 404": (error(404), StripeRequestError),
    "a proxy's 404": (reply(HTML, 404), StripeRequestError),
    "redirect": (reply(b"", 302, location="http://127.0.0.1:1/"), StripeRequestError),
    "429 not to be retried": (error(429, should_retry="false"), StripeUnavailableError),
    "409 not to be retried": (error(409, should_retry="false"), StripeUnavailableError),
    "500 not to be retried": (error(500, should_retry="false"), StripeUnavailableError),
}


@pytest.mark.parametrize("way", WAYS_TO_SEND)
@pytest.mark.parametrize("kind", TEMPORARY_FAILURES)
def test_a_temporary_failure_is_retried(serve: Serve, way: str, kind: str) -> None:
    """Rate limits, conflicts, server errors, broken connections and malformed answers are temporary: the next
    attempt succeeds, with and without the SDK. Every attempt is acquired, released and counted."""
    call, good = WAYS_TO_SEND[way]
    served = serve(TEMPORARY_FAILURES[kind], TEMPORARY_FAILURES[kind], good)
    call(served.gateway)
    assert served.gateway.reads == len(served.server.targets) == 3
    assert len(served.hook_calls.acquired) == len(served.hook_calls.released) == 3


@pytest.mark.parametrize("way", WAYS_TO_SEND)
@pytest.mark.parametrize("kind", TEMPORARY_FAILURES)
def test_five_tries_are_made(serve: Serve, way: str, kind: str) -> None:
    """After five tries the caller gets an error that says it was not read: never that the payment does not exist."""
    call, _ = WAYS_TO_SEND[way]
    served = serve(TEMPORARY_FAILURES[kind])
    with pytest.raises(StripeUnavailableError, match="in 5 tries"):
        call(served.gateway)
    assert len(served.server.targets) == 5


@pytest.mark.parametrize("way", WAYS_TO_SEND)
@pytest.mark.parametrize("kind", FINAL_FAILURES)
def test_a_final_refusal_is_not_retried(serve: Serve, way: str, kind: str) -> None:
    """A refusal that another attempt cannot change costs one read. Stripe-Should-Retry overrules the status."""
    call, _ = WAYS_TO_SEND[way]
    answer, expected = FINAL_FAILURES[kind]
    served = serve(answer)
    with pytest.raises(expected) as caught:
        call(served.gateway)
    assert type(caught.value) is expected
    assert len(served.server.targets) == 1


@pytest.mark.parametrize("way", WAYS_TO_SEND)
@pytest.mark.parametrize("kind", ["no JSON", "cut JSON", "cut short", "nothing"])
def test_a_malformed_answer_has_its_own_error(serve: Serve, way: str, kind: str) -> None:
    """An answer that came and is unusable is a MalformedAnswerError, so a caller can tell it from an unreachable
    Stripe."""
    call, _ = WAYS_TO_SEND[way]
    with pytest.raises(MalformedAnswerError):
        call(serve(TEMPORARY_FAILURES[kind]).gateway)


def test_waits_grow_and_differ(serve: Serve, clock: ManualClock) -> None:
    """The waits between attempts are random, up to 0.5, 1, 2 and 4 s: never more than 7.5 s in all for five
    attempts."""
    waited = set()
    for _ in range(4):
        served = serve(error(500))
        before = clock.monotonic()
        with pytest.raises(StripeUnavailableError):
            served.gateway.retrieve("pi_1")
        waited.add(clock.monotonic() - before)
    assert len(waited) > 1
    assert all(0.4 <= total <= 7.5 for total in waited)


def test_the_deadline_ends_the_attempts(serve: Serve, clock: ManualClock) -> None:
    """An attempt that could only begin after the deadline is not made, even if the number of attempts allows it."""
    retries = Retries(attempts=1000, deadline=90, least_wait=10, first_wait=10, longest_wait=10)
    served = serve(error(500), retries=retries)
    before = clock.monotonic()
    with pytest.raises(StripeUnavailableError):
        served.gateway.retrieve("pi_1")
    assert len(served.server.targets) == 10
    assert clock.monotonic() - before <= 90


def test_waiting_for_the_rate_limiter_costs_no_attempts(clock: ManualClock) -> None:
    """The deadline counts from the first request: a long wait before it costs no attempts."""
    with pytest.raises(StripeUnavailableError), _slow_to_acquire(clock) as gateway:
        gateway.retrieve("pi_1")
    assert gateway.reads == 5


def _slow_to_acquire(clock: ManualClock) -> StripeGateway:
    first = iter([600.0])
    return StripeGateway(
        KEY,
        account="shop",
        clock=clock,
        acquire=lambda _: clock.sleep(next(first, 0.0)),
        api_base=f"http://127.0.0.1:{unused_port()}",
    )


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("12", 48, 56),
        ("600", 120, 128),
        ("Sun, 01 Mar 2026 12:00:09 GMT", 36, 44),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.4, 8),
        ("soon", 0.4, 8),
        ("-5", 0.4, 8),
    ],
    ids=["seconds", "capped", "date", "past date", "nonsense", "negative"],
)
def test_a_proxys_retry_after_is_the_least_wait(
    serve: Serve, clock: ManualClock, asked: str, least: float, most: float
) -> None:
    """Stripe sends no Retry-After. If a proxy does, the gateway waits at least that long, up to 30 s."""
    retries = Retries(deadline=1000)
    served = serve(reply(HTML, 503, retry_after=asked), retries=retries)
    before = clock.monotonic()
    with pytest.raises(StripeUnavailableError):
        served.gateway.retrieve("pi_1")
    assert least <= clock.monotonic() - before <= most


@pytest.mark.parametrize(
    ("headers", "code", "expected"),
    [
        ({"rate_limited_reason": reason.value}, "rate_limit", reason)
        for reason in RateLimitReason
        if reason.value.count("-")
    ]
    + [
        ({}, "lock_timeout", RateLimitReason.LOCK_TIMEOUT),
        ({}, "rate_limit", RateLimitReason.UNKNOWN),
        ({"rate_limited_reason": "phase-of-the-moon"}, None, RateLimitReason.UNKNOWN),
    ],
)
def test_a_rate_limit_is_reported_with_its_reason(
    serve: Serve, headers: dict[str, str], code: str | None, expected: RateLimitReason
) -> None:
    """Each 429 is counted, and reported to the rate limiter with the reason that Stripe gives and the endpoint."""
    served = serve(error(429, code=code, **headers), GOOD_INTENT)
    served.gateway.retrieve("pi_1")
    assert served.hook_calls.limited == [(expected, Endpoint.RETRIEVE)]
    assert served.gateway.rate_limited == 1


def test_every_attempt_is_acquired_for_its_endpoint(serve: Serve) -> None:
    """Each GET is acquired and released for the endpoint that it is sent to, and counted, retries included."""
    served = serve(error(500), reply(page([])))
    served.gateway.list_intents(TimeRange())
    served.gateway.list_events(TimeRange(), ["x"])
    served.gateway.list_charges("pi_1")
    endpoints = [Endpoint.LIST, Endpoint.LIST, Endpoint.EVENTS, Endpoint.CHARGES]
    assert served.hook_calls.acquired == served.hook_calls.released == endpoints
    assert served.gateway.reads == 4
    assert served.gateway.rate_limited == 0


class RateLimitError(Exception):
    """The rate limiter's own error in this test."""


def test_an_error_of_the_rate_limiter_ends_the_read(clock: ManualClock) -> None:
    """The error that acquire raises goes to the caller; no request is sent, and nothing is released."""
    hook_calls = HookCalls()

    def refuse(_: Endpoint) -> None:
        raise RateLimitError

    with (
        StripeGateway(
            KEY, account="shop", clock=clock, acquire=refuse, release=hook_calls.released.append
        ) as gateway,
        pytest.raises(RateLimitError),
    ):
        gateway.retrieve("pi_1")
    assert (gateway.reads, hook_calls.released) == (0, [])


def test_closing_ends_a_wait(serve: Serve) -> None:
    """close() ends the wait between attempts, and no other attempt begins."""
    waiting = threading.Event()

    class NotifyingClock(SystemClock):
        def wait(self, event: threading.Event, seconds: float) -> bool:
            waiting.set()
            return super().wait(event, seconds)

    served = serve(error(500))
    retries = Retries(deadline=10_000, least_wait=600, first_wait=600, longest_wait=600)
    gateway = gateway_to(served.server.url, NotifyingClock(), retries=retries)  # type: ignore[arg-type]
    failed: list[Exception] = []

    def ask() -> None:
        with pytest.raises(StripeUnavailableError) as caught:
            gateway.retrieve("pi_1")
        failed.append(caught.value)

    asking = threading.Thread(target=ask)
    asking.start()
    waiting.wait()
    gateway.close()
    asking.join()
    assert len(failed) == len(served.server.targets) == 1
    assert gateway.reads == 1
