"""Addresses, proxies and times at the edge of what is possible: a clear error, and never a traceback."""

from __future__ import annotations

import socket
import threading
from datetime import UTC, datetime

import pytest

from reconciler.adapters.stripe_gateway import Retries
from reconciler.adapters.stripe_gateway.transport import parse_date
from reconciler.adapters.webhook_sender import HttpWebhookSender
from reconciler.clock import ManualClock, SystemClock
from reconciler.domain.model.intent import Intent
from reconciler.errors import ConfigurationError, StripeUnavailableError
from reconciler.exit_codes import ExitCode
from tests.unit.gateway.canned_server import error, gateway_to, intent, reply, unused_port
from tests.unit.gateway.conftest import Serve

ONE_TRY = Retries(attempts=1)


@pytest.fixture
def unknown_names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No name has an address, and no name server is asked; the list has the names that were looked up."""
    asked = []

    def no_address(host: str | bytes | None, *_: object, **__: object) -> object:
        name = host.decode() if isinstance(host, bytes) else str(host)
        # as the standard library does before it asks: a name that cannot be encoded is a UnicodeError
        name.encode("idna")
        asked.append(name)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_address)
    return asked


@pytest.mark.parametrize(
    "proxy",
    [
        "socks5://127.0.0.1:1080", "socks5h://127.0.0.1:1080", "socks4://127.0.0.1:1", "ftp://me:secret@127.0.0.1:21",
        "gopher://127.0.0.1", "http://[::", "http://", "http://:8080", "http://127.0.0.1:99999", "http://127.0.0.1:x",
        "http://a..b:8080", "http://[secret]:1", "://", "http://" + "a" * 64 + ".example:1", "http://ü..secret",
    ],
)  # fmt: skip
def test_a_proxy_that_cannot_be_used_is_a_configuration_error(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    """The variable is named, and its value, which may hold a password, is not repeated. A delivery says what to check."""
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(ConfigurationError, match="http_proxy") as caught:
        gateway_to("http://127.0.0.1:1", clock)
    assert caught.value.exit_code is ExitCode.CONFIGURATION
    assert "secret" not in str(caught.value)

    sender = HttpWebhookSender("http://127.0.0.1:1/x", 0.5, SystemClock(), threading.Event())
    receipt = sender.post(b"{}", {})
    assert "no connection is possible" in (receipt.fault or "")
    sender.close()


@pytest.mark.parametrize(
    "address",
    [
        "http://[::", "http://[::1", "http://::1]", "http://a:b:c", "http://host:99999", "http://host:-1", "http://:80",
        "http://", "https://.", "https://..", "https://a..b", "https://" + "a" * 64 + ".com", "https:///v1",
        "https://[v1.x]", "https://[1.2.3.4]", "https://host:",
    ],
)  # fmt: skip
def test_an_address_that_cannot_exist_is_an_error(
    clock: ManualClock, unknown_names: list[str], address: str
) -> None:
    """The base address is checked as far as that is possible; the rest is an error of the first read."""

    def read() -> None:
        with gateway_to(address, clock, retries=ONE_TRY) as gateway:
            gateway.retrieve("pi_1")

    with pytest.raises((ConfigurationError, StripeUnavailableError)):
        read()


@pytest.mark.parametrize(
    "host", ["1.2.3.999", "256.256.256.256", "0x7f.1.1.1.1", "-", "_", "nowhere.invalid"]
)
def test_a_host_that_does_not_resolve_is_unavailable(
    clock: ManualClock, unknown_names: list[str], host: str
) -> None:
    """The message has the system's own words for a name without an address, and the read is tried again later."""
    with (
        gateway_to(f"https://{host}", clock, retries=ONE_TRY) as gateway,
        pytest.raises(StripeUnavailableError, match="no connection"),
    ):
        gateway.retrieve("pi_1")
    assert set(unknown_names) == {host}


@pytest.mark.parametrize(
    "url", ["https://1.2.3.999/x", "https://a..b/x", "https://nowhere.invalid/x", "https://[::/x", "https://h:99999/"]
)  # fmt: skip
def test_a_delivery_to_an_odd_address_is_a_failure_like_any_other(
    unknown_names: list[str], url: str
) -> None:
    """The sender returns a receipt with a reason and never raises, so that the message is not left claimed."""
    sender = HttpWebhookSender(url, 5, SystemClock(), threading.Event())
    receipt = sender.post(b"{}", {})
    assert receipt.status is None
    assert (receipt.fault or "").startswith("no connection")
    sender.close()


@pytest.mark.parametrize("key", ["sk_live_secret", "rk_live_secret"])
def test_a_live_key_never_goes_over_an_open_connection(clock: ManualClock, key: str) -> None:
    """Without TLS a live key goes to this machine alone; a test key may go anywhere."""
    with pytest.raises(ConfigurationError, match="live key") as caught:
        gateway_to("http://stripe.example", clock, api_key=key)
    assert caught.value.exit_code is ExitCode.CONFIGURATION
    assert "secret" not in str(caught.value)
    for address in (
        "http://127.0.0.1:1",
        "http://[::1]:1",
        "http://localhost:1",
        "https://stripe.example",
    ):
        gateway_to(address, clock, api_key=key).close()
    gateway_to("http://stripe.example", clock).close()


@pytest.mark.parametrize(
    "date",
    [
        "Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 -2359",
        "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 +999999",
        "Sun, 01 Mar 99999999999999999999 12:00:00 GMT",
    ],
)  # fmt: skip
def test_a_date_at_the_end_of_time_is_no_date(serve: Serve, clock: ManualClock, date: str) -> None:
    """Grace periods are added to Stripe's time. With a Date that no clock shows, this machine's clock serves."""
    assert parse_date(date) is None
    served = serve(reply(intent(), date=date))
    found = served.gateway.retrieve("pi_1")
    assert isinstance(found, Intent)
    assert found.seen_at == clock.now().replace(microsecond=0)
    assert served.gateway.now() == clock.now()


def test_the_last_date_that_is_read_leaves_room_for_calculation() -> None:
    """A millennium can be added to it."""
    last = parse_date("Tue, 31 Dec 8999 23:59:59 GMT")
    assert last == datetime(8999, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "999999999",
        "99999999999999999999",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Fri, 31 Dec 8999 23:59:59 GMT",
        "-1",
        "1e9",
    ],
)
def test_a_retry_after_at_the_end_of_time_is_bounded(
    serve: Serve, clock: ManualClock, value: str
) -> None:
    """A proxy cannot make Reconciler wait for more than half a minute."""
    served = serve(error(503, Retry_After=value), reply(intent()))
    began = clock.monotonic()
    served.gateway.retrieve("pi_1")
    assert clock.monotonic() - began <= 30


def test_a_closed_port_of_a_delivery_is_named() -> None:
    """The operating system's own words are in the receipt."""
    sender = HttpWebhookSender(
        f"http://127.0.0.1:{unused_port()}/x", 5, SystemClock(), threading.Event()
    )
    assert sender.post(b"{}", {}).fault == "no connection (Connection refused)"
    sender.close()
