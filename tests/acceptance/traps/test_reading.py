"""How Stripe is read: with a limited number of tries, for a limited time, within Reconciler's share of its limits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from reconciler.adapters.stripe_gateway import Retries, StripeGateway, Timeouts
from reconciler.clock import SystemClock
from reconciler.domain.model.time_range import TimeRange
from reconciler.errors import StripeUnavailableError
from reconciler.sandbox import (
    TEST_KEY,
    RequestFault,
    Sandbox,
    SandboxAnswer,
    SandboxLimits,
    SandboxServer,
)
from tests.acceptance.installation import (
    EVENTS,
    LIST,
    NOW,
    RETRIEVE,
    TRIES,
    Installation,
    make_stripe,
)


@pytest.mark.parametrize(
    "kind",
    [
        RequestFault.SERVER_ERROR,
        RequestFault.BAD_GATEWAY,
        RequestFault.RESET,
        RequestFault.RATE_LIMITED,
        RequestFault.MALFORMED,
    ],
)
def test_tries_are_not_multiplied(installation: Installation, kind: RequestFault) -> None:
    """There is one retry layer: a retrieve that never succeeds is sent as often as the gateway tries, and no more."""
    intent = installation.add_payment(1)
    installation.stripe.faults.script(kind, times=1000, endpoint=RETRIEVE)
    answer = installation.sweep("--payment-intent", intent)
    assert answer.code == 75
    assert installation.stripe.requests.count(RETRIEVE) == TRIES
    assert answer.json["reads"] == installation.stripe.requests.reads


@pytest.mark.parametrize(("endpoint", "kind"), [(LIST, "window"), (EVENTS, "due")])
def test_tries_of_lists_are_not_multiplied(
    installation: Installation, endpoint: str, kind: str
) -> None:
    """The same holds for a page of the list and for a read of events, which the gateway sends in another way."""
    installation.add_payment(1)
    installation.stripe.faults.script(RequestFault.SERVER_ERROR, times=1000, endpoint=endpoint)
    answer = installation.sweep("--kind", kind, "--since", "10d")
    assert answer.code == 75
    assert installation.stripe.requests.count(endpoint) == TRIES


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_final_answer_is_not_tried_again(installation: Installation, status: int) -> None:
    """A read is sent once if another try cannot help."""
    intent = installation.add_payment(1)
    body = (
        b'{"error": {"code": "resource_missing", "message": "no", "type": "invalid_request_error"}}'
    )
    installation.stripe.faults.script(
        RequestFault.ANSWER, times=1000, endpoint=RETRIEVE, answer=SandboxAnswer(status, body)
    )
    installation.sweep("--payment-intent", intent)
    assert installation.stripe.requests.count(RETRIEVE) == 1


def test_stripes_should_retry_header_is_obeyed(installation: Installation) -> None:
    """Stripe-Should-Retry: false ends the tries at once, even for a 500."""
    intent = installation.add_payment(1)
    wire = SandboxAnswer(500, b"{}", (("Stripe-Should-Retry", "false"),))
    installation.stripe.faults.script(
        RequestFault.ANSWER, times=1000, endpoint=RETRIEVE, answer=wire
    )
    assert installation.sweep("--payment-intent", intent).code == 75
    assert installation.stripe.requests.count(RETRIEVE) == 1


@pytest.fixture
def hanging() -> Iterator[tuple[Sandbox, StripeGateway]]:
    """A Stripe that accepts every request and answers none, and a gateway with short timeouts."""
    sandbox = make_stripe()
    sandbox.faults.script(RequestFault.SILENT, times=1000)
    with (
        SandboxServer(sandbox) as server,
        StripeGateway(
            TEST_KEY,
            account="default",
            clock=SystemClock(),
            acquire=lambda _: None,
            api_base=server.url,
            timeouts=Timeouts(connect=1, read=0.1, attempt=0.3),
            retries=Retries(attempts=2, least_wait=0, first_wait=0.001),
        ) as gateway,
    ):
        yield sandbox, gateway


def test_a_server_that_hangs_does_not_block_a_thread(
    hanging: tuple[Sandbox, StripeGateway],
) -> None:
    """A read without an answer ends after the gateway's timeout, not after the SDK's eighty seconds."""
    sandbox, gateway = hanging
    clock = SystemClock()
    began = clock.monotonic()
    for read in (
        lambda: gateway.retrieve("pi_1"),
        lambda: gateway.list_intents(TimeRange()),
        lambda: gateway.list_events(TimeRange(), ["charge.failed"]),
    ):
        with pytest.raises(StripeUnavailableError, match="no answer came in time"):
            read()
    assert clock.monotonic() - began < 5
    assert sandbox.requests.reads == 6


def test_the_default_timeouts_are_short() -> None:
    """By default a try takes at most a minute in all, twenty seconds without data, and four seconds to connect."""
    timeouts, retries = Timeouts(), Retries()
    assert timeouts.connect <= 4
    assert timeouts.read <= 20
    assert timeouts.attempt <= 60
    assert retries.attempts == TRIES
    assert retries.deadline <= 90


def test_a_burst_leaves_the_checkout_its_share(installation: Installation) -> None:
    """With Stripe's documented limits and a share of one half, no read is refused and the other half stays free."""
    installation.stripe.limiter.limits = SandboxLimits()
    installation.configure(
        budget={"share": 0.5, "global_per_second": None, "endpoint_per_second": None}
    )
    intents = [installation.add_payment(key) for key in range(24)]
    named = [word for intent in intents for word in ("--payment-intent", intent)]
    answer = installation.sweep(*named, "--apply")
    assert (answer.code, answer.json["corrected"]) == (0, 24)
    assert answer.json["rate_limited"] == installation.stripe.requests.rate_limited == 0
    # half of 25, and the one that begins a second
    assert installation.stripe.requests.most_per_second() <= 13
    assert answer.json["seconds"] >= 1


