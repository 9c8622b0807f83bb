"""The checks before the service begins: repeated during an outage, ended by a fault."""

from __future__ import annotations

import threading

import pytest

from reconciler.clock import ManualClock
from reconciler.entrypoints.doctor.doctor_check import CheckLevel, DoctorCheck
from reconciler.entrypoints.service import startup_checks
from reconciler.entrypoints.service.startup_checks import CheckRound, StartupChecks, StartupHealth
from reconciler.errors import ConfigurationError
from reconciler.settings import load
from tests.unit.engine.doubles import NOW
from tests.unit.settings.configuration import ENVIRON, EXAMPLE


def test_an_outage_is_waited_out_and_a_fault_is_not() -> None:
    """However often nothing can be reached, the checks are repeated; a fault that a person must correct ends them."""
    rounds = [CheckRound(StartupHealth.UNREACHABLE, ("down",))] * 20 + [
        CheckRound(StartupHealth.FAULTY, ("wrong",))
    ]
    checks = StartupChecks(
        None,  # type: ignore[arg-type]
        ManualClock(NOW),
        threading.Event(),
        run_round=lambda _settings, _clock, _limiters: rounds.pop(0),
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

    result = startup_checks.run_checks(settings, ManualClock(NOW), {})
    assert result.health is StartupHealth.UNREACHABLE
    assert stripe_checked == []

    monkeypatch.setattr(startup_checks, "database_checks", lambda _settings: ())
    result = startup_checks.run_checks(settings, ManualClock(NOW), {})
    assert result.health is StartupHealth.GOOD
    assert stripe_checked == ["stripe"]
