"""SIGTERM and SIGINT for a command: every wait for Stripe ends, and after some seconds the process does too.

The signal itself raises KeyboardInterrupt in the main thread, so that a sweep finishes its page and prints its report. That
does not reach the other threads, nor a main thread that waits for a database which does not answer. A thread that only
watches for the signal does.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import Final

from reconciler.clock import SystemClock

STOPPING: Final = threading.Event()
"""Set once the process was asked to end. The service does not use it: it blocks the signals and fetches them itself."""
STOP_SECONDS: Final = 4.0
INTERRUPTED: Final = 130
"""The exit code that a shell shows for a program that was ended by SIGINT."""
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_LATE: Final = (
    b"reconciler: interrupted; it did not end by itself within 4 s. What had been recorded stays.\n"
)


def watch_stop_signals() -> None:
    """Watch for both signals from now on. For the main thread, before it starts other threads."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    # Python's handler in C writes the number of each signal there, also if the main thread is stuck
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    # a thread inherits what is blocked: every signal must go to the main thread, or be fetched there
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    threading.Thread(target=_watch, args=(reader,), name="stop signal", daemon=True).start()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_stop_signals() -> None:
    """Watch no longer, because the command has something of its own to remove before it may end."""
    if threading.current_thread() is threading.main_thread():
        signal.set_wakeup_fd(-1)


def _watch(reader: int) -> None:
    while os.read(reader, 1)[0] not in _SIGNALS:
        pass
    STOPPING.set()
    SystemClock().sleep(STOP_SECONDS)
    os.write(2, _LATE)
    os._exit(INTERRUPTED)
