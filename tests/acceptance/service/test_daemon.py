"""``reconciler run``: the service from its start to its end."""

from __future__ import annotations

import json
import os
import signal
import threading

import psycopg
import pytest

from reconciler.clock import SystemClock
from reconciler.sandbox import ACCOUNT, LIVE_KEY, RequestFault
from tests.acceptance.service.conftest import ServiceInstallation, ServiceManager

HTTPS = {"RECONCILER_STRIPE__API_BASE": "https://127.0.0.1:9"}
DELIVERY = {
    "RECONCILER_DELIVERY__URL": "https://shop.example/reconciler",
    "RECONCILER_SIGNING_SECRET": "whsec_" + "0123456789abcdef" * 4,
}


def test_it_corrects_payments_with_lost_webhooks(installation: ServiceInstallation) -> None:
    """Soon after the start the payments whose webhooks were lost are corrected, in the service's name."""
    installation.add_payments(3)
    daemon = installation.start()
    daemon.wait_for("sweep.finished", job="due", complete=True)
    assert installation.count_by_status() == {"paid": 3}
    assert installation.query(
        "SELECT DISTINCT body ->> 'asked_by' FROM reconciler.ledger WHERE action = 'correction'"
    ) == [("service",)]
    assert daemon.end() == 0
    assert installation.query("SELECT holder FROM reconciler.leases") == [(None,)]
    assert installation.run("verify")[0] == 0


def test_in_report_mode_it_changes_no_row(installation: ServiceInstallation) -> None:
    """The mode "report" only records discrepancies."""
    installation.configure_service(mode="report")
    installation.add_payments(1)
    daemon = installation.start()
    daemon.wait_for("sweep.finished", job="due", complete=True, applied=False)
    assert installation.count_by_status() == {"pending": 1}
    assert installation.query("SELECT kind, reason FROM reconciler.discrepancies") == [
        ("missed_outcome", "report_mode")
    ]
    assert daemon.end(signal.SIGINT) == 0


def test_it_reports_to_systemd(installation: ServiceInstallation, manager: ServiceManager) -> None:
    """It sends READY within seconds, its status, the watchdog messages, a reload, and that it stops."""
    address, wait_for = manager
    clock = SystemClock()
    began = clock.monotonic()
    daemon = installation.start(NOTIFY_SOCKET=address, WATCHDOG_USEC="900000")
    wait_for("READY=1")
    assert clock.monotonic() - began < 5

    wait_for("STATUS=holds default")
    wait_for("WATCHDOG=1")
    daemon.send(signal.SIGHUP)
    wait_for("RELOADING=1\nMONOTONIC_USEC=")
    wait_for("READY=1")
    daemon.send(signal.SIGTERM)
    wait_for("STOPPING=1")
    assert daemon.wait() == 0


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"STRIPE_API_KEY": "pk_test_abc"}, "publishable"),
        ({"STRIPE_API_KEY": LIVE_KEY}, "live"),
        ({"RECONCILER_PAYMENTS__TABLE": "public.nothing"}, "nothing"),
        ({"RECONCILER_SERVICE__LISTEN": "127.0.0.1:70000"}, "service.listen"),
        ({"RECONCILER_SERVICE__DUE": "soon"}, "service.due"),
        ({"SSL_CERT_FILE": "/nowhere.pem", **HTTPS}, "SSL_CERT_FILE"),
        ({"SSL_CERT_FILE": __file__, **HTTPS}, "SSL_CERT_FILE"),
        ({"SSL_CERT_FILE": "/nowhere.pem", **DELIVERY}, "SSL_CERT_FILE"),
    ],
)
def test_a_faulty_configuration_ends_it(
    installation: ServiceInstallation, environ: dict[str, str], named: str
) -> None:
    """A fault that only a person can correct ends it with 78, after which systemd does not restart it."""
    daemon = installation.start(**environ)
    assert daemon.wait() == 78
    shown = [line for line in daemon.lines if not line.startswith("{")]
    assert named in "".join(shown)
    assert any(line.startswith("hint: ") for line in shown)


def test_the_log_for_eyes(installation: ServiceInstallation) -> None:
    """``--log-format text`` writes readable lines without colours, also where no terminal is."""
    installation.execute("DROP SCHEMA reconciler CASCADE")
    command = installation.start_command("run", "--log-format", "text")
    _, err = command.communicate(timeout=40)
    assert command.returncode == 78
    (line,) = [line for line in err.splitlines() if "service.starting" in line]
    assert not line.startswith("{")
    assert "\x1b" not in err


def test_pending_migrations_end_it(installation: ServiceInstallation) -> None:
    """Without Reconciler's tables the service ends with 78 and names the command migrate."""
    installation.execute("DROP SCHEMA reconciler CASCADE")
    daemon = installation.start()
    assert daemon.wait() == 78
    assert "migrate" in "".join(daemon.lines)