def test_the_checkout_is_served_during_a_sweep(installation: Installation) -> None:
    """While a sweep reads as fast as it may, the shop's own requests on the same account are not refused."""
    installation.stripe.limiter.limits = SandboxLimits()
    installation.configure(
        budget={"share": 0.5, "global_per_second": None, "endpoint_per_second": None}
    )
    refused: list[str | None] = []
    done = threading.Event()

    def checkout() -> None:
        clock = SystemClock()
        while not clock.wait(done, 0.1):
            name = "GET /v1/charges"
            holder = f"{installation.stripe.intent(intents[0]).account}:False"
            reason = installation.stripe.limiter.enter(holder, name, livemode=False)
            refused.append(reason)
            if reason is None:
                installation.stripe.limiter.leave(holder, name)

    intents = [installation.add_payment(key) for key in range(24)]
    checkout_thread = threading.Thread(target=checkout)
    checkout_thread.start()
    try:
        named = [word for intent in intents for word in ("--payment-intent", intent)]
        assert installation.sweep(*named).json["rate_limited"] == 0
    finally:
        done.set()
        checkout_thread.join()
    assert len(refused) > 5
    assert set(refused) == {None}


def test_an_intent_that_changed_since_its_read_is_not_used(installation: Installation) -> None:
    """An intent that changed between its read and the record is not corrected by its old state."""
    intent = installation.add_payment(1, becomes="process", age=timedelta(hours=3))
    changed = threading.Event()

    def meanwhile(endpoint: str, _target: str) -> None:
        if endpoint == EVENTS and not changed.is_set():
            changed.set()
            installation.stripe.succeed(intent, at=NOW)

    installation.stripe.before_answer = meanwhile
    report = installation.sweep("--kind", "due", "--apply").json
    assert changed.is_set()
    assert (report["waiting"], report["corrected"]) == (1, 0)
    assert installation.statuses() == {"1": "pending"}
