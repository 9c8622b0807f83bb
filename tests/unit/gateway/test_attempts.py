from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from reconciler.adapters.stripe_gateway import Retries, StripeGateway, Timeouts, transport
from reconciler.clock import ManualClock, SystemClock
from reconciler.domain.model.intent import Intent, MissingIntent
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.read_limits_and_shortage import Endpoint, RateLimitReason
from reconciler.errors import (
    ConfigurationError,
    MalformedAnswerError,
    ReconcilerError,
    StripeRefusedError,
    StripeRequestError,
    StripeUnavailableError,
)
from tests.unit.gateway.canned import (
    KEY,
    Ledger,
    error,
    gateway_to,
    intent,
    page,
    reply,
    unused_port,
)
from tests.unit.gateway.conftest import Rigging

Call = Callable[[StripeGateway], Any]
GOOD_INTENT = reply(intent())
GOOD_LIST = reply(page([intent()]))
WAYS: dict[str, tuple[Call, bytes]] = {
    "by the SDK": (lambda gateway: gateway.retrieve("pi_1"), GOOD_INTENT),
    "straight": (lambda gateway: gateway.list_intents(TimeRange()), GOOD_LIST),
}
HTML = b"<html><body>502 Bad Gateway</body></html>"
WORTH_ANOTHER_TRY = {
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
    "too deep where nobody looks": reply(b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "wrong encoding": reply(b"not gzip", content_encoding="gzip"),
}
FINAL: dict[str, tuple[bytes, type[ReconcilerError]]] = {
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


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", WORTH_ANOTHER_TRY)
def test_a_passing_failure_is_tried_again(rig: Rigging, way: str, kind: str) -> None:
    """Rate limits, conflicts, server errors, broken connections and broken answers sweep: the next try answers, on
    either way. Every try is bought, ended and counted."""
    call, good = WAYS[way]
    made = rig(WORTH_ANOTHER_TRY[kind], WORTH_ANOTHER_TRY[kind], good)
    call(made.gateway)
    assert made.gateway.reads == len(made.server.targets) == 3
    assert len(made.ledger.bought) == len(made.ledger.ended) == 3


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", WORTH_ANOTHER_TRY)
def test_five_tries_are_enough(rig: Rigging, way: str, kind: str) -> None:
    """After five tries the caller hears that it was not read: never that it was not there."""
    call, _ = WAYS[way]
    made = rig(WORTH_ANOTHER_TRY[kind])
    with pytest.raises(StripeUnavailableError, match="in 5 tries"):
        call(made.gateway)
    assert len(made.server.targets) == 5


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", FINAL)
def test_what_would_not_pass_is_not_repeated(rig: Rigging, way: str, kind: str) -> None:
    """A refusal that another try cannot change costs one read; Stripe-Should-Retry overrules the status."""
    call, _ = WAYS[way]
    answer, expected = FINAL[kind]
    made = rig(answer)
    with pytest.raises(expected) as caught:
        call(made.gateway)
    assert type(caught.value) is expected
    assert len(made.server.targets) == 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["no JSON", "cut JSON", "cut short", "nothing"])
def test_a_broken_answer_is_told_from_no_answer(rig: Rigging, way: str, kind: str) -> None:
    """An answer that came and was none is a MalformedAnswerError, which a caller may tell from an unreachable Stripe."""
    call, _ = WAYS[way]
    with pytest.raises(MalformedAnswerError):
        call(rig(WORTH_ANOTHER_TRY[kind]).gateway)


def test_nobody_there(clock: ManualClock) -> None:
    """Where nothing listens, the error says so and what to check."""
    with (
        gateway_to(f"http://127.0.0.1:{unused_port()}", clock) as gateway,
        pytest.raises(StripeUnavailableError, match=r"no connection.*stripe\.api_base"),
    ):
        gateway.retrieve("pi_1")


def test_waits_grow_and_differ(rig: Rigging, clock: ManualClock) -> None:
    """Between tries we wait at random, up to 0.5, 1, 2 and 4 s: never more than 7.5 s in all for five tries."""
    waited = set()
    for _ in range(4):
        made = rig(error(500))
        before = clock.monotonic()
        with pytest.raises(StripeUnavailableError):
            made.gateway.retrieve("pi_1")
        waited.add(clock.monotonic() - before)
    assert len(waited) > 1
    assert all(0.4 <= total <= 7.5 for total in waited)


def test_the_deadline_ends_the_tries(rig: Rigging, clock: ManualClock) -> None:
    """A try that could only begin after the deadline is not made, however many are left."""
    retries = Retries(attempts=1000, deadline=90, least_wait=10, first_wait=10, longest_wait=10)
    made = rig(error(500), retries=retries)
    before = clock.monotonic()
    with pytest.raises(StripeUnavailableError):
        made.gateway.retrieve("pi_1")
    assert len(made.server.targets) == 10
    assert clock.monotonic() - before <= 90


def test_waiting_for_the_budget_is_not_held_against_a_read(clock: ManualClock) -> None:
    """The deadline counts from the first request: a long queue before it costs no tries."""
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
def test_a_proxys_retry_after_is_a_floor(
    rig: Rigging, clock: ManualClock, asked: str, least: float, most: float
) -> None:
    """Stripe sends no Retry-After; where something on the way does, we wait at least that, but 30 s at most."""
    retries = Retries(deadline=1000)
    made = rig(reply(HTML, 503, retry_after=asked), retries=retries)
    before = clock.monotonic()
    with pytest.raises(StripeUnavailableError):
        made.gateway.retrieve("pi_1")
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
def test_a_rate_limit_is_told_with_its_reason(
    rig: Rigging, headers: dict[str, str], code: str | None, expected: RateLimitReason
) -> None:
    """Each 429 is counted and told to the pacer by the reason that Stripe gives, with the endpoint that was asked."""
    made = rig(error(429, code=code, **headers), GOOD_INTENT)
    made.gateway.retrieve("pi_1")
    assert made.ledger.limited == [(expected, Endpoint.RETRIEVE)]
    assert made.gateway.rate_limited == 1
    assert made.gateway.rate_limited_by_endpoint == {Endpoint.RETRIEVE: 1}


def test_reads_are_counted_by_endpoint(rig: Rigging) -> None:
    """Each GET counts against the endpoint that it is sent to, retries included."""
    made = rig(error(500), reply(page([])))
    made.gateway.list_intents(TimeRange())
    made.gateway.list_events(TimeRange(), ["x"])
    made.gateway.list_charges("pi_1")
    expected = {Endpoint.LIST: 2, Endpoint.EVENTS: 1, Endpoint.CHARGES: 1}
    assert made.gateway.reads_by_endpoint == expected
    assert made.gateway.reads == 4
    assert made.ledger.bought == made.ledger.ended
    assert made.gateway.rate_limited == 0


class RefusedBudgetError(Exception):
    """The budget's own error in this test."""


def test_a_refused_budget_ends_the_read(clock: ManualClock) -> None:
    """What the budget raises goes to the caller, and nothing is sent or ended."""
    ledger = Ledger()

    def refuse(_: Endpoint) -> None:
        raise RefusedBudgetError

    with (
        StripeGateway(
            KEY, account="shop", clock=clock, acquire=refuse, release=ledger.ended.append
        ) as gateway,
        pytest.raises(RefusedBudgetError),
    ):
        gateway.retrieve("pi_1")
    assert (gateway.reads, ledger.ended) == (0, [])


@pytest.mark.parametrize(
    ("message", "other_mode"),
    [
        ("No such payment_intent: 'pi_1'", False),
        ("No such payment_intent: 'pi_1'; a similar object exists in live mode, but a test mode key was used.", True),
        ("No such payment_intent: 'pi_1'; a similar object exists in test mode, but a live mode key was used.", True),
    ],
)  # fmt: skip
def test_stripes_404_is_an_answer(rig: Rigging, message: str, other_mode: bool) -> None:
    """Stripe's word that there is no such intent is an answer, with what it says about the other mode."""
    made = rig(error(404, message, code="resource_missing"))
    found = made.gateway.retrieve("pi_1")
    assert isinstance(found, MissingIntent)
    assert (found.id, found.other_mode, found.request_id) == ("pi_1", other_mode, "req_abc")
    assert made.gateway.reads == 1


@pytest.mark.parametrize("answer", ["a path's 404", "a proxy's 404"])
def test_anybody_elses_404_is_no_verdict(rig: Rigging, answer: str) -> None:
    """A 404 of a proxy or for a path that does not exist says nothing about the payment: it is an error."""
    with pytest.raises(StripeRequestError):
        rig(FINAL[answer][0]).gateway.retrieve("pi_1")


@pytest.mark.parametrize("message", ["No such payment_intent: 'pi_1'", ""])
def test_a_404_of_a_list_is_an_error(rig: Rigging, message: str) -> None:
    """Only a retrieve can find something missing."""
    with pytest.raises(StripeRequestError, match="404"):
        rig(error(404, message, code="resource_missing")).gateway.list_charges("pi_1")


def test_a_missing_permission_is_named_with_its_mend(rig: Rigging) -> None:
    """A 403 names the permission, and which resource of the restricted key to open."""
    message = (
        "The provided key 'rk_test_*********' does not have the required permissions for this endpoint on account "
        "'acct_1'. Having the 'rak_charge_read' permission would allow this request to continue."
    )
    with pytest.raises(StripeRefusedError) as caught:
        rig(error(403, message)).gateway.list_charges("pi_1")
    assert caught.value.permission == "rak_charge_read"
    assert "Read on Charges and Refunds (rak_charge_read)" in caught.value.hint


def test_a_403_without_a_permission_says_what_to_check(rig: Rigging) -> None:
    """Where Stripe names no permission, the mend names those needed and the connected account."""
    with pytest.raises(StripeRefusedError, match="stripe_account") as caught:
        rig(error(403, code="account_invalid")).gateway.retrieve("pi_1")
    assert caught.value.permission is None


def test_a_refused_key_is_shown_by_its_prefix(rig: Rigging) -> None:
    """A 401 says which account's key it was and shows no more than its kind."""
    with pytest.raises(StripeRefusedError, match="the key rk_test_… of account shop"):
        rig(error(401, f"Invalid API Key provided: {KEY}")).gateway.retrieve("pi_1")


def test_a_redirect_does_not_take_the_key_along(rig: Rigging) -> None:
    """A redirect is refused: the key goes to no address but the configured one."""
    elsewhere = rig(GOOD_INTENT)
    made = rig(reply(b"", 301, location=f"{elsewhere.server.url}/v1/payment_intents/pi_1"))
    with pytest.raises(StripeRequestError, match="status 301 is not Stripe"):
        made.gateway.retrieve("pi_1")
    assert elsewhere.server.targets == []


def test_an_answer_that_trickles_ends_at_the_deadline(rig: Rigging, clock: ManualClock) -> None:
    """A server that sends a byte now and then keeps within every read timeout; the attempt's own deadline ends it."""
    length = 3_000_000

    def slow(_: str) -> bytes:
        clock.sleep(31)  # while the answer is on its way, half of the attempt's time sweeps
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + b" " * length

    made = rig(slow, timeouts=Timeouts(attempt=30), retries=Retries(attempts=1))
    with pytest.raises(StripeUnavailableError, match="not complete after 30 s"):
        made.gateway.retrieve("pi_1")


def test_a_silent_server_is_given_up(rig: Rigging) -> None:
    """A server that takes the request and says nothing costs the read timeout, no more."""
    released = threading.Event()

    def silent(_: str) -> bytes:
        released.wait()
        return b""

    made = rig(silent, timeouts=Timeouts(read=0.05), retries=Retries(attempts=2))
    try:
        with pytest.raises(StripeUnavailableError, match="no answer in time"):
            made.gateway.retrieve("pi_1")
    finally:
        released.set()
    assert len(made.server.targets) == 2


def test_closing_wakes_who_waits(rig: Rigging) -> None:
    """close() cuts the wait between tries short, and no other try is begun."""
    waiting = threading.Event()

    class TellingClock(SystemClock):
        def wait(self, event: threading.Event, seconds: float) -> bool:
            waiting.set()
            return super().wait(event, seconds)

    made = rig(error(500))
    retries = Retries(deadline=10_000, least_wait=600, first_wait=600, longest_wait=600)
    gateway = gateway_to(made.server.url, TellingClock(), retries=retries)  # type: ignore[arg-type]
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
    assert len(failed) == len(made.server.targets) == 1
    assert gateway.reads == 1


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"api_key": ""}, "not one word"),
        ({"api_key": "sk_test_a b"}, "not one word"),
        ({"api_key": "sk_test_a\nX-Evil: 1"}, "not one word"),
        ({"api_key": "sk_test_é"}, "not one word"),
        ({"api_key": "pk_test_abc"}, "publishable"),
        ({"stripe_account": "acct_1\r\nX: 1"}, "acct_…"),
        ({"stripe_account": ""}, "acct_…"),
        ({"url": "ftp://api.stripe.com"}, "api_base"),
        ({"url": "https://me:secret@api.stripe.com"}, "api_base"),
        ({"url": "https://api.stripe.com?x=1"}, "api_base"),
        ({"url": ""}, "api_base"),
    ],
)
def test_unusable_credentials_are_refused_at_once(
    clock: ManualClock, options: dict[str, Any], fault: str
) -> None:
    """What cannot go into a request is a configuration error, whose message repeats none of it."""
    with pytest.raises(ConfigurationError, match=fault) as caught:
        gateway_to(**{"url": "https://api.stripe.com", "clock": clock, **options})
    assert "secret" not in str(caught.value)
    assert "Evil" not in str(caught.value)


