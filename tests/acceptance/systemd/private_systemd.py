"""A real systemd for the tests, beside the machine's own: it is booted, runs commands, and is ended."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SCRIPT: Final = Path(__file__).with_name("private_systemd.sh")
UNAVAILABLE: Final = 69
"""The script's exit code if the machine cannot boot a systemd."""
END_SECONDS: Final = 60.0
COMMAND_SECONDS: Final = 90.0
ENVIRONMENT: Final = {
    "PATH": "/opt/reconciler/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}


class CannotBootError(Exception):
    """This machine cannot boot a second systemd; the message says why."""


class PrivateSystemd:
    """A booted systemd. ``binds`` says which folders of this machine are mounted inside, and where.

    It ends with ``close`` or with this process, however that ends: private_systemd.sh runs until its input is closed.
    Raises CannotBootError if this machine cannot boot one, and RuntimeError if it could but the boot failed.
    """

    def __init__(self, binds: Mapping[Path, str]) -> None:
        self._holder = subprocess.Popen(
            [SCRIPT, *(f"{source}:{target}" for source, target in binds.items())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Ctrl-C must not reach the script: it cleans up after the tests
            start_new_session=True,
        )
        assert self._holder.stdout is not None

        state, _, pid = self._holder.stdout.readline().partition(" ")
        if state != "running":
            _, why = self._holder.communicate(timeout=END_SECONDS)
            if self._holder.returncode == UNAVAILABLE:
                raise CannotBootError(why.strip())
            raise RuntimeError(f"the private systemd did not boot: {why}")
        self.pid = int(pid)
        """The process id of its PID 1 on this machine."""

    def run(
        self, *command: str, text: str | None = None, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root inside, with ``text`` as its input; it gets nothing of the tests' environment."""
        return subprocess.run(
            ["nsenter", f"--target={self.pid}", "--all", "--", *command],
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
            env={**ENVIRONMENT, **(environ or {})},
        )

    def close(self) -> None:
        """End it, and wait until everything of it is removed."""
        self._holder.communicate(timeout=END_SECONDS)
