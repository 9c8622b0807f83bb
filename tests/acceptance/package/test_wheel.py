"""The wheel in an environment of its own: everything that an installation needs is in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.configured_shop import REPOSITORY

INSTALL_SECONDS = 300
COPIED = ("config", "reconciler", "systemd", "LICENSE", "README.md", "pyproject.toml")


@dataclass(frozen=True)
class Wheel:
    """A program that was installed from the wheel and the lock file, and an empty folder to run it in."""

    program: Path
    folder: Path

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the installed program, which finds no checkout."""
        return subprocess.run(
            [self.program, *arguments],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_SECONDS,
        )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wheel]:
    """The documented way: the packages by their hashes, then the wheel without any other."""
    work = tmp_path_factory.mktemp("wheel")
    source = work / "source"
    source.mkdir()
    for name in COPIED:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        copy(REPOSITORY / name, source / name)
    pip = [sys.executable, "-m", "pip"]
    _succeeds([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", work, source])
    (built,) = work.glob("*.whl")
    venv.create(work / "venv", with_pip=False)
    into = [*pip, "--python", work / "venv/bin/python", "install", "--quiet"]
    _succeeds([*into, "--require-hashes", "--requirement", REPOSITORY / "requirements.lock"])
    _succeeds([*into, "--no-deps", built])
    folder = work / "empty"
    folder.mkdir()
    yield Wheel(work / "venv/bin/reconciler", folder)
    shutil.rmtree(work)


def _succeeds(command: list[str | Path]) -> None:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
        timeout=INSTALL_SECONDS,
    )
    assert done.returncode == 0, done.stderr


def test_the_demonstration_runs(wheel: Wheel) -> None:
    """The demonstration ends clean, so schema, statements and sandbox are complete."""
    done = wheel.run("demo", "--seed", "7", "--payments", "60", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["clean"] is True


def test_the_files_are_those_of_the_repository(wheel: Wheel) -> None:
    """Every file of config/ and systemd/ can be listed and printed, byte by byte."""
    names = [
        path.relative_to(REPOSITORY).as_posix()
        for folder in ("config", "systemd")
        for path in sorted((REPOSITORY / folder).rglob("*"))
        if path.is_file()
    ]
    listed = wheel.run("files").stdout.split("\n\n")[0].splitlines()
    assert [line.split()[0] for line in listed] == names
    for name in ("config/reconciler.toml", "config/prometheus/reconciler.rules.yml"):
        assert wheel.run("files", name).stdout == (REPOSITORY / name).read_text(encoding="utf-8")


def test_the_units_start_the_installed_program(wheel: Wheel) -> None:
    """``systemd install`` names the environment that the wheel is in."""
    root = wheel.folder / "root"
    assert wheel.run("systemd", "install", "--root", str(root)).returncode == 0
    unit = (root / "etc/systemd/system/reconciler.service").read_text(encoding="utf-8")
    assert f"ExecStart={wheel.program.parent}/python -P -m reconciler run" in unit


@pytest.mark.parametrize("command", ["doctor", "run", "sweep"])
def test_without_a_configuration_it_says_what_is_missing(wheel: Wheel, command: str) -> None:
    """A fresh installation answers with what to configure, and with 78, not with a traceback."""
    done = wheel.run(command)
    assert done.returncode == 78, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "hint:" in done.stderr or "payments.table" in done.stdout
