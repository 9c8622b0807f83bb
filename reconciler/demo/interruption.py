"""Ctrl-C and SIGTERM, taken only where they leave nothing behind."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Final, Self

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Holds both signals back for the length of a with block, except where they are welcome.

    One that has come meanwhile takes effect, as KeyboardInterrupt, where it is welcome next or at the block's end. So
    what is begun outside of ``welcome`` is put away too. In a thread other than the main one it does nothing.
    """

    def __init__(self) -> None:
        self.has_come = False
        self._is_welcome = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._take) for number in _SIGNALS}
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        if exc is None:
            self.take_effect()

    @contextmanager
    def welcome(self) -> Iterator[None]:
        """A block that may be interrupted at any point."""
        self._is_welcome = True
        try:
            self.take_effect()
            yield
        finally:
            self._is_welcome = False

    def take_effect(self) -> None:
        """Raise KeyboardInterrupt if a signal has come, also where somebody has swallowed it."""
        if self.has_come:
            self._is_welcome = False
            raise KeyboardInterrupt

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        self.has_come = True
        if self._is_welcome:
            # what is put away now is not to be interrupted by a second one
            self._is_welcome = False
            raise KeyboardInterrupt
