"""Reading an account beside its holder: a person's few reads, and the checks of a start.

Whoever holds the account's lease spends its budget. A guest takes a fifth of it, one guest at a time, and the holder,
who looks for guests every second, takes the rest meanwhile. So both together stay within the limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Protocol

from reconciler.clock import Clock
from reconciler.engine.limits.rate_limiter import RateLimiter

PART: Final = 0.2
"""The guest's part of every rate."""
LOOK_SECONDS: Final = 1.0
"""How often a holder looks for guests."""
ROOM_SECONDS: Final = 3.0
"""How long a guest waits until it reads: the holder's look, a second for what it had sent, and one in reserve. So long
the holder makes room after it last saw one, too."""


class ReservedShare(Protocol):
    """Where the guests of one account enter."""

    def entered(self) -> AbstractContextManager[bool]:
        """Be the account's guest for the length of the block; whether another process holds the account."""
        ...


@contextmanager
def with_reserved_share(
    book: ReservedShare, rate_limiter: RateLimiter, clock: Clock
) -> Iterator[None]:
    """Read at a guest's pace for the length of the block. ``pacer`` is the guest's own.

    Raises what entering raises: DatabaseBusyError where another guest stays for longer than a minute.
    """
    rate_limiter.keep_to(PART)
    with book.entered() as beside:
        if beside:
            clock.sleep(ROOM_SECONDS)
        before = rate_limiter.reads
        yield
        if rate_limiter.reads > before:
            # the next guest's reads keep their distance from ours
            clock.sleep(rate_limiter.spacing)
