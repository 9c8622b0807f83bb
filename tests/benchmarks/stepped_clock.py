"""A clock that advances only when a benchmark advances it, while waits take real time."""

from __future__ import annotations

import threading

from reconciler.clock import ManualClock


class SteppedClock(ManualClock):
    """Unlike with ManualClock, a wait does not advance it: the waits of the lease's thread would advance it by years."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.wait(max(0.0, seconds))
