"""``run``: the service from its start to its end."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable

import psycopg
import pytest

from reconciler.clock import SystemClock
from reconciler.sandbox import ACCOUNT, LIVE_KEY, RequestFault
from tests.acceptance.service.conftest import Town

Manager = tuple[str, Callable[[str], None]]


def test_it_finds_and_repairs_lost_webhooks_by_itself(town: Town) -> None:
    """Nobody asks: the payments whose webhooks were lost are right soon after the start, in the service's name."""
    town.pay(3)
    daemon = town.start()
    daemon.event("pass.finished", job="due", complete=True)
    assert town.statuses() == {"paid": 3}
    assert town.ask(
        "SELECT DISTINCT body ->> 'asked_by' FROM reconciler.ledger WHERE action = 'correction'"
    ) == [("service",)]
    assert daemon.end() == 0
    assert town.ask("SELECT holder FROM reconciler.leases") == [(None,)]
    assert town.run("verify")[0] == 0


def test_in_report_mode_it_touches_no_row(town: Town) -> None:
    """The mode "report" records findings alone."""
    town.configure(mode="report")
    town.pay(1)
    daemon = town.start()
    daemon.event("pass.finished", job="due", complete=True, applied=False)
    assert town.statuses() == {"pending": 1}
    assert town.ask("SELECT kind, reason FROM reconciler.discrepancies") == [
        ("missed_outcome", "report_mode")
    ]
    assert daemon.end(signal.SIGINT) == 0


def test_it_tells_its_manager(town: Town, manager: Manager) -> None:
    """systemd hears READY within seconds, what it does, the watchdog's food, and that it stops."""
    address, wait_for = manager
    clock = SystemClock()
    began = clock.monotonic()
    daemon = town.start(NOTIFY_SOCKET=address, WATCHDOG_USEC="900000")
    wait_for("READY=1")
    assert clock.monotonic() - began < 5
    wait_for("STATUS=holds default")
    wait_for("WATCHDOG=1")
    daemon.send(signal.SIGHUP)
    wait_for("RELOADING=1\nMONOTONIC_USEC=")
    wait_for("READY=1")
    daemon.send(signal.SIGTERM)
    wait_for("STOPPING=1")
    assert daemon.ended() == 0


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"STRIPE_API_KEY": "pk_test_abc"}, "publishable"),
        ({"STRIPE_API_KEY": LIVE_KEY}, "live"),
        ({"RECONCILER_PAYMENTS__TABLE": "public.nothing"}, "nothing"),
        ({"RECONCILER_SERVICE__LISTEN": "127.0.0.1:70000"}, "service.listen"),
        ({"RECONCILER_SERVICE__DUE": "soon"}, "service.due"),
    ],
)
def test_a_configuration_that_cannot_work_ends_it(
    town: Town, environ: dict[str, str], said: str
) -> None:
    """What only a person can mend ends it with 78, which systemd does not restart."""
    daemon = town.start(**environ)
    assert daemon.ended() == 78
    assert said in "".join(daemon.lines)


def test_pending_migrations_end_it(town: Town) -> None:
    """Without our tables there is nothing to work with."""
    town.execute("DROP SCHEMA reconciler CASCADE")
    daemon = town.start()
    assert daemon.ended() == 78
    assert "migrate" in "".join(daemon.lines)


def test_an_outage_at_the_start_is_waited_out(town: Town, manager: Manager) -> None:
    """A database that is not there yet is no reason to end: it is up, says what it waits for, and is not ready."""
    address, wait_for = manager
    daemon = town.start(
        NOTIFY_SOCKET=address, DATABASE_URL="postgresql://127.0.0.1:9/shop?connect_timeout=2"
    )
    port = daemon.event("metrics.listening")["port"]
    wait_for("READY=1")
    wait_for("STATUS=waiting")
    assert town.get(port, "/readyz")[0] == 503
    assert town.get(port, "/healthz")[0] == 200
    assert daemon.end() == 0


