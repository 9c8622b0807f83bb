"""SIGTERM ends every process within five seconds, also if Stripe, the endpoint or the database hangs."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from reconciler.clock import SystemClock
from reconciler.sandbox import RequestFault
from tests.acceptance.configured_shop import REPOSITORY
from tests.acceptance.service.conftest import Daemon, ServiceInstallation
from tests.acceptance.service.test_delivery import SECRET
from tests.acceptance.service.test_hangs import frozen
from tests.endpoint import EndpointFault, serving
from tests.unit.gateway.raw_server import RawServer, repeated

LONGEST_SECONDS = 5.0
HANG_SECONDS = 9.0
SLOW_HEADERS = repeated(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x")


@contextmanager
def in_time() -> Iterator[None]:
    """The block takes less than the time that a stop may take."""
    clock = SystemClock()
    began = clock.monotonic()
    yield
    assert clock.monotonic() - began < LONGEST_SECONDS


def wait_until(is_so: Callable[[], bool]) -> None:
    clock = SystemClock()
    until = clock.monotonic() + 30
    while not is_so():
        assert clock.monotonic() < until
        clock.wait(threading.Event(), 0.02)


def working(installation: ServiceInstallation, **environ: str) -> Daemon:
    """A service that has made its first sweep."""
    installation.configure_service(due="1s", lease="60s")
    installation.note_window_sweep()
    daemon = installation.start(**environ)
    daemon.wait_for("sweep.finished", job="due", complete=True)
    return daemon


def test_a_service_whose_stripe_hangs(installation: ServiceInstallation) -> None:
    """A read that gets no answer is given up after two seconds; the lease is given back, and nothing is half written."""
    daemon = working(installation)
    faults = installation.stripe.faults
    faults.script(RequestFault.SLOW, endpoint="GET /v1/payment_intents/{id}", seconds=HANG_SECONDS)
    installation.add_payments(2)
    wait_until(lambda: not faults.scripted)
    with in_time():
        assert daemon.end() == 0
    corrected = installation.count_by_status().get("paid", 0)
    assert installation.query("SELECT count(*) FROM reconciler.outbox") == [(corrected,)]
    assert installation.query("SELECT holder FROM reconciler.leases") == [(None,)]


def test_a_service_that_sweeps_for_a_person(installation: ServiceInstallation) -> None:
    """A requested sweep ends as soon, and so does the command that waits for it."""
    daemon = working(installation)
    faults = installation.stripe.faults
    (intent,) = installation.add_payments(1)
    faults.script(RequestFault.SLOW, target=intent, times=2, seconds=HANG_SECONDS)
    command = installation.start_command("sweep", "--payment-intent", intent)
    daemon.wait_for("request.taken")
    wait_until(lambda: faults.scripted < 2)
    with in_time():
        command.send_signal(signal.SIGTERM)
        out, err = command.communicate(timeout=30)
    assert command.returncode == 75, err
    assert "interrupted" in out + err
    with in_time():
        assert daemon.end() == 0


def test_a_service_that_is_starting(installation: ServiceInstallation) -> None:
    """The checks at the start end too, and nothing waits for their threads."""
    with RawServer(SLOW_HEADERS) as stripe:
        daemon = installation.start(RECONCILER_STRIPE__API_BASE=stripe.url)
        assert stripe.asked.wait(30)
        with in_time():
            assert daemon.end() == 0


@pytest.mark.parametrize("fault", [EndpointFault.HANG, EndpointFault.TRICKLE])
def test_a_service_whose_endpoint_hangs(
    installation: ServiceInstallation, fault: EndpointFault
) -> None:
    """A delivery that gets no answer ends two seconds after a stop, and is sent again later."""
    with serving() as endpoint:
        endpoint.behave(fault)
        daemon = working(
            installation,
            RECONCILER_DELIVERY__URL=endpoint.url,
            RECONCILER_DELIVERY__EVERY="1s",
            RECONCILER_DELIVERY__TIMEOUT="20s",
            RECONCILER_SIGNING_SECRET=SECRET,
        )
        installation.add_payments(1)
        endpoint.next()
        with in_time():
            assert daemon.end() == 0
    assert installation.query("SELECT delivered_at FROM reconciler.outbox") == [(None,)]


def test_a_service_whose_database_hangs(installation: ServiceInstallation) -> None:
    """It cannot give its lease back, and says so with every stack; the lease ends by itself."""
    daemon = working(installation)
    with frozen(installation):
        # every thread meets the database that does not answer
        SystemClock().wait(threading.Event(), 1.5)
        with in_time():
            assert daemon.end() == 75
    assert any("service.stop_hangs" in line for line in daemon.lines)


@pytest.mark.parametrize(
    "arguments", [("sweep", "--apply"), ("explain", "pi_1"), ("plan",), ("doctor",)]
)
def test_a_command_whose_stripe_hangs(
    installation: ServiceInstallation, arguments: tuple[str, ...]
) -> None:
    """Whichever command reads from Stripe ends; a sweep still prints its report."""
    installation.add_payments(1)
    with RawServer(SLOW_HEADERS) as stripe:
        command = installation.start_command(*arguments, RECONCILER_STRIPE__API_BASE=stripe.url)
        if arguments == ("plan",):
            command.wait(30)
        else:
            assert stripe.asked.wait(30)
        with in_time():
            command.send_signal(signal.SIGTERM)
            out, err = command.communicate(timeout=30)
    assert "Traceback" not in err
    if arguments[0] == "sweep":
        assert command.returncode == 75
        assert "interrupted" in out + err


def test_a_command_whose_database_hangs(installation: ServiceInstallation) -> None:
    """A main thread that waits for the database is ended from outside of it, and a line says so."""
    with frozen_server() as server:
        command = installation.start_command("status", DATABASE_URL=url_of(server))
        assert server.asked.wait(30)
        assert command.poll() is None
        with in_time():
            command.send_signal(signal.SIGTERM)
            _, err = command.communicate(timeout=30)
    assert command.returncode == 130
    assert "interrupted" in err


@contextmanager
def frozen_server() -> Iterator[RawServer]:
    """A database server that accepts connections and then says nothing."""
    with RawServer(repeated(b"", b""), reads_request=False) as server:
        yield server


def url_of(server: RawServer) -> str:
    return f"postgresql://127.0.0.1:{server.port}/shop?connect_timeout=60&sslmode=disable"


def test_a_second_signal_does_not_help_a_hang(installation: ServiceInstallation) -> None:
    """The limit counts from the first signal: impatience neither prolongs it nor leaves a traceback."""
    with frozen_server() as server:
        command = installation.start_command("verify", DATABASE_URL=url_of(server))
        assert server.asked.wait(30)
        with in_time():
            for _ in range(3):
                command.send_signal(signal.SIGINT)
                SystemClock().wait(threading.Event(), 0.2)
            _, err = command.communicate(timeout=30)
    assert command.returncode == 130
    assert "Traceback" not in err


def test_the_watcher_does_not_disturb_a_command() -> None:
    """A command that was not interrupted ends at once with its own code."""
    run = subprocess.run(
        [sys.executable, "-m", "reconciler", "--version"], cwd=REPOSITORY, check=False, timeout=30
    )
    assert run.returncode == 0
