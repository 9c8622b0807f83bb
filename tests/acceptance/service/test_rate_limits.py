"""At most one process reads an account at full speed, while replicas and commands start and stop: the limits are kept."""

from __future__ import annotations

import signal
import subprocess
from bisect import bisect_left
from collections.abc import Sequence

from reconciler.clock import SystemClock
from reconciler.sandbox import SandboxLimits
from tests.acceptance.service.conftest import HOUR_AGO, LONGEST_SECONDS, Daemon, ServiceInstallation

SETTLED = 150_000
"""Settled rows. The open ones among them are so few that each is retrieved, which keeps the endpoint busy for long."""
OPEN = 1500
LIMIT = 12
"""Requests per second that Reconciler may send: about half of what Stripe allows a test key."""
TWO_READERS = 20
"""More requests in a second than one process sends, even if a busy machine delays some of them, and fewer than two send.
The benchmark ``budget`` measures how closely one process keeps to its limit."""


def add_open_among_settled(installation: ServiceInstallation) -> list[str]:
    """Add open rows of paid intents, spread evenly among many settled rows; returns the intents."""
    installation.note_window_sweep()
    installation.execute("CREATE INDEX ON payments (stripe_payment_intent_id)")
    installation.execute(
        "INSERT INTO payments (id, stripe_payment_intent_id, status, amount, currency, created_at)"
        f" SELECT -n, 'pi_settled' || n, 'paid', 1250, 'eur', '{HOUR_AGO}'::timestamptz - n * interval '10 ms'"
        f" FROM generate_series(1, {SETTLED}) AS n"
    )
    intents = installation.add_payments(OPEN)
    installation.execute(
        f"UPDATE payments SET created_at = '{HOUR_AGO}'::timestamptz - id * interval '{SETTLED / OPEN / 100} s'"
        " WHERE id > 0"
    )
    return intents


def most_within(times: Sequence[float], seconds: float) -> int:
    """The most of these times within any span of so many seconds."""
    return max(bisect_left(times, start + seconds) - place for place, start in enumerate(times))


def wait_for_reads(installation: ServiceInstallation) -> None:
    """Wait until the holder of the account has sent as many reads as two seconds at the limit allow."""
    clock, enough = SystemClock(), installation.stripe.requests.reads + 2 * LIMIT
    until = clock.monotonic() + LONGEST_SECONDS
    while installation.stripe.requests.reads < enough:
        assert clock.monotonic() < until
        clock.sleep(0.1)


def wait_for_holder(installation: ServiceInstallation, *daemons: Daemon) -> Daemon:
    """The daemon that holds the account, once one of them does."""
    clock = SystemClock()
    until = clock.monotonic() + LONGEST_SECONDS
    while clock.monotonic() < until:
        ((holder,),) = installation.query("SELECT holder FROM reconciler.leases")
        for daemon in daemons:
            if holder is not None and f":{daemon.process.pid}:" in holder:
                return daemon
        clock.sleep(0.05)
    raise AssertionError("no daemon takes the account")


def wait_for_exit(command: subprocess.Popen[str]) -> int:
    """Wait for the end of a command; returns its exit code."""
    command.communicate(timeout=90)
    return command.returncode


def test_one_process_reads_at_a_time(installation: ServiceInstallation) -> None:
    """Two replicas, a one-off sweep, commands that read beside the service, a reload and two takeovers: never as many
    requests as two processes would send, and no 429."""
    installation.configure_service(requests_per_second=LIMIT, lease="3s", due="1s")
    intents = add_open_among_settled(installation)
    installation.stripe.limiter.limits = SandboxLimits()
    first = installation.start()
    first.wait_for("lease.taken")
    wait_for_reads(installation)
    second = installation.start()
    second.wait_for("service.ready")
    doctor, explained = (
        installation.start_command("doctor"),
        installation.start_command("explain", intents[0]),
    )
    assert wait_for_exit(explained) == 0

    first.send(signal.SIGHUP)
    first.wait_for("configuration.reloaded", seconds=60)
    # the reload gives the lease back for a moment: either daemon may take it, or a one-off sweep
    if wait_for_holder(installation, first, second) is second:
        first, second = second, first
    one_off = installation.start_command("sweep", "--apply", "--kind", "due", "--json")
    first.wait_for("request.taken")
    assert wait_for_exit(doctor) == 0
    # the first daemon ends: the one-off sweep takes the account, and when it is interrupted the second daemon does
    assert first.end() == 0

    wait_for_reads(installation)
    assert one_off.poll() is None

    one_off.send_signal(signal.SIGINT)
    assert wait_for_exit(one_off) == 75

    second.wait_for("lease.taken")
    wait_for_reads(installation)
    assert installation.count_by_status()["pending"] > 0
    assert second.end() == 0

    requests = installation.stripe.requests
    assert requests.rate_limited == 0

    times = sorted(request.at for request in requests.recent)
    assert len(times) == requests.reads
    assert most_within(times, 1) < TWO_READERS
    assert installation.query(
        "SELECT count(*) = count(DISTINCT payment_key) FROM reconciler.outbox"
    ) == [(True,)]
    assert installation.run("verify")[0] == 0
