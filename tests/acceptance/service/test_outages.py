"""Outages: if anything is taken away, the service says so, does not busy-loop, writes nothing wrong, and recovers."""

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
from reconciler.entrypoints.service.process_metrics import Metrics
from reconciler.entrypoints.service.service import Service
from reconciler.sandbox import ACCOUNT
from reconciler.settings import load
from tests.acceptance.service.conftest import Daemon, ServiceInstallation

SECRET = "rk_test_revocable00001"
NEEDED = ("payment_intent_read", "charge_read", "event_read", "dispute_read")
MEASURED_SECONDS = 4.0
MOST_LINES = 8
"""Lines of the log per second: a sweep a second writes one or two, and a failed one as many again."""
MOST_READS = 8
MOST_TRANSACTIONS = 60
"""Per second; a healthy service with a due sweep a second makes about twenty."""


@dataclass(frozen=True)
class Outage:
    """What goes wrong and how it ends. ``logged`` is in a warning of the log, ``shown`` in the output of ``status``."""

    name: str
    begin: Callable[[ServiceInstallation], None]
    end: Callable[[ServiceInstallation], None]
    logged: str
    shown: str
    levels: tuple[int, ...] = (2,)
    """The possible exit codes of ``status --format nagios``; 0 if the outage stops no work."""


def sql(*queries: str) -> Callable[[ServiceInstallation], None]:
    def run(installation: ServiceInstallation) -> None:
        with psycopg.connect(
            installation.shop.url, autocommit=True, options="-c default_transaction_read_only=off"
        ) as connection:
            for query in queries:
                connection.execute(query.replace("THIS", connection.info.dbname))  # type: ignore[call-overload]

    return run


def revoke_key(installation: ServiceInstallation) -> None:
    installation.stripe.revoke_key(SECRET)
    # only a read shows that the key is revoked
    installation.add_payments(1)


def add_key(installation: ServiceInstallation) -> None:
    installation.stripe.add_key(SECRET, account=ACCOUNT, permissions=list(NEEDED))


END_CONNECTIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'reconciler' AND datname = current_database()"
)
OUTAGES = (
    Outage(
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
    Outage(
        "the privilege to read is revoked",
        sql("REVOKE SELECT ON payments FROM daemon"),
        sql("GRANT SELECT ON payments TO daemon"),
        "payments",
        "payments",
    ),
    Outage(
        "a table of Reconciler's is dropped",
        sql("ALTER TABLE reconciler.rechecks RENAME TO gone"),
        sql("ALTER TABLE reconciler.gone RENAME TO rechecks"),
        "reconciler",
        "reconciler",
    ),
    Outage(
        "the leases are dropped",
        sql("ALTER TABLE reconciler.leases RENAME TO gone"),
        sql("ALTER TABLE reconciler.gone RENAME TO leases"),
        "leases",
        "leases",
        (3,),
    ),
    Outage(
        "the replicas are dropped",
        sql("ALTER TABLE reconciler.replicas RENAME TO gone"),
        sql("ALTER TABLE reconciler.gone RENAME TO replicas"),
        "replicas",
        "",
        (0,),
    ),
    Outage(
        "the lease has expired",
        sql("UPDATE reconciler.leases SET expires_at = now() - interval '1 hour'"),
        sql("SELECT 1"),
        "lease.lost",
        "",
        (0,),
    ),
    Outage(
        "the database is read-only",
        sql("ALTER DATABASE THIS SET default_transaction_read_only = on", END_CONNECTIONS),
        sql("ALTER DATABASE THIS RESET default_transaction_read_only", END_CONNECTIONS),
        "read-only",
        "no service works on the account",
        (1,),
    ),
    Outage("the key is revoked", revoke_key, add_key, "key", "key"),
)


def transactions(installation: ServiceInstallation) -> int:
    return int(
        installation.query(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        )[0][0]
    )


def assert_calm(installation: ServiceInstallation, daemon: Daemon) -> None:
    """For some seconds the service writes few lines to its log, sends few reads and makes few transactions."""
    before = (daemon.unread_lines, installation.stripe.requests.reads, transactions(installation))
    SystemClock().wait(daemon.finished, MEASURED_SECONDS)
    after = (daemon.unread_lines, installation.stripe.requests.reads, transactions(installation))
    lines, reads, transactions_made = (
        (late - early) / MEASURED_SECONDS for early, late in zip(before, after, strict=True)
    )
    assert lines <= MOST_LINES
    assert reads <= MOST_READS
    assert transactions_made <= MOST_TRANSACTIONS


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: outage.name)
def test_the_service_recovers_from_an_outage(
    installation: ServiceInstallation,
    outage: Outage,
    role: Callable[[str], tuple[str, Callable[[str], str]]],
) -> None:
    """It says what is wrong, does not busy-loop, writes nothing wrong, and goes on without a restart when it is over."""
    daemon_role, as_daemon = role("daemon")
    migrate(installation.shop.url, daemon_role=daemon_role, auditor_role=None)
    installation.execute(f"GRANT SELECT, UPDATE ON payments TO {daemon_role}")

    installation.configure_service(due="1s", lease="2s")
    installation.note_window_sweep()
    add_key(installation)
    installation.execute(f"ALTER ROLE {daemon_role} RENAME TO daemon")
    try:
        daemon = installation.start(
            STRIPE_API_KEY=SECRET,
            DATABASE_URL=as_daemon(installation.shop.url).replace(daemon_role, "daemon"),
        )
        installation.add_payments(1)
        daemon.wait_for("sweep.finished", job="due", complete=True, corrected=1)
        outage.begin(installation)
        daemon.wait_for_line(lambda line: '"warning"' in line and outage.logged in line)
        assert_calm(installation, daemon)
        code, out, _ = installation.run("status", "--format", "nagios")
        assert code in outage.levels, out
        assert outage.shown in out
        assert daemon.process.poll() is None

        outage.end(installation)
        installation.add_payments(1)
        while installation.count_by_status().keys() != {"paid"}:
            daemon.wait_for("sweep.finished", job="due", complete=True)
        # a sweep that succeeds removes the error when it ends: two more make sure that one began after the outage
        daemon.wait_for("sweep.finished", job="due", complete=True)
        daemon.wait_for("sweep.finished", job="due", complete=True)
        assert installation.query("SELECT error, needs_person FROM reconciler.services") == [
            (None, False)
        ]
        assert installation.query("SELECT count(*) FROM reconciler.outbox") == [
            (installation.count_by_status()["paid"],)
        ]
        assert installation.run("verify")[0] == 0
        assert daemon.end() == 0
    finally:
        # the database may still be read-only if the test failed
        sql(f"ALTER ROLE daemon RENAME TO {daemon_role}")(installation)


