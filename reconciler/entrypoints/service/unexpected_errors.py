"""Errors that nothing in the program expects: none leaves a thread dead behind a process that seems to work."""

from __future__ import annotations

import os
import sys
import threading
from types import TracebackType
from typing import Final

import structlog

from reconciler.exit_codes import ExitCode

BUG_HINT: Final = "This is a bug in Reconciler: report it with this line of the log."

log = structlog.stdlib.get_logger()


class UnexpectedErrors:
    """Remembers the first thread that an error has ended, so that the main thread can end the process."""

    def __init__(self) -> None:
        self.dead_thread: str | None = None

    def watch(self) -> None:
        """Watch every thread of the process from now on, the main thread included."""
        threading.excepthook = self._note_thread
        sys.excepthook = _end_after_main_thread

    def _note_thread(self, ended: threading.ExceptHookArgs) -> None:
        # a thread that ends itself so is no error
        if ended.exc_type is SystemExit:
            return
        name = ended.thread.name if ended.thread is not None else "(unknown)"
        error = (ended.exc_type, ended.exc_value, ended.exc_traceback)
        log.critical("thread.died", thread=name, hint=BUG_HINT, exc_info=error)
        if self.dead_thread is None:
            self.dead_thread = f"the thread {name} has ended: unexpected {ended.exc_type.__name__}"


def _end_after_main_thread(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """End the process: the interpreter itself would wait for every thread of a pool, without end if one hangs."""
    log.critical("thread.died", thread="main", hint=BUG_HINT, exc_info=(kind, error, traceback))
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(int(ExitCode.TEMPORARY))
