"""Ctrl-C ends ``python -m reconciler`` with its own exit code, wherever in the program and whenever it comes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
IN_EXEC = """
import signal, sys
from reconciler.interrupted import raise_on_interrupt
raise_on_interrupt()
try:
    exec("signal.raise_signal(signal.SIGINT)")
except KeyboardInterrupt:
    sys.exit(130)
"""
AFTER_THE_END = """
import os, signal, sys
from reconciler.interrupted import keep_exit_code, raise_on_interrupt, raise_on_termination

class Late:
    def __del__(self, kill=os.kill, pid=os.getpid()):
        for number in (2, 15, 1):
            kill(pid, number)

raise_on_interrupt()
raise_on_termination()
keep_exit_code()
signal.raise_signal(signal.SIGINT)
late = Late()
sys.exit(7)
"""


@pytest.mark.parametrize(("program", "code"), [(IN_EXEC, 130), (AFTER_THE_END, 7)])
def test_the_exit_code_is_the_commands(tmp_path: Path, program: str, code: int) -> None:
    """Also if the signal comes while a dataclass is made, and while the interpreter removes its modules: Python killed the
    process by SIGINT in both, although the command had caught the first and was done before the second."""
    (tmp_path / "interrupted_program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "-m", "interrupted_program"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{REPOSITORY}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, "")
