"""The shipped service under a real systemd, with a real PostgreSQL and the sandbox."""

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

WAITING = "SELECT pid FROM pg_stat_activity WHERE application_name = 'reconciler' AND wait_event_type = 'Lock'"


@pytest.fixture
def watched(booted: Machine) -> Iterator[Machine]:
    """The machine, the service running with a watchdog that waits for seconds instead of minutes."""
    booted.drop_in(UNIT, "watchdog", "[Service]\nWatchdogSec=4s\n")
    yield booted
    booted.drop_in(UNIT, "watchdog", None)


def another(machine: Machine, first: int) -> bool:
    """Whether systemd has started another process in place of the first."""
    return machine.main() not in (0, first)


def test_it_is_ready_within_seconds_and_works(booted: Machine) -> None:
    """Type=notify: started means ready, in less than five seconds; then payments are mended, and it says what it does."""
    clock = SystemClock()
    booted.configure()
    booted.mark()
    began = clock.monotonic()
    booted.systemctl("start", UNIT)
    assert clock.monotonic() - began < 5
    booted.pay(3)
    booted.until("the payments are right", lambda: booted.pending() == 0)
    booted.until("it says so", lambda: booted.show("StatusText").startswith("holds default"))
    assert TEST_KEY not in booted.journal()


def test_it_comes_back_when_killed(machine: Machine) -> None:
    """kill -9: systemd starts another, which takes the account over and goes on."""
    first = machine.main()
    machine.signal_main(signal.SIGKILL)
    machine.until("another process runs", lambda: another(machine, first))
    machine.pay(1)
    machine.until("the payment is right", lambda: machine.pending() == 0)


def test_it_comes_back_when_stopped(watched: Machine) -> None:
    """SIGSTOP: it cannot feed the watchdog, which starts another in its place."""
    first = watched.restart()
    watched.signal_main(signal.SIGSTOP)
    watched.until("another process runs", lambda: another(watched, first))
    assert "Watchdog timeout" in watched.journal()
    watched.pay(1)
    watched.until("the payment is right", lambda: watched.pending() == 0)


@pytest.mark.parametrize("due", ["1s", "1h"], ids=["in a pass", "beside the passes"])
def test_a_hang_is_found(watched: Machine, due: str) -> None:
    """A page, or a look between sweeps, that waits for ever: the watchdog is not fed, every stack is in the journal, another
    process goes on."""
    first = watched.restart(stall="2s", due=due)
    watched.until(
        "a due sweep and a tail sweep have run",
        lambda: all(f'"job": "{job}"' in watched.journal() for job in ("due", "tail")),
    )
    stopped = watched.backends()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        watched.until("the hang is told", lambda: "pass.stuck" in watched.journal())
        # for the process that comes next
        watched.configure()
        watched.until("another process runs", lambda: another(watched, first))
        assert "Watchdog timeout" in watched.journal()
        assert "most recent call first" in watched.journal()
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    watched.pay(1)
    watched.until("the payment is right", lambda: watched.pending() == 0)


def test_a_reload_keeps_the_process(machine: Machine) -> None:
    """systemctl reload: the new configuration is at work in the same process; a broken one changes nothing."""
    first = machine.main()
    machine.configure(mode="report")
    machine.systemctl("reload", UNIT)
    machine.until("it is taken", lambda: "configuration.reloaded" in machine.journal())
    machine.pay(1)
    machine.write(CONFIG, "[stripe")
    machine.systemctl("reload", UNIT)
    machine.until("it is complained of", lambda: "configuration.kept" in machine.journal())
    assert (machine.main(), machine.pending()) == (first, 1)
    machine.configure()
    machine.systemctl("reload", UNIT)
    machine.until("the payment is right", lambda: machine.pending() == 0)
    assert machine.main() == first


def test_a_stop_in_mid_page_is_clean(machine: Machine) -> None:
    """systemctl stop while a page is in its transaction: it is committed as a whole, then exit 0."""
    corrected = machine.ask("SELECT count(*) FROM reconciler.outbox")[0][0]
    machine.pay(1)
    machine.until("there is a ledger", lambda: machine.pending() == 0)
    with psycopg.connect(machine.url) as other:
        # the last that a page takes
        other.execute("SELECT FROM reconciler.ledger_heads FOR UPDATE")
        machine.pay(5)
        machine.until("a page waits in its transaction", lambda: bool(machine.ask(WAITING)))
        machine.systemctl("stop", "--no-block", UNIT)
        machine.until("it heard", lambda: "service.stopping" in machine.journal())
        assert machine.pending() == 5
    machine.until("it has ended", lambda: machine.show("ActiveState") == "inactive")
    assert machine.show("Result") == "success"
    assert machine.show("ExecMainStatus") == "0"
    assert machine.pending() == 0
    assert machine.ask("SELECT count(*) FROM reconciler.outbox") == [(corrected + 6,)]


def test_a_database_restart_is_survived(machine: Machine) -> None:
    """The database goes away at once and comes back: the same process goes on."""
    first = machine.main()
    machine.postgres._run(
        "pg_ctl",
        f"--pgdata={machine.postgres._data}",
        f"--log={machine.postgres._home / 'log'}",
        "--mode=immediate",
        "--wait",
        "restart",
    )
    machine.pay(1)
    machine.until("the payment is right", lambda: machine.pending() == 0)
    assert machine.main() == first


def test_a_fault_of_configuration_is_not_restarted(booted: Machine) -> None:
    """What a person has to mend ends with 78 and stays so."""
    booted.write(CONFIG, "[stripe]\nlivemode = 7\n")
    assert booted.fails("systemctl", "start", UNIT)
    assert booted.show("ActiveState") == "failed"
    assert booted.show("ExecMainStatus") == "78"
    assert booted.show("NRestarts") == "0"


def test_the_journal_has_priorities(machine: Machine) -> None:
    """An error is an error for journalctl -p too, and what is none is not shown there."""
    machine.write(CONFIG, "[stripe")
    machine.systemctl("reload", UNIT)
    machine.until("it is complained of", lambda: "configuration.kept" in machine.journal())
    errors = [
        json.loads(line)["event"] for line in machine.journal(UNIT, "--priority=err").splitlines()
    ]
    assert errors == ["configuration.kept"]
