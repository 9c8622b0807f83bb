"""The shipped units, checked by systemd's own tools."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[3] / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
MOST_EXPOSURE = 1.2
"""The exposure that the service may have; 10 is a process that nothing confines."""

needs_tools = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze on this machine"
)


def options(path: Path) -> dict[str, list[str]]:
    """Every option of a unit's service section with its values, in order."""
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
    """No key is unknown and no value ignored. The program itself need not be installed for this test."""
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
    remarks = [line for line in done.stderr.splitlines() if "reconciler" in line]
    assert (done.returncode, remarks) == (0, [])


@needs_tools
@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_exposure_is_low(unit: Path) -> None:
    """An attacker who takes over the process can reach almost nothing else."""
    done = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            "--no-pager",
            f"--threshold={int(MOST_EXPOSURE * 10)}",
            unit,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-300:]


def test_both_services_are_confined_alike() -> None:
    """The sweep by timer is confined as the service is: the units differ in how they run, not in what they may do."""
    service, once = (
        options(UNITS / f"{name}.service") for name in ("reconciler", "reconciler-once")
    )
    how_it_runs = {
        "Type", "NotifyAccess", "ExecStart", "ExecReload", "TimeoutStartSec", "TimeoutStopSec", "WatchdogSec",
        "Restart", "RestartSec", "RestartPreventExitStatus", "SuccessExitStatus", "KillMode", "TimeoutStopFailureMode",
        "TimeoutStartFailureMode", "SocketBindAllow", "ExecPaths", "TasksMax", "Environment",
    }  # fmt: skip
    assert {name: value for name, value in service.items() if name not in how_it_runs} == {
        name: value for name, value in once.items() if name not in how_it_runs
    }


def test_the_pages_are_confined_like_the_service() -> None:
    """The finance pages may do what the service may, less what they do not need: no Stripe key, another port and folder."""
    service, web = (options(UNITS / f"{name}.service") for name in ("reconciler", "reconciler-web"))
    own = {
        "Type", "NotifyAccess", "ExecStart", "ExecReload", "TimeoutStopSec", "WatchdogSec", "TimeoutStopFailureMode",
        "TimeoutStartFailureMode", "SocketBindAllow", "ExecPaths", "NoExecPaths", "TasksMax", "Environment", "StateDirectory",
        "LoadCredential", "SyslogIdentifier", "MemoryHigh", "MemoryMax",
    }  # fmt: skip
    assert {name: value for name, value in service.items() if name not in own} == {
        name: value for name, value in web.items() if name not in own
    }
    assert not any("stripe" in value for value in web["LoadCredential"])


def test_systemd_never_stops_restarting_the_service() -> None:
    """After an outage of the database the service is restarted, however often; after a configuration fault it is not."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS / "reconciler.service", encoding="utf-8")
    assert parser["Unit"]["StartLimitIntervalSec"] == "0"
    service = parser["Service"]
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"].split() == ["64", "78"]
    assert service["Type"] == "notify"


def test_the_drop_in_has_what_older_systemd_misreads() -> None:
    """Options that an older systemd would misread are in the drop-in file for later versions, not in the unit."""
    text = (UNITS / "reconciler.service").read_text(encoding="utf-8")
    later = (UNITS / "reconciler.service.d-254.conf").read_text(encoding="utf-8")
    for word in ("Type=notify-reload", "RestartSteps", "RestartMaxDelaySec"):
        assert word in later
        assert word not in text
