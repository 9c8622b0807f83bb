from __future__ import annotations

import ssl
import threading
from typing import Any

import httpcore
import pytest

from reconciler.adapters.stripe_gateway import Retries, Timeouts, transport
from reconciler.clock import ManualClock
from reconciler.domain.model.intent import Intent
from reconciler.errors import (
    ConfigurationError,
    MalformedAnswerError,
    StripeUnavailableError,
)
from tests.unit.gateway.canned_server import (
    gateway_to,
    intent,
    reply,
    unused_port,
)
from tests.unit.gateway.conftest import Serve

GOOD_INTENT = reply(intent())


def test_a_closed_port_names_the_setting_to_check(clock: ManualClock) -> None:
    """If no server listens, the error says so and names the setting to check."""
    with (
        gateway_to(f"http://127.0.0.1:{unused_port()}", clock) as gateway,
        pytest.raises(StripeUnavailableError, match=r"no connection.*stripe\.api_base"),
    ):
        gateway.retrieve("pi_1")


def test_a_slow_answer_ends_at_the_deadline(serve: Serve, clock: ManualClock) -> None:
    """A server that sends a byte at intervals never exceeds the read timeout; the attempt's own deadline ends it."""
    length = 3_000_000

    def slow(_: str) -> bytes:
        clock.sleep(31)  # the attempt's time is over while the answer is on its way
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + b" " * length

    served = serve(slow, timeouts=Timeouts(attempt=30), retries=Retries(attempts=1))
    with pytest.raises(StripeUnavailableError, match="incomplete after 30 s"):
        served.gateway.retrieve("pi_1")


def test_a_silent_server_costs_the_read_timeout(serve: Serve) -> None:
    """A server that takes the request and sends no answer costs the read timeout, no more."""
    released = threading.Event()

    def silent(_: str) -> bytes:
        released.wait()
        return b""

    served = serve(silent, timeouts=Timeouts(read=0.05), retries=Retries(attempts=2))
    try:
        with pytest.raises(StripeUnavailableError, match="no answer came in time"):
            served.gateway.retrieve("pi_1")
    finally:
        released.set()
    assert len(served.server.targets) == 2


def test_an_endless_answer_is_cut_off(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body larger than any page is not taken into memory."""
    monkeypatch.setattr(transport, "LARGEST_BODY", 1_000_000)
    served = serve(reply(b" " * 1_000_001), retries=Retries(attempts=1))
    with pytest.raises(MalformedAnswerError, match="is too long"):
        served.gateway.retrieve("pi_1")


def raised(error: Exception, cause: Exception) -> Exception:
    """The error as it looks if it was raised from another."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("failure", "why", "tries"),
    [
        (
            raised(httpcore.ConnectError("x"), ssl.SSLCertVerificationError(1, "self-signed")),
            r"in 1 try: this machine does not trust the server's TLS certificate\. Set SSL_CERT_FILE",
            1,
        ),
        (raised(httpcore.ConnectError("x"), ssl.SSLEOFError(8, "EOF")), "no connection", 5),
        (httpcore.ConnectTimeout("x"), "no connection was made in time", 5),
        (httpcore.PoolTimeout("x"), "no connection was made in time", 5),
        (httpcore.ProxyError("407 for http://me:secret@proxy"), "the proxy refused the connection", 5),
        (raised(httpcore.ReadError("x"), ConnectionResetError(104, "Reset by peer")), r"broke \(Connection reset by peer\)", 5),
    ],
)  # fmt: skip
def test_a_failed_connection_is_described_without_the_librarys_message(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, failure: Exception, why: str, tries: int
) -> None:
    """The message says how the connection failed, and repeats nothing secret. Only an untrusted certificate is not
    retried, because it will be the same again."""

    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(httpcore.ConnectionPool, "stream", fail)
    served = serve(GOOD_INTENT)
    with pytest.raises(StripeUnavailableError, match=why) as caught:
        served.gateway.retrieve("pi_1")
    assert served.gateway.reads == tries
    assert "secret" not in str(caught.value)


def test_each_thread_gets_its_own_answer(serve: Serve) -> None:
    """Many threads share a gateway; each gets the answer to its own request."""
    served = serve(lambda target: reply(intent(id=target.split("?")[0].rsplit("/", 1)[1])))
    wanted = [f"pi_{number}" for number in range(60)]
    found: dict[str, str] = {}

    def ask(part: list[str]) -> None:
        for ident in part:
            answer = served.gateway.retrieve(ident)
            assert isinstance(answer, Intent)
            found[ident] = answer.id

    threads = [threading.Thread(target=ask, args=(wanted[start::6],)) for start in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {ident: ident for ident in wanted}
    assert served.gateway.reads == 60


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"api_key": ""}, "has a space, or a character"),
        ({"api_key": "sk_test_a b"}, "has a space, or a character"),
        ({"api_key": "sk_test_a\nX-Evil: 1"}, "has a space, or a character"),
        ({"api_key": "sk_test_é"}, "has a space, or a character"),
        ({"api_key": "pk_test_abc"}, "publishable"),
        ({"stripe_account": "acct_1\r\nX: 1"}, "acct_…"),
        ({"stripe_account": ""}, "acct_…"),
        ({"url": "ftp://api.stripe.com"}, "api_base"),
        ({"url": "https://me:secret@api.stripe.com"}, "api_base"),
        ({"url": "https://api.stripe.com?x=1"}, "api_base"),
        ({"url": ""}, "api_base"),
    ],
)
def test_unusable_credentials_are_refused(
    clock: ManualClock, options: dict[str, Any], fault: str
) -> None:
    """A value that cannot go into a request is a configuration error, and its message repeats none of it."""
    with pytest.raises(ConfigurationError, match=fault) as caught:
        gateway_to(**{"url": "https://api.stripe.com", "clock": clock, **options})
    assert "secret" not in str(caught.value)
    assert "Evil" not in str(caught.value)