def test_a_read_answers_in_the_thread_that_asked(rig: Rigging) -> None:
    """Many threads share a gateway; each gets its own answer."""
    made = rig(lambda target: reply(intent(id=target.split("?")[0].rsplit("/", 1)[1])))
    wanted = [f"pi_{number}" for number in range(60)]
    found: dict[str, str] = {}

    def ask(part: list[str]) -> None:
        for ident in part:
            answer = made.gateway.retrieve(ident)
            assert isinstance(answer, Intent)
            found[ident] = answer.id

    threads = [threading.Thread(target=ask, args=(wanted[start::6],)) for start in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {ident: ident for ident in wanted}
    assert made.gateway.reads == 60


def test_stripes_code_and_parameter_are_told(rig: Rigging) -> None:
    """A wrong request is told with Stripe's code and parameter and the request's id, which its support asks for."""
    answer = error(400, code="parameter_invalid_integer", param="created[gte]")
    with pytest.raises(StripeRequestError) as caught:
        rig(answer).gateway.list_intents(TimeRange())
    assert "(parameter_invalid_integer, parameter created[gte], request req_abc)" in str(
        caught.value
    )


def test_an_answer_without_an_end_is_cut_off(rig: Rigging, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body beyond any page's size is not taken into memory."""
    monkeypatch.setattr(transport, "LARGEST_BODY", 1_000_000)
    made = rig(reply(b" " * 1_000_001), retries=Retries(attempts=1))
    with pytest.raises(MalformedAnswerError, match="does not end"):
        made.gateway.retrieve("pi_1")


def raised(error: Exception, cause: Exception) -> Exception:
    """The error as it looks when it was raised from another."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("failure", "why", "tries"),
    [
        (
            raised(httpx.ConnectError("x"), ssl.SSLCertVerificationError(1, "self-signed")),
            r"in 1 try: its TLS certificate is not trusted here\. Set SSL_CERT_FILE",
            1,
        ),
        (raised(httpx.ConnectError("x"), ssl.SSLEOFError(8, "EOF")), "no connection", 5),
        (httpx.ConnectTimeout("x"), "no connection in time", 5),
        (httpx.PoolTimeout("x"), "no connection in time", 5),
        (httpx.ProxyError("407 for http://me:secret@proxy"), "the proxy refused", 5),
        (raised(httpx.ReadError("x"), ConnectionResetError(104, "Reset by peer")), "broke .Reset by peer", 5),
    ],
)  # fmt: skip
def test_each_way_not_to_connect_is_told_in_our_words(
    rig: Rigging, monkeypatch: pytest.MonkeyPatch, failure: Exception, why: str, tries: int
) -> None:
    """A connection that fails says how; only an untrusted certificate is final, for it will be so again."""

    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(httpx.Client, "stream", fail)
    made = rig(GOOD_INTENT)
    with pytest.raises(StripeUnavailableError, match=why) as caught:
        made.gateway.retrieve("pi_1")
    assert made.gateway.reads == tries
    assert "secret" not in str(caught.value)
