"""A clock that moves only when a benchmark says so, under which threads still wait for real."""

from __future__ import annotations

import threading

from reconciler.clock import ManualClock


class StandingClock(ManualClock):
    """Waiting does not move it: the lease's thread, which waits between its renewals, would run through the years."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.wait(max(0.0, seconds))