def test_a_stop_in_the_middle_keeps_what_was_recorded(town: Town) -> None:
    """SIGTERM in the middle of a sweep: exit 0 within seconds, whole pages in the ledger, nothing half."""
    town.configure(speed=60)
    town.pay(400)
    town.window_was_read()
    daemon = town.start()
    daemon.event("page.examined", job="due")
    clock = SystemClock()
    began = clock.monotonic()
    assert daemon.end() == 0
    assert clock.monotonic() - began < 15
    corrected = town.statuses().get("paid", 0)
    assert corrected < 400
    assert town.ask("SELECT count(*) FROM reconciler.outbox") == [(corrected,)]
    assert town.ask("SELECT bool_and(finished_at IS NOT NULL) FROM reconciler.sweeps") == [(True,)]
    assert town.run("verify")[0] == 0


def test_a_stop_finishes_the_page_that_is_being_read(town: Town) -> None:
    """SIGTERM while a read is on its way: what that page shows is recorded, then exit 0, within seconds."""
    town.configure(due="1s")
    town.window_was_read()
    daemon = town.start()
    daemon.event("pass.finished", job="due", complete=True)
    retrieve = "GET /v1/payment_intents/{id}"
    town.stripe.faults.script(RequestFault.SLOW, endpoint=retrieve, seconds=3)
    town.pay(2)
    clock = SystemClock()
    until = clock.monotonic() + 20
    while town.stripe.faults.scripted and clock.monotonic() < until:
        clock.wait(threading.Event(), 0.02)
    assert not town.stripe.faults.scripted
    began = clock.monotonic()
    assert daemon.end() == 0
    assert clock.monotonic() - began < 10
    assert town.statuses() == {"paid": 2}
    assert town.ask("SELECT count(*) FROM reconciler.outbox") == [(2,)]
    assert town.ask("SELECT bool_and(finished_at IS NOT NULL) FROM reconciler.sweeps") == [(True,)]
    assert town.run("verify")[0] == 0


def test_a_reload_takes_what_is_right_and_keeps_what_is_not(town: Town) -> None:
    """SIGHUP: a broken file is complained about and changes nothing; a right one is taken, without a restart."""
    town.configure(mode="report")
    town.pay(1)
    daemon = town.start()
    daemon.event("pass.finished", job="due")
    right = town.config.read_text()
    town.config.write_text(right.replace("grace", "grease"))
    daemon.send(signal.SIGHUP)
    assert "grease" in daemon.event("configuration.kept")["why"]
    town.config.write_text(right.replace("public.payments", "public.gone"))
    daemon.send(signal.SIGHUP)
    assert "public.gone" in daemon.event("configuration.kept")["why"]
    assert town.statuses() == {"pending": 1}
    town.configure(mode="update")
    daemon.send(signal.SIGHUP)
    daemon.event("configuration.reloaded")
    # what was only reported has a check now, which is the business of whichever sweep comes first
    daemon.event("pass.finished", applied=True, corrected=1)
    assert town.statuses() == {"paid": 1}
    assert daemon.end() == 0


def test_a_killed_one_is_replaced(town: Town) -> None:
    """kill -9 in the middle: a second replica's first page comes within two lease times, and all ends right."""
    town.configure(speed=4, lease="3s", due="1s")
    town.window_was_read()
    first = town.start()
    first.event("lease.taken")
    second = town.start()
    second.event("service.ready")
    town.pay(1500)
    first.event("page.examined", job="due")
    clock = SystemClock()
    began = clock.monotonic()
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    second.event("lease.taken")
    second.event("page.examined", seconds=6)
    assert clock.monotonic() - began < 6
    second.event("pass.finished", job="due", complete=True)
    assert town.statuses() == {"paid": 1500}
    assert town.ask("SELECT count(*), count(DISTINCT payment_key) FROM reconciler.outbox") == [
        (1500, 1500)
    ]
    assert town.run("verify")[0] == 0
    assert second.end() == 0


def test_a_stuck_page_is_told_with_every_stack(town: Town, manager: Manager) -> None:
    """A database that answers no more: the watchdog is not fed, the stacks are in the log, and it goes on later."""
    town.configure(stall="2s", speed=40, lease="60s")
    town.pay(200)
    town.window_was_read()
    address, _ = manager
    daemon = town.start(NOTIFY_SOCKET=address, WATCHDOG_USEC="600000")
    daemon.event("page.examined", job="due")
    stopped = [
        pid
        for (pid,) in town.ask(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'reconciler'"
        )
    ]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        daemon.event("pass.stuck")
        daemon.line(lambda line: line.startswith("Thread 0x"))
        daemon.line(lambda line: "most recent call first" in line)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    daemon.event("pass.finished", job="due")
    assert daemon.end() == 0


