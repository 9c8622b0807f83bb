"""A real systemd for the tests, beside the machine's own: booted, asked to run commands, ended."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SCRIPT: Final = Path(__file__).with_name("private_systemd.sh")
UNAVAILABLE: Final = 69
"""How the script ends where the machine cannot boot a systemd."""
END_SECONDS: Final = 60.0
COMMAND_SECONDS: Final = 90.0
ENVIRONMENT: Final = {
    "PATH": "/opt/reconciler/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}


class CannotBootError(Exception):
    """This machine cannot boot a systemd of its own, and why."""


class PrivateSystemd:
    """A booted systemd. ``binds`` are folders of this machine and where they are mounted inside.

    It ends with ``close`` or with this process, however that ends: private_systemd.sh holds it by a pipe.
    Raises CannotBootError where the machine cannot, and RuntimeError where it could and did not.
    """

    def __init__(self, binds: Mapping[Path, str]) -> None:
        self._holder = subprocess.Popen(
            [SCRIPT, *(f"{source}:{target}" for source, target in binds.items())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Ctrl-C is for the tests; this one has to clear up after them
            start_new_session=True,
        )
        assert self._holder.stdout is not None
        said, _, pid = self._holder.stdout.readline().partition(" ")
        if said != "running":
            _, why = self._holder.communicate(timeout=END_SECONDS)
            if self._holder.returncode == UNAVAILABLE:
                raise CannotBootError(why.strip())
            raise RuntimeError(f"the private systemd did not boot: {why}")
        self.pid = int(pid)
        """Its PID 1, as seen from this machine."""

    def run(
        self, *command: str, text: str | None = None, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root inside, with ``text`` as its input and nothing of our environment."""
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
        """End it and wait until nothing of it is left."""
        self._holder.communicate(timeout=END_SECONDS)
