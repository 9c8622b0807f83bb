"""Work that may wait for long: it says what it waits for, and ends at a time limit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from reconciler.clock import Clock
from reconciler.entrypoints.cli.output import warn
from reconciler.entrypoints.invocation import PROGRAM
from reconciler.errors import ReconcilerError

Result = TypeVar("Result")

NOTICE_SECONDS: Final = 5.0
"""After so long a person is told what the command waits for."""


class TimeLimitError(ReconcilerError):
    """The time limit of --timeout is over."""


@dataclass
class TimedWork(Generic[Result]):
    """Work on a thread of its own, so that the command can end before it does.

    The work says with ``waits_for`` what it waits for. ``stopping`` is set when the time is over, or the command is
    interrupted: the work should end then, and nothing waits for it.
    """

    clock: Clock
    stopping: threading.Event = field(default_factory=threading.Event)
    waits_for: str = "the database"
    quiet: bool = False
    _result: list[Result] = field(default_factory=list)
    _error: list[BaseException] = field(default_factory=list)

    def _notice(self, text: str) -> None:
        if not self.quiet:
            warn(text)

    def run(self, work: Callable[[], Result], seconds: float) -> Result:
        """The result of the work. Raises what it raises, or TimeLimitError after so many seconds."""
        done = threading.Event()

        def target() -> None:
            try:
                self._result.append(work())
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
                self._error.append(error)
            finally:
                done.set()

        threading.Thread(target=target, name="timed work", daemon=True).start()
        notice = min(NOTICE_SECONDS, seconds)
        try:
            if not self.clock.wait(done, notice) and seconds > notice:
                self._notice(f"{PROGRAM}: waiting for {self.waits_for}, for at most {seconds:g} s.")
                self.clock.wait(done, seconds - notice)
        finally:
            self.stopping.set()
        if self._error:
            raise self._error[0]
        if not self._result:
            raise TimeLimitError(
                f"{self.waits_for[0].upper()}{self.waits_for[1:]} did not answer within {seconds:g} s.",
                "Try again, or wait longer with --timeout SECONDS.",
            )
        return self._result[0]
