"""The units as they stand in the folder, by systemd's own tools."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[3] / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
MOST = 1.2
"""The exposure that the service may have; 10 is a process without any fence."""

needs_tools = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze on this machine"
)


def options(path: Path) -> dict[str, list[str]]:
    """Every option of a unit's service section, in order."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


@needs_tools
@pytest.mark.parametrize("unit", [*SERVICES, *UNITS.glob("*.timer")], ids=lambda path: path.name)
def test_systemd_understands_every_line(unit: Path, tmp_path: Path) -> None:
    """No key is unknown, no value ignored. The program itself need not be installed for that."""
    text = unit.read_text(encoding="utf-8")
    (tmp_path / unit.name).write_text(text.replace("/opt/reconciler/venv/bin/python", "/bin/true"))
    for other in UNITS.glob("reconciler*.service"):
        if other.name != unit.name:
            body = other.read_text(encoding="utf-8")
            target = body.replace("/opt/reconciler/venv/bin/python", "/bin/true")
            (tmp_path / other.name).write_text(target)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", tmp_path / unit.name],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if "reconciler" in line]
    assert (done.returncode, said) == (0, [])


@needs_tools
@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_exposure(unit: Path) -> None:
    """What the process could reach if it were taken over is next to nothing."""
    done = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            "--no-pager",
            f"--threshold={int(MOST * 10)}",
            unit,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-300:]


def test_both_services_have_one_sandbox() -> None:
    """The pass by the timer is fenced in as the service is; they differ in how they run, not in what they may."""
    service, once = (
        options(UNITS / f"{name}.service") for name in ("reconciler", "reconciler-once")
    )
    of_running = {
        "Type", "NotifyAccess", "ExecStart", "ExecReload", "TimeoutStartSec", "TimeoutStopSec", "WatchdogSec",
        "Restart", "RestartSec", "RestartPreventExitStatus", "SuccessExitStatus", "KillMode", "TimeoutStopFailureMode",
        "TimeoutStartFailureMode", "SocketBindAllow", "ExecPaths", "TasksMax", "Environment",
    }  # fmt: skip
    assert {name: value for name, value in service.items() if name not in of_running} == {
        name: value for name, value in once.items() if name not in of_running
    }


def test_it_is_never_given_up() -> None:
    """A short outage of the database must not leave the service dead for good; a fault of configuration must."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS / "reconciler.service", encoding="utf-8")
    assert parser["Unit"]["StartLimitIntervalSec"] == "0"
    service = parser["Service"]
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"].split() == ["64", "78"]
    assert service["Type"] == "notify"


def test_the_drop_in_is_for_later_versions_alone() -> None:
    """What an older systemd would misread stays out of the unit itself."""
    text = (UNITS / "reconciler.service").read_text(encoding="utf-8")
    later = (UNITS / "reconciler.service.d-254.conf").read_text(encoding="utf-8")
    for word in ("Type=notify-reload", "RestartSteps", "RestartMaxDelaySec"):
        assert word in later
        assert word not in text
