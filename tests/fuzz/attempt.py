"""What a fuzzer calls again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from random import Random

Attempt = Callable[[Random], int]
"""Makes input, raises AssertionError or another error if it is not answered as it must be, and returns how much was tried."""
Target = Callable[[], AbstractContextManager[Attempt]]
"""Sets up what the attempts need, and clears it away."""


def plain(one: Callable[[Random], None]) -> Target:
    """A target without anything to set up, which tries one input at a time."""

    @contextmanager
    def target() -> Iterator[Attempt]:
        def attempt(random: Random) -> int:
            one(random)
            return 1

        yield attempt

    return target
