"""Ctrl-C, SIGTERM and the end of the terminal, delayed until the demonstration can remove what it has made."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Final, Self

from reconciler.interrupted import Interrupted

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """Delays these signals for the length of a with block, except inside ``allowed``.

    A delayed signal becomes an Interrupted, which is a KeyboardInterrupt, at the next ``allowed``, or at the end of the
    block. So the cleanup that surrounds ``allowed`` is never interrupted. A signal that the process ignores stays ignored,
    as SIGINT in the background of a shell and SIGHUP after nohup. In a thread other than the main one it does nothing.
    """

    def __init__(self) -> None:
        self.was_requested = False
        self._is_allowed = False
        self._previous_handlers: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        # Python lets only the main thread set signal handlers
        if threading.current_thread() is threading.main_thread():
            self._previous_handlers = {
                number: signal.signal(number, self._handle)
                for number in _SIGNALS
                if signal.getsignal(number) is not signal.SIG_IGN
            }
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # restored first: a signal from here on is the caller's
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        # an error of the block is more important than the signal
        if exc is None:
            self.raise_if_requested()

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """For the length of the block, a signal raises Interrupted at once."""
        self._is_allowed = True
        try:
            self.raise_if_requested()
            yield
        finally:
            self._is_allowed = False

    def raise_if_requested(self) -> None:
        """Raise Interrupted if a signal has come, even if an earlier KeyboardInterrupt for it was caught."""
        if self.was_requested:
            self._is_allowed = False
            raise Interrupted

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.was_requested = True
        if self._is_allowed:
            # a second signal must not interrupt the cleanup that follows
            self._is_allowed = False
            raise Interrupted
