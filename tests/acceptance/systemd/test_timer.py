"""The timer instead of the service, under a real systemd."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.systemd.machine import Machine

ONCE = "reconciler-once.service"
TIMER = "reconciler-once.timer"
SHORT_INTERVALS = """
[Timer]
OnActiveSec=
OnActiveSec=100ms
OnUnitInactiveSec=100ms
AccuracySec=1ms
"""


@pytest.fixture
def timed(booted: Machine) -> Iterator[Machine]:
    """The machine with the installed timer, with short intervals; it is not started."""
    booted.drop_in(TIMER, "short-intervals", SHORT_INTERVALS)
    booted.configure()
    yield booted
    booted.systemctl("disable", "--now", TIMER)
    booted.fails("systemctl", "stop", ONCE)


def test_sweep_follows_sweep(timed: Machine) -> None:
    """Each run makes one sweep, records discrepancies, changes no row and ends with 0; the timer starts the next."""
    timed.add_payments(1)
    sweeps = "SELECT count(*) FROM reconciler.sweeps WHERE kind = 'all' AND complete"
    before = timed.query(sweeps)[0][0]
    timed.systemctl("enable", "--now", TIMER)
    timed.wait_until("two sweeps were made", lambda: timed.query(sweeps)[0][0] >= before + 2)
    timed.systemctl("stop", TIMER)
    timed.wait_until("the last has ended", lambda: timed.show("ActiveState", ONCE) == "inactive")
    assert timed.show("Result", ONCE) == "success"
    assert timed.show("ExecMainStatus", ONCE) == "0"
    assert timed.pending() == 1

    found = timed.query("SELECT kind FROM reconciler.discrepancies WHERE state = 'open'")
    assert found == [("missed_outcome",)]
