"""The documentation's commands under "Install the service", run as they are written."""

from __future__ import annotations

import pytest

from tests.acceptance.systemd.machine import CONFIG, UNIT, UNITS, Machine


def test_the_steps_work_as_typed(booted: Machine) -> None:
    """The documented commands succeed, the service is enabled, and every file is where the units expect it."""
    assert booted.installed.returncode == 0, booted.installed.stderr
    assert "default" in booted.installed.stdout
    assert booted.systemctl("is-enabled", UNIT) == "enabled"
    modes = booted.run(
        "stat", "--format=%a %n", CONFIG, "/etc/reconciler/credentials", f"{UNITS}/{UNIT}"
    )
    assert modes.splitlines() == [
        f"644 {CONFIG}",
        "700 /etc/reconciler/credentials",
        f"644 {UNITS}/{UNIT}",
    ]


@pytest.mark.parametrize("unit", ["reconciler.service", "reconciler-once.timer"])
def test_the_installed_units_have_no_fault(booted: Machine, unit: str) -> None:
    """systemd finds every program that the units name, and reports no fault."""
    remarks = booted.run(
        "bash", "-c", f"systemd-analyze verify --man=no --recursive-errors=no {UNITS}/{unit} 2>&1"
    )
    assert [line for line in remarks.splitlines() if "reconciler" in line] == []
