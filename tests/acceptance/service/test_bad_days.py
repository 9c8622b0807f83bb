"""Bad days: whatever is taken away ends in a clear state, without a hot loop or a wrong write, and mends itself."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

import apscheduler.executors.base as executors
import apscheduler.schedulers.base as schedulers
import psycopg
import pytest

from reconciler.adapters.postgres.schema.migration import migrate
from reconciler.clock import SystemClock
from reconciler.engine.health.watchdog import Pulse
from reconciler.entrypoints.service.metrics import Metrics
from reconciler.entrypoints.service.service import Service
from reconciler.sandbox import ACCOUNT
from reconciler.settings import load
from tests.acceptance.service.conftest import Daemon, Town

SECRET = "rk_test_revocable00001"
NEEDED = ("payment_intent_read", "charge_read", "event_read", "dispute_read")
CALM_SECONDS = 4.0
MOST_LINES = 8
"""Lines of the log a second: a sweep a second says one or two, and one that failed as many again."""
MOST_READS = 8
MOST_TRANSACTIONS = 60
"""A healthy service with a due sweep a second makes some twenty."""


@dataclass(frozen=True)
class Trouble:
    """What goes wrong and how it is mended; ``said`` stands in the log, ``seen`` in the status."""

    name: str
    spoil: Callable[[Town], None]
    hint: Callable[[Town], None]
    said: str
    seen: str
    levels: tuple[int, ...] = (2,)
    """What monitoring hears; fine, where no work is kept from being done."""


def sql(*queries: str) -> Callable[[Town], None]:
    def run(town: Town) -> None:
        with psycopg.connect(
            town.shop.url, autocommit=True, options="-c default_transaction_read_only=off"
        ) as connection:
            for query in queries:
                connection.execute(query.replace("THIS", connection.info.dbname))  # type: ignore[call-overload]

    return run


def revoke_key(town: Town) -> None:
    town.stripe.revoke_key(SECRET)
    # only a read meets it
    town.pay(1)


def give_key(town: Town) -> None:
    town.stripe.add_key(SECRET, account=ACCOUNT, permissions=list(NEEDED))


CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'reconciler' AND datname = current_database()"
)
TROUBLES = (
    Trouble(
        "the merchant's table is dropped",
        sql(
            "CREATE TABLE kept (LIKE payments INCLUDING ALL)",
            "INSERT INTO kept SELECT * FROM payments",
            "DROP TABLE payments",
        ),
        sql("ALTER TABLE kept RENAME TO payments", "GRANT SELECT, UPDATE ON payments TO daemon"),
        "payments",
        "payments",
    ),
    Trouble(
        "the privilege to read is revoked",
        sql("REVOKE SELECT ON payments FROM daemon"),
        sql("GRANT SELECT ON payments TO daemon"),
        "payments",
        "payments",
    ),
    Trouble(
        "a table of ours is dropped",
        sql("ALTER TABLE reconciler.rechecks RENAME TO gone"),
        sql("ALTER TABLE reconciler.gone RENAME TO checks"),
        "reconciler",
        "reconciler",
    ),
    Trouble(
        "the leases are dropped",
        sql("ALTER TABLE reconciler.leases RENAME TO gone"),
        sql("ALTER TABLE reconciler.gone RENAME TO leases"),
        "leases",
        "leases",
        (3,),
    ),
    Trouble(
        "the replicas are dropped",
        sql("ALTER TABLE reconciler.replicas RENAME TO gone"),
        sql("ALTER TABLE reconciler.gone RENAME TO replicas"),
        "replicas",
        "",
        (0,),
    ),
    Trouble(
        "the lease has expired",
        sql("UPDATE reconciler.leases SET expires_at = now() - interval '1 hour'"),
        sql("SELECT 1"),
        "lease.lost",
        "",
        (0,),
    ),
    Trouble(
        "the database is read-only",
        sql("ALTER DATABASE THIS SET default_transaction_read_only = on", CUT),
        sql("ALTER DATABASE THIS RESET default_transaction_read_only", CUT),
        "read-only",
        "no service holds the account",
        (1,),
    ),
    Trouble("the key is revoked", revoke_key, give_key, "key", "key"),
)


def transactions(town: Town) -> int:
    return int(
        town.ask(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        )[0][0]
    )


def is_calm(town: Town, daemon: Daemon) -> None:
    """For some seconds: few lines in the log, few reads, few transactions."""
    before = (daemon.unread, town.stripe.requests.reads, transactions(town))
    SystemClock().wait(daemon.finished, CALM_SECONDS)
    after = (daemon.unread, town.stripe.requests.reads, transactions(town))
    lines, reads, work = (
        (late - early) / CALM_SECONDS for early, late in zip(before, after, strict=True)
    )
    assert lines <= MOST_LINES
    assert reads <= MOST_READS
    assert work <= MOST_TRANSACTIONS


@pytest.mark.parametrize("error_met", TROUBLES, ids=lambda error_met: error_met.name)
def test_it_is_told_and_mends_itself(
    town: Town, error_met: Trouble, role: Callable[[str], tuple[str, Callable[[str], str]]]
) -> None:
    """It says what is wrong, stays calm, writes nothing wrong, and goes on when the cause is gone, without a restart."""
    daemon_role, as_daemon = role("daemon")
    migrate(town.shop.url, daemon_role=daemon_role, auditor_role=None)
    town.execute(f"GRANT SELECT, UPDATE ON payments TO {daemon_role}")

    town.configure(due="1s", lease="2s")
    town.window_was_read()
    give_key(town)
    town.execute(f"ALTER ROLE {daemon_role} RENAME TO daemon")
    try:
        daemon = town.start(
            STRIPE_API_KEY=SECRET,
            DATABASE_URL=as_daemon(town.shop.url).replace(daemon_role, "daemon"),
        )
        town.pay(1)
        daemon.event("pass.finished", job="due", complete=True, corrected=1)
        error_met.spoil(town)
        daemon.line(lambda line: '"warning"' in line and error_met.said in line)
        is_calm(town, daemon)
        code, out, _ = town.run("status", "--format", "nagios")
        assert code in error_met.levels, out
        assert error_met.seen in out
        assert daemon.process.poll() is None
        error_met.hint(town)
        town.pay(1)
        while town.statuses().keys() != {"paid"}:
            daemon.event("pass.finished", job="due", complete=True)
        # what was wrong before the sweep is taken back after it
        daemon.event("pass.finished", job="due", complete=True)
        daemon.event("pass.finished", job="due", complete=True)
        assert town.ask("SELECT error, needs_person FROM reconciler.services") == [(None, False)]
        assert town.ask("SELECT count(*) FROM reconciler.outbox") == [(town.statuses()["paid"],)]
        assert town.run("verify")[0] == 0
        assert daemon.end() == 0
    finally:
        town.execute(f"ALTER ROLE daemon RENAME TO {daemon_role}")


def test_one_that_was_stopped_beyond_its_lease_comes_back_as_nobody(town: Town) -> None:
    """SIGSTOP in mid-pass until another has taken over: continued, it writes and reads nothing more, says so and stands
    by; and it is there when the other goes."""
    town.configure(speed=10, lease="2s", due="1s")
    town.window_was_read()
    first = town.start()
    first.event("lease.taken")
    second = town.start()
    second.event("service.ready")
    town.pay(2000)
    first.event("page.examined", job="due")
    first.send(signal.SIGSTOP)
    second.event("lease.taken")
    second.event("pass.finished", job="due", complete=True)
    second.event("pass.finished", job="due", complete=True)
    assert town.statuses() == {"paid": 2000}
    written = town.ask("SELECT count(*) FROM reconciler.ledger")
    reads = town.stripe.requests.count("GET /v1/payment_intents")
    first.send(signal.SIGCONT)
    first.event("lease.lost")
    assert town.ask("SELECT count(*) FROM reconciler.ledger") == written
    # what was on its way when it was stopped, and nothing after
    assert town.stripe.requests.count("GET /v1/payment_intents") - reads <= 3
    holder = town.ask("SELECT split_part(holder, ':', 2)::int FROM reconciler.leases")
    assert holder == [(second.process.pid,)]
    assert town.ask("SELECT count(*), count(DISTINCT payment_key) FROM reconciler.outbox") == [
        (2000, 2000)
    ]
    is_calm(town, first)
    assert second.end() == 0
    first.event("lease.taken")
    first.event("pass.finished", job="due", complete=True)
    assert town.run("verify")[0] == 0
    assert first.end() == 0


class SetClock(SystemClock):
    """The machine's clock, which somebody sets; the scheduler reads it too."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.by = timedelta(0)
        ours = self

        class Wall(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Any:
                return datetime.now(tz) + ours.by

        for module in (schedulers, executors):
            monkeypatch.setattr(module, "datetime", Wall)

    def now(self) -> Any:
        return super().now() + self.by


@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(hours=1)], ids=["back", "on"])
def test_a_clock_that_is_set_changes_nothing(
    town: Town, step: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour either way: the lease stays, sweeps keep their pace, and payments that are lost then are found as before."""
    town.configure(due="1s", lease="2s")
    town.window_was_read()
    clock = SetClock(monkeypatch)
    settings = load(town.config, town.environ)
    service = Service(settings, "here:1:a", clock, Pulse(clock, 60.0), Metrics())
    service.start()
    never = threading.Event()

    def comes_true(query: str) -> None:
        until = clock.monotonic() + 30
        while town.ask(query) != [(True,)]:
            assert clock.monotonic() < until, query
            assert service.died is None
            service.follow_clock()
            clock.wait(never, 0.1)

    try:
        town.pay(1)
        comes_true("SELECT bool_and(status = 'paid') FROM payments")
        epoch = town.ask("SELECT epoch FROM reconciler.leases")
        before = town.ask("SELECT max(id) FROM reconciler.sweeps WHERE kind = 'due' AND complete")
        clock.by = step
        town.pay(1)
        comes_true("SELECT bool_and(status = 'paid') FROM payments")
        comes_true(
            f"SELECT max(id) > {before[0][0]} + 3 FROM reconciler.sweeps WHERE kind = 'due' AND complete"
        )
        began = town.ask("SELECT count(*) FROM reconciler.sweeps")[0][0]
        clock.wait(never, 3.0)
        assert town.ask("SELECT count(*) FROM reconciler.sweeps")[0][0] - began <= 6
        assert town.ask("SELECT epoch FROM reconciler.leases") == epoch
        assert service.errors_met() == {}
    finally:
        assert service.stop(lambda: None, 30.0, leaves=True)
    (found,) = json.loads(town.run("status", "--json")[1])
    assert found["tail_lag_seconds"] < 60
    assert found["error"] is None
