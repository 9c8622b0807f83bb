from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.adapters.stripe_gateway import Retries, StripeGateway, Timeouts
from reconciler.clock import ManualClock
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.read_limits_and_shortage import Endpoint, RateLimitReason, RateLimits
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.errors import StripeRefusedError, StripeUnavailableError
from reconciler.sandbox import (
    TEST_KEY,
    Faults,
    RequestFault,
    Sandbox,
    SandboxLimits,
    SandboxServer,
    fill,
)
from tests.contract.gateway.conftest import OpenGateway
from tests.some_quick import some_quick

FAILING = [
    RequestFault.RATE_LIMITED,
    RequestFault.SERVER_ERROR,
    RequestFault.BAD_GATEWAY,
    RequestFault.RESET,
    RequestFault.RESET_MIDWAY,
    RequestFault.TRUNCATED,
    RequestFault.MALFORMED,
]
READS: dict[str, Callable[[StripeGateway, str], Any]] = {
    "retrieve": lambda gateway, intent: gateway.retrieve(intent),
    "list": lambda gateway, _: gateway.list_intents(TimeRange()),
    "events": lambda gateway, _: gateway.list_events(TimeRange(), ["payment_intent.created"]),
    "charges": lambda gateway, intent: gateway.list_charges(intent),
    "refunds": lambda gateway, _: gateway.refunds("ch_1"),
    "disputes": lambda gateway, _: gateway.disputes("ch_1"),
    "search": lambda gateway, _: gateway.search_intents("order", ["7"]),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("fault", FAILING)
def test_a_temporary_fault_is_retried(
    sandbox: Sandbox, gateway: StripeGateway, read: str, fault: RequestFault
) -> None:
    """After four failed answers of any kind, the fifth attempt succeeds, on every endpoint."""
    payment = sandbox.create_payment(100)
    sandbox.faults.script(fault, times=4)
    READS[read](gateway, payment.id)
    assert gateway.reads == sandbox.requests.reads == 5
    assert gateway.rate_limited == sandbox.requests.rate_limited


@pytest.mark.parametrize("fault", FAILING)
def test_a_lasting_fault_is_an_error(
    sandbox: Sandbox, gateway: StripeGateway, fault: RequestFault
) -> None:
    """Five failed answers raise an error: it does not say that the payment is missing or failed."""
    payment = sandbox.create_payment(100)
    sandbox.faults.script(fault, times=5)
    with pytest.raises(StripeUnavailableError):
        gateway.retrieve(payment.id)
    assert gateway.reads == sandbox.requests.reads == 5


def test_a_silent_stripe_is_an_error(
    sandbox: Sandbox, server: SandboxServer, open_gateway: OpenGateway
) -> None:
    """No answer within the read timeout is a failed attempt."""
    sandbox.faults.script(RequestFault.SILENT, times=2)
    gateway = open_gateway(timeouts=Timeouts(read=0.05), retries=Retries(attempts=2))
    with pytest.raises(StripeUnavailableError, match="in time"):
        gateway.retrieve("pi_1")
    server.release()


@pytest.mark.parametrize("fault", [RequestFault.EMPTY_PAGE, RequestFault.REPEATED_ITEM])
def test_a_faulty_page_loses_and_repeats_nothing(
    sandbox: Sandbox, gateway: StripeGateway, fault: RequestFault
) -> None:
    """A page that is empty but claims more, or shows an intent twice, neither loses nor repeats an intent of the
    list."""
    fill(sandbox, 130, days=1)
    sandbox.faults.script(fault, times=1, endpoint="GET /v1/payment_intents", after=1)
    first = gateway.list_intents(TimeRange())
    second = gateway.list_intents(TimeRange(), first.next_after)
    ids = [item.id for item in (*first.intents, *second.intents)]
    assert sorted(ids) == sorted(item.id for item in sandbox.intents())
    assert second.next_after is None


def test_every_payment_is_read_despite_many_faults(
    sandbox: Sandbox, gateway: StripeGateway
) -> None:
    """If a fifth of all answers fail, in seven ways, every payment is still read."""
    fill(sandbox, 60, days=1)
    share = 0.03
    sandbox.faults.shares = Faults(
        seed=7, rate_limited=share, server_error=share, bad_gateway=share, reset=share,
        reset_midway=share, truncated=share, malformed=share,
    )  # fmt: skip
    for payment in sandbox.intents():
        assert gateway.retrieve(payment.id).id == payment.id
    assert gateway.reads == sandbox.requests.reads > 60


@pytest.mark.parametrize(
    "reason",
    [reason for reason in RateLimitReason if "-" in reason.value],
)
def test_the_reason_for_a_rate_limit_is_reported(
    sandbox: Sandbox, open_gateway: OpenGateway, reason: RateLimitReason
) -> None:
    """The rate limiter gets the reason why Stripe refused, without the SDK too."""
    reported: list[tuple[RateLimitReason, Endpoint]] = []
    gateway = open_gateway(limited=lambda why, endpoint: reported.append((why, endpoint)))
    sandbox.faults.script(RequestFault.RATE_LIMITED, reason=reason.value)
    gateway.list_intents(TimeRange())
    assert reported == [(reason, Endpoint.LIST)]


@some_quick("livemode", [True, False], quick=1)
def test_the_documented_limits_bring_no_429(
    sandbox: Sandbox, server: SandboxServer, clock: ManualClock, livemode: bool
) -> None:
    """Reading at all of Stripe's documented limits gets no refusal, although its limits save up only a fifth of a
    second. Retrieves and lists together stay within the global limit."""
    sandbox.limiter.limits = SandboxLimits(burst=0.2)
    rate_limiter = RateLimiter(RateLimits.of(livemode=livemode, share=1.0), clock)
    with StripeGateway(
        "sk_live_sandbox" if livemode else TEST_KEY,
        account="shop",
        clock=clock,
        acquire=rate_limiter.take,
        release=rate_limiter.release,
        limited=rate_limiter.limited,
        api_base=server.url,
    ) as gateway:
        began = clock.monotonic()
        for number in range(150):
            if number % 2:
                gateway.retrieve("pi_nowhere")
            else:
                gateway.list_intents(TimeRange())
        seconds = clock.monotonic() - began
        assert gateway.rate_limited == sandbox.requests.rate_limited == 0
        assert sandbox.requests.most_per_second() <= (50 if livemode else 25)
    assert 150 / seconds >= 0.95 * (50 if livemode else 25)


def test_a_lower_limit_is_learned(
    sandbox: Sandbox, server: SandboxServer, clock: ManualClock
) -> None:
    """If the account's limit is lower than documented, the gateway soon reads more slowly instead of being refused
    again and again."""
    sandbox.limiter.limits = SandboxLimits(endpoint_per_second=4, burst=0.5)
    rate_limiter = RateLimiter(RateLimits.of(livemode=False, share=1.0), clock)
    with StripeGateway(
        TEST_KEY,
        account="shop",
        clock=clock,
        acquire=rate_limiter.take,
        release=rate_limiter.release,
        limited=rate_limiter.limited,
        api_base=server.url,
    ) as gateway:
        for _ in range(100):
            gateway.list_intents(TimeRange())
        refused = gateway.rate_limited
        assert gateway.reads == 100 + refused
        assert 0 < refused < 60
        assert rate_limiter.usage().endpoints[Endpoint.LIST].rate < 12
        assert rate_limiter.usage().overall.in_flight == 0


def test_a_revoked_key_is_an_error(sandbox: Sandbox, gateway: StripeGateway) -> None:
    """A key that is revoked in the middle of a sweep ends it."""
    gateway.list_intents(TimeRange())
    sandbox.revoke_key(TEST_KEY)
    with pytest.raises(StripeRefusedError, match="sk_test_…"):
        gateway.list_intents(TimeRange())
    assert gateway.reads == 2
