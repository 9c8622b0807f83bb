"""The timer instead of the service, under a real systemd."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.systemd.machine import CHECKOUT, UNITS, Machine

ONCE = "reconciler-once.service"
TIMER = "reconciler-once.timer"
HASTE = """
[Timer]
OnActiveSec=
OnActiveSec=100ms
OnUnitInactiveSec=100ms
AccuracySec=1ms
"""


@pytest.fixture
def timed(booted: Machine) -> Iterator[Machine]:
    """The machine with the timer installed as the README says, in haste; it has not begun."""
    for name in (ONCE, TIMER):
        booted.run("install", "-m", "0644", f"{CHECKOUT}/systemd/{name}", UNITS)
    booted.drop_in(TIMER, "haste", HASTE)
    booted.configure()
    yield booted
    booted.systemctl("disable", "--now", TIMER)
    booted.fails("systemctl", "stop", ONCE)


def test_pass_follows_pass(timed: Machine) -> None:
    """Each makes one sweep, records what disagrees, touches no row and ends with 0; the timer brings the next."""
    timed.pay(1)
    sweeps = "SELECT count(*) FROM reconciler.sweeps WHERE kind = 'all' AND complete"
    before = timed.ask(sweeps)[0][0]
    timed.systemctl("enable", "--now", TIMER)
    timed.until("two sweeps were made", lambda: timed.ask(sweeps)[0][0] >= before + 2)
    timed.systemctl("stop", TIMER)
    timed.until("the last has ended", lambda: timed.show("ActiveState", ONCE) == "inactive")
    assert timed.show("Result", ONCE) == "success"
    assert timed.show("ExecMainStatus", ONCE) == "0"
    assert timed.pending() == 1
    found = timed.ask("SELECT kind FROM reconciler.discrepancies WHERE state = 'open'")
    assert found == [("missed_outcome",)]
