"""The reserved share: a part of an account's rate limits for a process that reads beside the holder of the lease.

The holder of the lease spends the account's rate limits. One other process at a time, such as a person's ``explain`` or
the checks of a start, takes a fifth of them. The holder looks every second whether the share is in use, and keeps to
the other four fifths as long as it is. Together they stay within the limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from reconciler.clock import Clock
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.engine.ports import ReservedShare

PART: Final = 0.2
"""The part of every rate limit that is the reserved share."""
CHECK_SECONDS: Final = 1.0
"""How often the holder of the lease looks whether the reserved share is in use."""
ROOM_SECONDS: Final = 3.0
"""How long a process waits before it reads with the reserved share, if another process holds the account.

One second for the holder to notice, one for what it had sent before, and one in reserve. The holder keeps to its part
for as long after it last saw the share in use.
"""


@contextmanager
def with_reserved_share(
    reserved_share: ReservedShare, rate_limiter: RateLimiter, clock: Clock
) -> Iterator[None]:
    """Read with the reserved share for the length of the block. ``rate_limiter`` is this process's own.

    Raises DatabaseBusyError if another process uses the share for longer than a minute.
    """
    rate_limiter.keep_to(PART)
    with reserved_share.entered() as is_held:
        if is_held:
            clock.sleep(ROOM_SECONDS)
        before = rate_limiter.reads
        yield
        if rate_limiter.reads > before:
            # the next process with the share must not read too soon after the last read of this one
            clock.sleep(rate_limiter.spacing)