def test_a_replica_stopped_beyond_its_lease_stands_by(installation: ServiceInstallation) -> None:
    """SIGSTOP in the middle of a sweep until another replica has taken over: continued, it writes and reads nothing more,
    says so and stands by; when the other ends, it takes the account again."""
    installation.configure_service(requests_per_second=10, lease="2s", due="1s")
    installation.note_window_sweep()
    first = installation.start()
    first.wait_for("lease.taken")
    second = installation.start()
    second.wait_for("service.ready")
    installation.add_payments(2000)
    first.wait_for("page.examined", job="due")
    first.send(signal.SIGSTOP)
    second.wait_for("lease.taken")
    second.wait_for("sweep.finished", job="due", complete=True)
    second.wait_for("sweep.finished", job="due", complete=True)
    assert installation.count_by_status() == {"paid": 2000}

    written = installation.query("SELECT count(*) FROM reconciler.ledger")
    reads = installation.stripe.requests.count("GET /v1/payment_intents")
    first.send(signal.SIGCONT)
    first.wait_for("lease.lost")
    assert installation.query("SELECT count(*) FROM reconciler.ledger") == written
    # the reads that were on their way when it was stopped, and none after
    assert installation.stripe.requests.count("GET /v1/payment_intents") - reads <= 3

    holder = installation.query("SELECT split_part(holder, ':', 2)::int FROM reconciler.leases")
    assert holder == [(second.process.pid,)]
    assert installation.query(
        "SELECT count(*), count(DISTINCT payment_key) FROM reconciler.outbox"
    ) == [(2000, 2000)]

    assert_calm(installation, first)
    assert second.end() == 0

    first.wait_for("lease.taken")
    first.wait_for("sweep.finished", job="due", complete=True)
    assert installation.run("verify")[0] == 0
    assert first.end() == 0


class AdjustableClock(SystemClock):
    """The machine's clock, which a test can set; APScheduler reads it, too."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.offset = timedelta(0)
        adjustable = self

        class Wall(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Any:
                return datetime.now(tz) + adjustable.offset

        for module in (schedulers, executors):
            monkeypatch.setattr(module, "datetime", Wall)

    def now(self) -> Any:
        return super().now() + self.offset


@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(hours=1)], ids=["back", "on"])
def test_a_clock_that_is_set_changes_nothing(
    installation: ServiceInstallation, step: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set by an hour either way: the lease stays, sweeps keep their intervals, and payments lost afterwards are found."""
    installation.configure_service(due="1s", lease="2s")
    installation.note_window_sweep()
    clock = AdjustableClock(monkeypatch)
    settings = load(installation.config, installation.environ)
    service = Service(settings, "here:1:a", clock, Pulse(clock, 60.0), Metrics())
    service.start()
    never = threading.Event()

    def wait_until(query: str) -> None:
        until = clock.monotonic() + 30
        while installation.query(query) != [(True,)]:
            assert clock.monotonic() < until, query
            assert service.dead_thread is None
            service.follow_clock()
            clock.wait(never, 0.1)

    try:
        installation.add_payments(1)
        wait_until("SELECT bool_and(status = 'paid') FROM payments")
        epoch = installation.query("SELECT epoch FROM reconciler.leases")
        before = installation.query(
            "SELECT max(id) FROM reconciler.sweeps WHERE kind = 'due' AND complete"
        )
        clock.offset = step
        installation.add_payments(1)
        wait_until("SELECT bool_and(status = 'paid') FROM payments")
        wait_until(
            f"SELECT max(id) > {before[0][0]} + 3 FROM reconciler.sweeps WHERE kind = 'due' AND complete"
        )
        began = installation.query("SELECT count(*) FROM reconciler.sweeps")[0][0]
        clock.wait(never, 3.0)
        assert installation.query("SELECT count(*) FROM reconciler.sweeps")[0][0] - began <= 6
        assert installation.query("SELECT epoch FROM reconciler.leases") == epoch
        assert service.errors() == {}
    finally:
        assert service.stop(lambda: False, leaves=True)
    (found,) = json.loads(installation.run("status", "--json")[1])
    assert found["tail_lag_seconds"] < 60
    assert found["error"] is None
