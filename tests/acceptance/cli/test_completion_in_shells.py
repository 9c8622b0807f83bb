"""zsh and fish complete what bash completes: each shell runs the script that ``completion`` prints."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

REQUIRED = os.environ.get("RECONCILER_TEST_SHELLS") == "required"
SECONDS = 60
pytestmark = pytest.mark.long


def shell_path(name: str) -> str:
    """Where a shell is. Leaves the test out if it is not installed, unless it is required."""
    found = shutil.which(name)
    if found is None and not REQUIRED:
        pytest.skip(f"{name} is not installed")
    assert found is not None, f"{name} is not installed"
    return found


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment in which a person can type ``reconciler``, with a home of its own."""
    program = tmp_path / "bin" / "reconciler"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m reconciler "$@"\n')
    program.chmod(0o755)
    return {
        "PATH": f"{program.parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("reconciler sweep --pay", "--payment-intent"), ("reconciler discrep", "discrepancies")],
)
def test_fish(environ: dict[str, str], typed: str, offered: str) -> None:
    """fish offers commands and options, each with its help."""
    script = f"reconciler completion fish | source; complete -C '{typed}'"
    done = subprocess.run(
        [shell_path("fish"), "--no-config", "-c", script],
        env=environ, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    [line] = done.stdout.splitlines()
    word, _, explained = line.partition("\t")
    assert (word, done.stderr) == (offered, "")
    assert explained


@contextmanager
def interactive(shell: str, environ: dict[str, str]) -> Iterator[int]:
    """The terminal of an interactive shell without a configuration."""
    terminal, other = pty.openpty()
    process = subprocess.Popen(
        [shell, "-f", "-i"], stdin=other, stdout=other, stderr=other, env=environ, start_new_session=True,
    )  # fmt: skip
    os.close(other)
    try:
        yield terminal
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def read_until(terminal: int, text: str) -> str:
    """What the terminal shows until a text. Raises AssertionError if it does not come in time."""
    shown = ""
    until = time.monotonic() + SECONDS
    while text not in shown:
        ready, _, _ = select.select([terminal], [], [], max(0.0, until - time.monotonic()))
        assert ready, shown
        shown += os.read(terminal, 65536).decode(errors="replace")
    return shown


@pytest.mark.parametrize(
    ("typed", "completed"),
    [("reconciler sweep --pay", "--payment-intent"), ("reconciler discrep", "discrepancies")],
)
def test_zsh(environ: dict[str, str], typed: str, completed: str) -> None:
    """zsh completes what is typed at its prompt when the tab key is pressed."""
    with interactive(shell_path("zsh"), environ) as terminal:
        # the words that are waited for are put together by the shell, so that the echo of the line is not taken for them
        setup = 'autoload -U compinit; compinit -u; eval "$(reconciler completion zsh)"; print re""ady\n'
        os.write(terminal, setup.encode())
        read_until(terminal, "ready")
        os.write(terminal, f"{typed}\t".encode())
        shown = read_until(terminal, completed.removeprefix(typed.rsplit(maxsplit=1)[-1]))
    assert "not found" not in shown
