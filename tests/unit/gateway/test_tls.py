"""Reads over TLS, directly and through proxies of the environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.adapters.http.http_client import trusted_certificates
from reconciler.adapters.stripe_gateway import Retries
from reconciler.clock import ManualClock
from reconciler.domain.model.intent import Intent
from reconciler.errors import ConfigurationError, StripeUnavailableError
from tests.unit.gateway.canned_server import gateway_to, intent, reply
from tests.unit.gateway.tls_server import TlsServer, server_context, write_certificate

LARGE = reply(intent(description="x" * 900_000)).replace(b"Connection: close\r\n", b"")
ONE_TRY = Retries(attempts=1)


@pytest.fixture(autouse=True)
def fresh_certificates(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test reads the trusted certificates anew, and sees no proxy of the machine's."""
    for name in (
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "no_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    trusted_certificates.cache_clear()
    yield
    trusted_certificates.cache_clear()


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This machine trusts the server's certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(write_certificate(tmp_path)))


@pytest.mark.usefixtures("trusted")
def test_large_answers_are_read_over_one_connection(clock: ManualClock, tmp_path: Path) -> None:
    """An answer of many TLS records is read whole, and the connection serves the next read too."""
    with (
        TlsServer(LARGE, context=server_context(tmp_path)) as server,
        gateway_to(f"https://127.0.0.1:{server.port}", clock) as gateway,
    ):
        for _ in range(2):
            assert isinstance(gateway.retrieve("pi_1"), Intent)
        assert len(server.asked) == 2
        assert len(server._threads) == 2


def test_an_unknown_certificate_is_refused(clock: ManualClock, tmp_path: Path) -> None:
    """A server whose certificate this machine does not trust gets no key, and is not tried again."""
    with (
        TlsServer(LARGE, context=server_context(tmp_path)) as server,
        gateway_to(f"https://127.0.0.1:{server.port}", clock) as gateway,
    ):
        with pytest.raises(StripeUnavailableError, match="in 1 try: this machine does not trust"):
            gateway.retrieve("pi_1")
        assert server.asked == []


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_host_is_refused(clock: ManualClock, tmp_path: Path) -> None:
    """The certificate has to name the host that is read from."""
    with (
        TlsServer(LARGE, context=server_context(tmp_path)) as server,
        gateway_to(f"https://localhost:{server.port}", clock) as gateway,
        pytest.raises(StripeUnavailableError, match="does not trust"),
    ):
        gateway.retrieve("pi_1")


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_of_the_environment_is_used(
    clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """The read goes through the proxy, over TLS to the proxy too if its URL says so. The proxy never sees the key."""
    context = server_context(tmp_path)
    with (
        TlsServer(LARGE, context=context) as server,
        TlsServer(context=context if scheme == "https" else None, target=server.port) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://me:secret@127.0.0.1:{proxy.port}")
        with gateway_to(f"https://127.0.0.1:{server.port}", clock) as gateway:
            assert isinstance(gateway.retrieve("pi_1"), Intent)
        assert (len(proxy.asked), len(server.asked)) == (1, 1)
        assert proxy.asked[0].startswith(b"CONNECT ")
        assert b"Proxy-Authorization: Basic" in proxy.asked[0]
        assert b"Bearer" not in proxy.asked[0]


@pytest.mark.usefixtures("trusted")
def test_a_host_without_proxy_is_reached_directly(
    clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """no_proxy names the hosts that are reached without the proxy."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with (
        TlsServer(LARGE, context=server_context(tmp_path)) as server,
        gateway_to(f"https://127.0.0.1:{server.port}", clock) as gateway,
    ):
        assert isinstance(gateway.retrieve("pi_1"), Intent)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_unreadable_certificates_are_a_configuration_error(
    clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    """A file that does not exist, or that holds no certificate, ends the program with a hint and no traceback."""
    path = tmp_path / "certificates.pem"
    if content is not None:
        path.write_text(content, encoding="ascii")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
        gateway_to("https://127.0.0.1:1", clock)
