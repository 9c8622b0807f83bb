"""The shipped unit under a real systemd, with a real PostgreSQL and the sandbox."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import psycopg
import pytest

from reconciler.clock import SystemClock
from reconciler.sandbox import TEST_KEY
from tests.acceptance.systemd.machine import CONFIG, UNIT, Machine

BACKENDS_WAITING = "SELECT pid FROM pg_stat_activity WHERE application_name = 'reconciler' AND wait_event_type = 'Lock'"


@pytest.fixture
def watched(booted: Machine) -> Iterator[Machine]:
    """The machine with a watchdog that waits seconds instead of minutes for the service."""
    booted.drop_in(UNIT, "watchdog", "[Service]\nWatchdogSec=4s\n")
    yield booted
    booted.drop_in(UNIT, "watchdog", None)


def is_replaced(machine: Machine, first: int) -> bool:
    """Whether systemd has started another process in the place of the first."""
    return machine.main_pid() not in (0, first)


def test_it_is_ready_within_seconds_and_works(booted: Machine) -> None:
    """With Type=notify, started means ready, within five seconds; then payments are corrected, and its status says so."""
    clock = SystemClock()
    booted.configure()
    booted.mark()
    began = clock.monotonic()
    booted.systemctl("start", UNIT)
    assert clock.monotonic() - began < 5
    booted.add_payments(3)
    booted.wait_until("the payments are right", lambda: booted.pending() == 0)
    booted.wait_until("it says so", lambda: booted.show("StatusText").startswith("holds default"))
    assert TEST_KEY not in booted.journal()


def test_a_killed_service_is_restarted(machine: Machine) -> None:
    """After kill -9 systemd starts another process, which takes the account over and goes on."""
    first = machine.main_pid()
    machine.signal_main(signal.SIGKILL)
    machine.wait_until("another process runs", lambda: is_replaced(machine, first))
    machine.add_payments(1)
    machine.wait_until("the payment is right", lambda: machine.pending() == 0)


def test_a_stopped_service_is_restarted(watched: Machine) -> None:
    """After SIGSTOP the process cannot feed the watchdog, and systemd starts another one."""
    first = watched.restart()
    watched.signal_main(signal.SIGSTOP)
    watched.wait_until("another process runs", lambda: is_replaced(watched, first))
    assert "Watchdog timeout" in watched.journal()
    watched.add_payments(1)
    watched.wait_until("the payment is right", lambda: watched.pending() == 0)


@pytest.mark.parametrize("due", ["1s", "1h"], ids=["in a sweep", "between sweeps"])
def test_a_hang_is_found(watched: Machine, due: str) -> None:
    """If a page, or the work between sweeps, waits without end, the watchdog is not fed, every stack is in the journal, and
    another process goes on."""
    first = watched.restart(stall="2s", due=due)
    watched.wait_until(
        "a due sweep and a tail sweep have run",
        lambda: all(f'"job": "{job}"' in watched.journal() for job in ("due", "tail")),
    )
    backends = watched.backends()
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    try:
        watched.wait_until("the hang is logged", lambda: "sweep.stuck" in watched.journal())
        # the next process is to have the usual configuration
        watched.configure()
        watched.wait_until("another process runs", lambda: is_replaced(watched, first))
        assert "Watchdog timeout" in watched.journal()
        assert "most recent call first" in watched.journal()
    finally:
        for pid in backends:
            os.kill(pid, signal.SIGCONT)
    watched.add_payments(1)
    watched.wait_until("the payment is right", lambda: watched.pending() == 0)


def test_a_reload_keeps_the_process(machine: Machine) -> None:
    """After systemctl reload the same process works with the new configuration; a broken one changes nothing."""
    first = machine.main_pid()
    machine.configure(mode="report")
    machine.systemctl("reload", UNIT)
    machine.wait_until("it is reloaded", lambda: "configuration.reloaded" in machine.journal())
    machine.add_payments(1)
    machine.write(CONFIG, "[stripe")
    machine.systemctl("reload", UNIT)
    machine.wait_until("the fault is logged", lambda: "configuration.kept" in machine.journal())
    assert (machine.main_pid(), machine.pending()) == (first, 1)

    machine.configure()
    machine.systemctl("reload", UNIT)
    machine.wait_until("the payment is right", lambda: machine.pending() == 0)
    assert machine.main_pid() == first


def test_a_stop_during_a_page_is_clean(machine: Machine) -> None:
    """systemctl stop while a page is in its transaction: the page is committed as a whole, then the service ends with 0."""
    corrected = machine.query("SELECT count(*) FROM reconciler.outbox")[0][0]
    machine.add_payments(1)
    machine.wait_until("there is a ledger", lambda: machine.pending() == 0)
    with psycopg.connect(machine.url) as blocking:
        # the last lock that a page takes
        blocking.execute("SELECT FROM reconciler.ledger_heads FOR UPDATE")
        machine.add_payments(5)
        machine.wait_until(
            "a page waits in its transaction", lambda: bool(machine.query(BACKENDS_WAITING))
        )
        machine.systemctl("stop", "--no-block", UNIT)
        machine.wait_until("it is stopping", lambda: "service.stopping" in machine.journal())
        assert machine.pending() == 5
    machine.wait_until("it has ended", lambda: machine.show("ActiveState") == "inactive")
    assert machine.show("Result") == "success"
    assert machine.show("ExecMainStatus") == "0"
    assert machine.pending() == 0
    assert machine.query("SELECT count(*) FROM reconciler.outbox") == [(corrected + 6,)]


def test_it_survives_a_restart_of_the_database(machine: Machine) -> None:
    """The database is stopped at once and started again: the same process goes on."""
    first = machine.main_pid()
    machine.postgres._run(
        "pg_ctl",
        f"--pgdata={machine.postgres._data}",
        f"--log={machine.postgres.folder / 'log'}",
        "--mode=immediate",
        "--wait",
        "restart",
    )
    machine.add_payments(1)
    machine.wait_until("the payment is right", lambda: machine.pending() == 0)
    assert machine.main_pid() == first


def test_a_configuration_fault_is_not_restarted(booted: Machine) -> None:
    """A fault that a person has to correct ends the service with 78, and it stays ended."""
    booted.write(CONFIG, "[stripe]\nlivemode = 7\n")
    assert booted.fails("systemctl", "start", UNIT)
    assert booted.show("ActiveState") == "failed"
    assert booted.show("ExecMainStatus") == "78"
    assert booted.show("NRestarts") == "0"


def test_the_journal_has_priorities(machine: Machine) -> None:
    """journalctl -p shows an error of the service as an error, and nothing else."""
    machine.write(CONFIG, "[stripe")
    machine.systemctl("reload", UNIT)
    machine.wait_until("the fault is logged", lambda: "configuration.kept" in machine.journal())
    errors = [
        json.loads(line)["event"] for line in machine.journal(UNIT, "--priority=err").splitlines()
    ]
    assert errors == ["configuration.kept"]