def test_a_lost_connection_is_no_end(town: Town) -> None:
    """The database cuts every connection: the service goes on by itself."""
    town.configure(due="1s")
    town.window_was_read()
    daemon = town.start()
    daemon.event("pass.finished", job="due")
    town.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'reconciler' AND datname = current_database()"
    )
    town.pay(1)
    daemon.event("pass.finished", job="due", complete=True, corrected=1)
    assert town.statuses() == {"paid": 1}
    assert daemon.end() == 0


def test_a_missing_privilege_is_told_and_mends_itself(town: Town) -> None:
    """A table that is taken away ends in the status and in the log; when it is back, the work goes on."""
    town.configure(due="1s")
    town.window_was_read()
    daemon = town.start()
    daemon.event("pass.finished", job="due")
    town.execute("ALTER TABLE payments RENAME TO elsewhere")
    daemon.event("pass.finished", job="due", complete=False)
    daemon.event("pass.failed", job="due")
    town.execute("ALTER TABLE elsewhere RENAME TO payments")
    town.pay(1)
    daemon.event("pass.finished", job="due", complete=True, corrected=1)
    assert daemon.end() == 0


def test_what_it_shows(town: Town) -> None:
    """/metrics, /healthz and /readyz answer on one port; nothing else does."""
    town.pay(2)
    daemon = town.start()
    port = daemon.event("metrics.listening")["port"]
    daemon.event("pass.finished", job="due", complete=True)
    code, text = town.get(port, "/metrics")
    assert code == 200
    assert 'reconciler_corrections_total{account="default"' in text
    assert 'reconciler_reads_total{account="default",endpoint="retrieve",result="answered"}' in text
    assert 'reconciler_lease_held{account="default"} 1.0' in text
    code, text = town.get(port, "/healthz")
    assert (code, json.loads(text)["holds"]) == (200, ["default"])
    assert town.get(port, "/readyz")[0] == 200
    assert town.get(port, "/")[0] == 404
    assert daemon.end() == 0


def test_a_read_only_database_is_waited_out(town: Town) -> None:
    """A failover to a standby: nothing is written, no hot loop, and the work goes on when it can be written to again."""
    town.configure(due="1s", lease="2s")
    daemon = town.start()
    daemon.event("pass.finished", job="due")
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'reconciler' AND datname = current_database()"
    )
    name = town.ask("SELECT current_database()")[0][0]
    town.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    town.execute(cut)
    daemon.event("account.failed")
    daemon.event("account.failed")
    with psycopg.connect(
        town.shop.url, autocommit=True, options="-c default_transaction_read_only=off"
    ) as connection:
        connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    daemon.event("lease.taken")
    daemon.event("pass.finished", job="due", complete=True)
    assert daemon.end() == 0


def test_a_revoked_key_is_told_and_mends_itself(town: Town) -> None:
    """A key revoked while it runs: no hot loop, no write, a person is asked for; a new key needs a restart alone."""
    town.configure(due="1s")
    secret = "rk_test_revocable00001"
    needed = ["payment_intent_read", "charge_read", "event_read", "dispute_read"]
    town.stripe.add_key(secret, account=ACCOUNT, permissions=needed)
    daemon = town.start(STRIPE_API_KEY=secret)
    daemon.event("pass.finished", job="due", complete=True)
    town.stripe.revoke_key(secret)
    town.pay(1)
    daemon.event("pass.finished", job="due", complete=False)
    daemon.event("pass.finished", job="due", complete=False)
    assert town.ask("SELECT needs_person FROM reconciler.services") == [(True,)]
    assert town.run("status", "--format", "nagios")[0] == 2
    assert town.statuses() == {"pending": 1}
    assert daemon.end() == 0
    again = town.start()
    again.event("pass.finished", job="due", complete=True)
    assert town.statuses() == {"paid": 1}
    assert again.end() == 0
