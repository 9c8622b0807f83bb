"""The private systemd leaves nothing on the machine, however the tests end."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from reconciler.clock import SystemClock
from tests.acceptance.configured_shop import REPOSITORY
from tests.acceptance.service.conftest import LONGEST_SECONDS
from tests.acceptance.systemd.conftest import skip_or_fail
from tests.acceptance.systemd.private_systemd import CannotBootError, PrivateSystemd

HOLD = """
import sys
from tests.acceptance.systemd.private_systemd import PrivateSystemd
booted = PrivateSystemd({})
print(booted.pid, booted._holder.pid, flush=True)
sys.stdin.read()
"""


def traces_of(name: str) -> set[str]:
    """The cgroups, folders and mounts of a private systemd on this machine."""
    cgroups = {str(path) for path in Path("/sys/fs/cgroup").rglob(f"{name}*")}
    folders = {str(path) for path in Path(tempfile.gettempdir()).glob(f"{name}*")}
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return cgroups | folders | {line for line in mounts if name in line}


@pytest.fixture
def possible() -> None:
    """Skip the test if this machine cannot boot a systemd."""
    try:
        PrivateSystemd({}).close()
    except CannotBootError as error:
        skip_or_fail(error)


@pytest.mark.usefixtures("possible")
def test_nothing_is_left_when_the_tests_are_killed() -> None:
    """After kill -9 of the process that started it, its processes, cgroups, mounts and folders are removed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None

        first, holder = process.stdout.readline().split()
        name = f"private-systemd-{holder}"
        assert len(traces_of(name)) >= 2

        process.kill()
    clock, pause = SystemClock(), threading.Event()
    until = clock.monotonic() + LONGEST_SECONDS
    while Path(f"/proc/{first}").exists() or traces_of(name):
        assert clock.monotonic() < until, traces_of(name)

        pause.wait(0.05)


@pytest.mark.usefixtures("possible")
def test_nothing_is_left_when_it_does_not_boot(tmp_path: Path) -> None:
    """A failed boot says why, and everything of it is removed."""
    with pytest.raises(RuntimeError, match="missing") as failed:
        PrivateSystemd({tmp_path / "missing": "/srv/inside"})
    found = re.search(r"private-systemd-\d+", str(failed.value))
    assert found is not None
    assert traces_of(found[0]) == set()
