"""Large answers: few of them are in memory at the same time, from their second megabyte until they are parsed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

ORDINARY_BODY: Final = 1024 * 1024
"""Bytes. Of larger bodies the process holds at most MOST_LARGE_BODIES at the same time, so that all threads together stay
within the service's memory."""
MOST_LARGE_BODIES: Final = 3

_free = threading.BoundedSemaphore(MOST_LARGE_BODIES)
_of_thread = threading.local()


@contextmanager
def holding_answer() -> Iterator[None]:
    """For the length of the block the thread receives one answer and parses it."""
    _of_thread.is_large = False
    try:
        yield
    finally:
        if _of_thread.is_large:
            _of_thread.is_large = False
            _free.release()


def wait_for_room(size: int, wait_seconds: Callable[[], float]) -> None:
    """Before more of a body is received that has this size: wait, if it is large, until few enough others are held.

    ``wait_seconds`` gives the length of each wait, and what it raises ends the waiting. Call it inside ``holding_answer``.
    """
    if size <= ORDINARY_BODY or _of_thread.is_large:
        return
    while not _free.acquire(timeout=wait_seconds()):
        pass
    _of_thread.is_large = True
