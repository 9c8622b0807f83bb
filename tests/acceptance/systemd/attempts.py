"""What an attacker in the service's process would try. It runs inside the unit, and prints each attempt's result as JSON."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import mmap
import os
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

NEW_USER_NAMESPACE = 0x10000000
MEGABYTE = 1 << 20


def copied_shell() -> str:
    """The folders in which a copy of the shell can be written and run; "nowhere" if there is none."""
    possible = []
    for folder in (
        os.environ["STATE_DIRECTORY"],
        "/tmp",
        "/var/tmp",
        "/dev/shm",
        "/run",
        "/dev/mqueue",
    ):
        copy = Path(folder) / "shell"
        with contextlib.suppress(OSError):
            shutil.copy("/bin/sh", copy)
            copy.chmod(0o700)
            subprocess.run([copy, "-c", "true"], check=True)
            possible.append(folder)
        copy.unlink(missing_ok=True)
    return " ".join(possible) or "nowhere"


def shell_in_memory() -> None:
    copy = os.memfd_create("shell", 0)
    os.write(copy, Path("/bin/sh").read_bytes())
    subprocess.run(
        [f"/proc/self/fd/{copy}", "-c", "true"],
        check=True,
        pass_fds=[copy],  # banned-words: allowed, Python's own name
    )


def new_namespace() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_USER_NAMESPACE) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


ATTEMPTS: dict[str, Callable[[], object]] = {
    "run a shell": lambda: subprocess.run(["/bin/sh", "-c", "true"], check=True),
    "run a copy of it": copied_shell,
    "run a copy in memory": shell_in_memory,
    "become root": lambda: os.setuid(0),
    "read the folder of the keys": lambda: list(Path("/etc/reconciler/credentials").iterdir()),
    "change the configuration": lambda: os.open("/etc/reconciler/reconciler.toml", os.O_WRONLY),
    "change the program": lambda: os.open("/opt/reconciler/venv/pyvenv.cfg", os.O_WRONLY),
    "read a home directory": lambda: list(Path("/root").iterdir()),
    "read another process": lambda: Path("/proc/1/environ").read_bytes(),
    "listen to the network": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "change the network": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "write code into memory": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC),
    "open a new namespace": new_namespace,
    "leave a core": lambda: resource.setrlimit(resource.RLIMIT_CORE, (MEGABYTE, MEGABYTE)),
}


def outcome(attempt: Callable[[], object]) -> str:
    """How an attempt ended: its result or "done", or the name of the error."""
    try:
        result = attempt()
    except ValueError as error:
        # a limit above the hard one: no error number
        return str(error)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return result if isinstance(result, str) else "done"


if sys.argv[1:] == ["memory"]:
    held = bytearray(400 * MEGABYTE)
    sys.stdout.write(f"{len(held)} bytes were allocated")
else:
    sys.stdout.write(json.dumps({name: outcome(attempt) for name, attempt in ATTEMPTS.items()}))