def test_an_outage_at_the_start_is_waited_out(
    installation: ServiceInstallation, manager: ServiceManager
) -> None:
    """If the database is unavailable at the start, the service stays up, says what it waits for, and is not ready."""
    address, wait_for = manager
    daemon = installation.start(
        NOTIFY_SOCKET=address, DATABASE_URL="postgresql://127.0.0.1:9/shop?connect_timeout=2"
    )
    port = daemon.wait_for("metrics.listening")["port"]
    wait_for("READY=1")
    wait_for("STATUS=waiting")
    assert installation.get(port, "/readyz")[0] == 503
    assert installation.get(port, "/healthz")[0] == 200
    assert daemon.end() == 0


def test_a_stop_in_the_middle_keeps_what_was_recorded(installation: ServiceInstallation) -> None:
    """After SIGTERM in the middle of a sweep it ends with 0 within seconds, and every page in the ledger is whole."""
    installation.configure_service(requests_per_second=60)
    installation.add_payments(400)
    installation.note_window_sweep()
    daemon = installation.start()
    daemon.wait_for("page.examined", job="due")
    clock = SystemClock()
    began = clock.monotonic()
    assert daemon.end() == 0
    assert clock.monotonic() - began < 5

    corrected = installation.count_by_status().get("paid", 0)
    assert corrected < 400
    assert installation.query("SELECT count(*) FROM reconciler.outbox") == [(corrected,)]
    assert installation.query(
        "SELECT bool_and(finished_at IS NOT NULL) FROM reconciler.sweeps"
    ) == [(True,)]
    assert installation.run("verify")[0] == 0


def test_a_stop_finishes_the_page_that_is_being_read(installation: ServiceInstallation) -> None:
    """After SIGTERM during a read the page is still recorded; then it ends with 0 within seconds."""
    installation.configure_service(due="1s")
    installation.note_window_sweep()
    daemon = installation.start()
    daemon.wait_for("sweep.finished", job="due", complete=True)
    retrieve = "GET /v1/payment_intents/{id}"
    installation.stripe.faults.script(RequestFault.SLOW, endpoint=retrieve, seconds=1)
    installation.add_payments(2)
    clock = SystemClock()
    until = clock.monotonic() + 20
    while installation.stripe.faults.scripted and clock.monotonic() < until:
        clock.wait(threading.Event(), 0.02)
    assert not installation.stripe.faults.scripted

    began = clock.monotonic()
    assert daemon.end() == 0
    assert clock.monotonic() - began < 5
    assert installation.count_by_status() == {"paid": 2}
    assert installation.query("SELECT count(*) FROM reconciler.outbox") == [(2,)]
    assert installation.query(
        "SELECT bool_and(finished_at IS NOT NULL) FROM reconciler.sweeps"
    ) == [(True,)]
    assert installation.run("verify")[0] == 0


def test_a_reload_takes_only_a_valid_configuration(installation: ServiceInstallation) -> None:
    """After SIGHUP a broken file is named in the log and changes nothing; a valid one is used, without a restart."""
    installation.configure_service(mode="report")
    installation.add_payments(1)
    daemon = installation.start()
    daemon.wait_for("sweep.finished", job="due")
    valid = installation.config.read_text()
    installation.config.write_text(valid.replace("grace", "grease"))
    daemon.send(signal.SIGHUP)
    assert "grease" in daemon.wait_for("configuration.kept")["why"]

    installation.config.write_text(valid.replace("public.payments", "public.gone"))
    daemon.send(signal.SIGHUP)
    assert "public.gone" in daemon.wait_for("configuration.kept")["why"]
    assert installation.count_by_status() == {"pending": 1}

    installation.configure_service(mode="update")
    daemon.send(signal.SIGHUP)
    daemon.wait_for("configuration.reloaded")
    # the reported payment has a recheck now: the first sweep of any kind corrects it
    daemon.wait_for("sweep.finished", applied=True, corrected=1)
    assert installation.count_by_status() == {"paid": 1}
    assert daemon.end() == 0


def test_a_killed_replica_is_replaced(installation: ServiceInstallation) -> None:
    """After kill -9 in the middle of a sweep the second replica's first page comes within two lease times, and every
    row is right in the end."""
    installation.configure_service(requests_per_second=4, lease="3s", due="1s")
    installation.note_window_sweep()
    first = installation.start()
    first.wait_for("lease.taken")
    second = installation.start()
    second.wait_for("service.ready")
    installation.add_payments(1500)
    first.wait_for("page.examined", job="due")
    clock = SystemClock()
    began = clock.monotonic()
    assert first.end(signal.SIGKILL) == -signal.SIGKILL

    second.wait_for("lease.taken")
    second.wait_for("page.examined", seconds=6)
    assert clock.monotonic() - began < 6

    second.wait_for("sweep.finished", job="due", complete=True)
    assert installation.count_by_status() == {"paid": 1500}
    assert installation.query(
        "SELECT count(*), count(DISTINCT payment_key) FROM reconciler.outbox"
    ) == [(1500, 1500)]
    assert installation.run("verify")[0] == 0
    assert second.end() == 0


