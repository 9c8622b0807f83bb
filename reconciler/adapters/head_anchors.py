"""Writes the head of a ledger outside the database: to a file, and to a program of the merchant's."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import stat
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final, cast

from reconciler.clock import Clock
from reconciler.errors import AnchorError

LONGEST_SECONDS: Final = 10.0
"""How long the program may take."""
STOP_SECONDS: Final = 2.0
"""How long the program may go on after Reconciler was asked to end."""
_POLL_SECONDS: Final = 0.1
LOCK_TRIES: Final = 20
_OWN_VARIABLES: Final = (
    "RECONCILER_",
    "STRIPE_",
    "DATABASE_URL",
    "CREDENTIALS_DIRECTORY",
    "PGPASS",
)
"""What begins the names of variables with Reconciler's secrets: the program does not get them."""


def append_line(path: Path, line: bytes, clock: Clock, stopping: threading.Event) -> None:
    """Add a line to a file, and wait until the disk has it. A line is there whole or not at all.

    Raises AnchorError, also if another process locks the file for some seconds.
    """
    try:
        # a pipe without a reader must not hold the sweep
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
        descriptor = os.open(path, flags, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise AnchorError(
                    _what(path, "the path does not lead to a regular file"), _file_hint(path)
                )
            _lock(descriptor, clock, stopping)
            _append(descriptor, line)
        finally:
            os.close(descriptor)
        _sync_folder(path.parent)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise AnchorError(_what(path, why), _file_hint(path)) from None


def _what(path: Path, why: str | None) -> str:
    return (
        "Reconciler could not add the ledger's head (number and hash of its last entry) to the "
        f"anchor file {path} ({why})."
    )


def _file_hint(path: Path) -> str:
    return (
        f"Let Reconciler's user write to {path} and to its folder, or correct [ledger] anchor_file."
    )


def _lock(descriptor: int, clock: Clock, stopping: threading.Event) -> None:
    """Keep other processes that write to the file out until it is closed. Raises BlockingIOError."""
    for _ in range(LOCK_TRIES - 1):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        clock.wait(stopping, _POLL_SECONDS)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _append(descriptor: int, line: bytes) -> None:
    size = os.fstat(descriptor).st_size
    # a crash of the machine may have left a part of a line
    is_torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
    text = b"\n" + line if is_torn else line
    try:
        # what the disk does not take at once, it refuses with the reason
        while text:
            text = text[os.write(descriptor, text) :]
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def run_command(
    command: tuple[str, ...],
    line: bytes,
    environ: Mapping[str, str],
    stopping: threading.Event,
) -> None:
    """Start a program with a line as its standard input, and kill it and its children if it takes too long.

    It gets the environment without Reconciler's secrets. Its standard output is dropped; its standard error is that of
    this process. Raises AnchorError.
    """
    name = command[0]
    hint = (
        f"Run {name} by hand, and give it an anchor on its standard input. The command has to end "
        f"with exit code 0 within {LONGEST_SECONDS:g} s."
    )
    kept = {key: value for key, value in environ.items() if not key.startswith(_OWN_VARIABLES)}
    try:
        process = subprocess.Popen(  # noqa: S603 - the merchant names the program
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=kept,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise AnchorError(
            f"The anchor command {name} could not be started ({why}).", hint
        ) from None
    code = _fed_and_awaited(process, line, stopping)
    if code is None:
        raise AnchorError(
            f"The anchor command {name} did not end within {LONGEST_SECONDS:g} s, so Reconciler killed it.",
            hint,
        )
    if code != 0:
        raise AnchorError(f"The anchor command {name} ended with exit code {code}.", hint)


def _fed_and_awaited(
    process: subprocess.Popen[bytes], line: bytes, stopping: threading.Event
) -> int | None:
    """The exit code of the program; None if it was killed because its time was over."""
    # a line fits into the pipe, so that this does not wait for the program; one that does not read is no fault
    with contextlib.suppress(BrokenPipeError), cast("IO[bytes]", process.stdin) as stream:
        stream.write(line)
    waited = waited_after_stop = 0.0
    while waited < LONGEST_SECONDS and waited_after_stop < STOP_SECONDS:
        try:
            return process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            waited += _POLL_SECONDS
            waited_after_stop += _POLL_SECONDS if stopping.is_set() else 0
    # it has a session of its own, so that its children end too
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return None
