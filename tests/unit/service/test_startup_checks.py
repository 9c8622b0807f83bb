"""The checks before the service begins: repeated during an outage, ended by a fault."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from reconciler.clock import ManualClock
from reconciler.engine.health.watchdog import Pulse
from reconciler.entrypoints.doctor.doctor_check import CheckLevel, DoctorCheck
from reconciler.entrypoints.service import startup_checks
from reconciler.entrypoints.service.startup_checks import CheckRound, StartupChecks, StartupHealth
from reconciler.errors import ConfigurationError, DatabaseBusyError, DatabaseRefusedError
from reconciler.settings import load
from tests.unit.engine.doubles import NOW
from tests.unit.settings.configuration import ENVIRON, EXAMPLE

PULSE = Pulse(ManualClock(NOW), 180)


def test_an_outage_is_waited_out_and_a_fault_is_not() -> None:
    """However often nothing can be reached, the checks are repeated; a fault that a person must correct ends them."""
    rounds = [CheckRound(StartupHealth.UNREACHABLE, ("down",))] * 20 + [
        CheckRound(StartupHealth.FAULTY, ("wrong",))
    ]
    checks = StartupChecks(
        None,  # type: ignore[arg-type]
        ManualClock(NOW),
        threading.Event(),
        PULSE,
        run_round=lambda *_: rounds.pop(0),
    )
    checks.run()
    assert (checks.has_succeeded, checks.waiting_for) == (False, "down")
    assert isinstance(checks.fault, ConfigurationError)
    assert rounds == []


def test_stripe_is_not_read_while_the_database_is_unreachable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A start that waits for its database repeats the checks without end: they must not spend the reads of 30 days."""
    unreachable = DoctorCheck("database", CheckLevel.UNREACHABLE, "it is down", "Start it.")
    stripe_checked: list[str] = []
    monkeypatch.setattr(startup_checks, "key_checks", lambda _settings: ())
    monkeypatch.setattr(startup_checks, "database_checks", lambda _settings: (unreachable,))
    monkeypatch.setattr(
        startup_checks, "stripe_checks", lambda *_: stripe_checked.append("stripe") or ()
    )
    settings = load(EXAMPLE, {**ENVIRON, "STRIPE_API_KEY": "rk_live_abc"})

    result = startup_checks.run_checks(
        settings, ManualClock(NOW), {}, threading.Event(), lambda: None
    )
    assert result.health is StartupHealth.UNREACHABLE
    assert stripe_checked == []

    monkeypatch.setattr(startup_checks, "database_checks", lambda _settings: ())
    result = startup_checks.run_checks(
        settings, ManualClock(NOW), {}, threading.Event(), lambda: None
    )
    assert result.health is StartupHealth.GOOD
    assert stripe_checked == ["stripe"]


def test_an_error_outside_of_the_checks_counts_by_its_kind() -> None:
    """An error that no check has turned into a result is waited out if time may cure it, and ends the start if not."""
    raised = [DatabaseBusyError("busy"), DatabaseRefusedError("refused", "Grant it.")]

    def run_round(*_: object) -> CheckRound:
        raise raised.pop(0)

    checks = StartupChecks(
        None,  # type: ignore[arg-type]
        ManualClock(NOW),
        threading.Event(),
        PULSE,
        run_round=run_round,
    )
    checks.run()
    assert checks.waiting_for == "busy"
    assert isinstance(checks.fault, ConfigurationError)
    assert "Grant it." in str(checks.fault)


def test_a_check_that_hangs_is_stuck_work() -> None:
    """A start that neither goes on nor waits for anything is noticed, as a sweep is."""
    clock = ManualClock(NOW)
    pulse = Pulse(clock, 60)
    seen: list[tuple[str, ...]] = []

    def run_round(*_: object) -> CheckRound:
        clock.advance(timedelta(seconds=61))
        seen.append(pulse.stuck())
        return CheckRound(StartupHealth.GOOD, ())

    StartupChecks(None, clock, threading.Event(), pulse, run_round=run_round).run()  # type: ignore[arg-type]
    assert seen == [("checks at the start",)]