def test_a_stuck_page_is_logged_with_every_stack(
    installation: ServiceInstallation, manager: ServiceManager
) -> None:
    """If the database does not answer any more, the watchdog is not fed and every stack is logged; it goes on afterwards."""
    installation.configure_service(stall="2s", requests_per_second=40, lease="60s")
    installation.add_payments(200)
    installation.note_window_sweep()
    address, _ = manager
    daemon = installation.start(NOTIFY_SOCKET=address, WATCHDOG_USEC="600000")
    daemon.wait_for("page.examined", job="due")
    backends = [
        pid
        for (pid,) in installation.query(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'reconciler'"
        )
    ]
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    try:
        daemon.wait_for("sweep.stuck")
        daemon.wait_for_line(lambda line: line.startswith("Thread 0x"))
        daemon.wait_for_line(lambda line: "most recent call first" in line)
    finally:
        for pid in backends:
            os.kill(pid, signal.SIGCONT)
    daemon.wait_for("sweep.finished", job="due")
    assert daemon.end() == 0


def test_it_survives_lost_connections(installation: ServiceInstallation) -> None:
    """The database ends every connection: the service opens new ones and goes on."""
    installation.configure_service(due="1s")
    installation.note_window_sweep()
    daemon = installation.start()
    daemon.wait_for("sweep.finished", job="due")
    installation.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'reconciler' AND datname = current_database()"
    )
    installation.add_payments(1)
    daemon.wait_for("sweep.finished", job="due", complete=True, corrected=1)
    assert installation.count_by_status() == {"paid": 1}
    assert daemon.end() == 0


def test_it_recovers_from_a_missing_table(installation: ServiceInstallation) -> None:
    """A missing table is in the status and in the log; when it is back, the work goes on."""
    installation.configure_service(due="1s")
    installation.note_window_sweep()
    daemon = installation.start()
    daemon.wait_for("sweep.finished", job="due")
    installation.execute("ALTER TABLE payments RENAME TO elsewhere")
    daemon.wait_for("sweep.finished", job="due", complete=False)
    daemon.wait_for("sweep.failed", job="due")
    installation.execute("ALTER TABLE elsewhere RENAME TO payments")
    installation.add_payments(1)
    daemon.wait_for("sweep.finished", job="due", complete=True, corrected=1)
    assert daemon.end() == 0


def test_its_http_endpoints(installation: ServiceInstallation) -> None:
    """/metrics, /healthz and /readyz answer on one port; every other path is 404."""
    installation.add_payments(2)
    daemon = installation.start()
    port = daemon.wait_for("metrics.listening")["port"]
    daemon.wait_for("sweep.finished", job="due", complete=True)
    code, text = installation.get(port, "/metrics")
    assert code == 200
    assert 'reconciler_corrections_total{account="default"' in text
    assert 'reconciler_reads_total{account="default",endpoint="retrieve",result="answered"}' in text
    assert 'reconciler_lease_held{account="default"} 1.0' in text

    code, text = installation.get(port, "/healthz")
    assert (code, json.loads(text)["holds"]) == (200, ["default"])
    assert installation.get(port, "/readyz")[0] == 200
    assert installation.get(port, "/")[0] == 404
    assert daemon.end() == 0


def test_a_read_only_database_is_waited_out(installation: ServiceInstallation) -> None:
    """After a failover to a standby it writes nothing and does not busy-loop; it goes on when the database is writable."""
    installation.configure_service(due="1s", lease="2s")
    daemon = installation.start()
    daemon.wait_for("sweep.finished", job="due")
    end_connections = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'reconciler' AND datname = current_database()"
    )
    name = installation.query("SELECT current_database()")[0][0]
    installation.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    installation.execute(end_connections)
    daemon.wait_for("account.failed", times=1)
    with psycopg.connect(
        installation.shop.url, autocommit=True, options="-c default_transaction_read_only=off"
    ) as connection:
        connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    daemon.wait_for("lease.taken")
    assert daemon.wait_for("outage.over", of="account.failed")["times"] >= 1
    daemon.wait_for("sweep.finished", job="due", complete=True)
    assert daemon.end() == 0


def test_a_revoked_key_needs_a_person(installation: ServiceInstallation) -> None:
    """It does not busy-loop, writes nothing and asks for a person; with a new key a restart is enough."""
    installation.configure_service(due="1s")
    secret = "rk_test_revocable00001"
    permissions = ["payment_intent_read", "charge_read", "event_read", "dispute_read"]
    installation.stripe.add_key(secret, account=ACCOUNT, permissions=permissions)
    daemon = installation.start(STRIPE_API_KEY=secret)
    daemon.wait_for("sweep.finished", job="due", complete=True)
    installation.stripe.revoke_key(secret)
    installation.add_payments(1)
    daemon.wait_for("sweep.finished", job="due", complete=False)
    daemon.wait_for("sweep.finished", job="due", complete=False)
    assert installation.query("SELECT needs_person FROM reconciler.services") == [(True,)]
    assert installation.run("status", "--format", "nagios")[0] == 2
    assert installation.count_by_status() == {"pending": 1}
    assert daemon.end() == 0

    again = installation.start()
    again.wait_for("sweep.finished", job="due", complete=True)
    assert installation.count_by_status() == {"paid": 1}
    assert again.end() == 0
