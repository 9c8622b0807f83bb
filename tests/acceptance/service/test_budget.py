"""One spender an account: whatever is started, asked and stopped meanwhile, Stripe's limits are kept."""

from __future__ import annotations

import signal
import subprocess
from bisect import bisect_left
from collections.abc import Sequence

from reconciler.clock import SystemClock
from reconciler.sandbox import SandboxLimits
from tests.acceptance.service.conftest import HOUR_AGO, LONGEST, Daemon, Town

SETTLED = 150_000
"""Rows among which the open ones are so few that each is retrieved: that keeps the lane full for long."""
OPEN = 1500
LIMIT = 12
"""Requests a second that we allow ourselves: about half of what Stripe allows a test key."""
TWO_SPENDERS = 20
"""So many in a second are more than one spender sends, however late a busy machine lets some of them go, and fewer than
two send. How closely one keeps to its limit is for the benchmark ``budget`` to say."""


def among_many(town: Town) -> list[str]:
    """Open payments that Stripe calls paid, evenly among many settled ones."""
    town.window_was_read()
    town.execute("CREATE INDEX ON payments (stripe_payment_intent_id)")
    town.execute(
        "INSERT INTO payments (id, stripe_payment_intent_id, status, amount, currency, created_at)"
        f" SELECT -n, 'pi_settled' || n, 'paid', 1250, 'eur', '{HOUR_AGO}'::timestamptz - n * interval '10 ms'"
        f" FROM generate_series(1, {SETTLED}) AS n"
    )
    intents = town.pay(OPEN)
    town.execute(
        f"UPDATE payments SET created_at = '{HOUR_AGO}'::timestamptz - id * interval '{SETTLED / OPEN / 100} s'"
        " WHERE id > 0"
    )
    return intents


def most_within(times: Sequence[float], seconds: float) -> int:
    """The most of these in any window of that length."""
    return max(bisect_left(times, start + seconds) - place for place, start in enumerate(times))


def fill_the_lane(town: Town) -> None:
    """Wait until whoever holds the account now has asked for two seconds at the limit."""
    clock, enough = SystemClock(), town.stripe.requests.reads + 2 * LIMIT
    until = clock.monotonic() + LONGEST
    while town.stripe.requests.reads < enough:
        assert clock.monotonic() < until
        clock.sleep(0.1)


def holding(town: Town, *daemons: Daemon) -> Daemon:
    """Which of them holds the account, once one of them does."""
    clock = SystemClock()
    until = clock.monotonic() + LONGEST
    while clock.monotonic() < until:
        ((holder,),) = town.ask("SELECT holder FROM reconciler.leases")
        for daemon in daemons:
            if holder is not None and f":{daemon.process.pid}:" in holder:
                return daemon
        clock.sleep(0.05)
    raise AssertionError("none of them takes the account")


def ended(command: subprocess.Popen[str]) -> int:
    """Wait for a command; its exit code."""
    command.communicate(timeout=90)
    return command.returncode


def test_there_is_one_spender_at_every_moment(town: Town) -> None:
    """Two replicas, a one-off sweep, guests, a reload and two handovers: never what two would send, and no 429."""
    town.configure(speed=LIMIT, lease="3s", due="1s")
    intents = among_many(town)
    town.stripe.limiter.limits = SandboxLimits()
    first = town.start()
    first.event("lease.taken")
    fill_the_lane(town)
    second = town.start()
    second.event("service.ready")
    doctor, explained = town.begin("doctor"), town.begin("explain", intents[0])
    assert ended(explained) == 0
    first.send(signal.SIGHUP)
    first.event("configuration.reloaded", seconds=60)
    # the reload gives the lease back for a moment: either replica may have it then, and so might a one-off sweep
    if holding(town, first, second) is second:
        first, second = second, first
    one_off = town.begin("sweep", "--apply", "--kind", "due", "--json")
    first.event("request.taken")
    assert ended(doctor) == 0
    # the first goes: whoever asked takes the account, and when that is interrupted the second does
    assert first.end() == 0
    fill_the_lane(town)
    assert one_off.poll() is None
    one_off.send_signal(signal.SIGINT)
    assert ended(one_off) == 75
    second.event("lease.taken")
    fill_the_lane(town)
    assert town.statuses()["pending"] > 0
    assert second.end() == 0
    seen = town.stripe.requests
    assert seen.rate_limited == 0
    times = sorted(one.at for one in seen.recent)
    assert len(times) == seen.reads
    assert most_within(times, 1) < TWO_SPENDERS
    assert town.ask("SELECT count(*) = count(DISTINCT payment_key) FROM reconciler.outbox") == [
        (True,)
    ]
    assert town.run("verify")[0] == 0
