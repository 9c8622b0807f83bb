"""The service under one configuration: a timetable, and a worker for each account."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from reconciler.clock import Clock
from reconciler.engine.watch import Pulse
from reconciler.entrypoints.service.metrics import Metrics
from reconciler.entrypoints.service.timetable import JOBS, Timetable
from reconciler.entrypoints.service.worker import AccountWorker
from reconciler.settings import Settings

JOIN_SECONDS: Final = 0.2
LATE: Final = 3
"""After so many intervals of the quickest pass without a complete one, the service no longer counts as alive."""


class Service:
    """Begins with ``start`` and ends with ``stop``; a reload makes another one."""

    def __init__(self, settings: Settings, clock: Clock, pulse: Pulse, metrics: Metrics) -> None:
        self._settings = settings
        self._clock = clock
        self._timetable = Timetable(clock, len(settings.accounts), metrics.heard)
        self._workers = [
            AccountWorker(settings, account, clock, self._timetable, pulse, metrics)
            for account in settings.accounts
        ]
        self._is_stopping = False

    def start(self) -> None:
        """Let time run and take what leases are free."""
        self._timetable.start()
        for worker in self._workers:
            worker.start()

    def stop(self, meanwhile: Callable[[], None], seconds: float) -> bool:
        """End every pass at its next page and give the leases back; False where that takes longer.

        ``meanwhile`` is called several times a second.
        """
        self._is_stopping = True
        self._timetable.stop()
        for worker in self._workers:
            worker.stop()
        until = self._clock.monotonic() + seconds
        for worker in self._workers:
            while worker.is_alive():
                meanwhile()
                if self._clock.monotonic() > until:
                    return False
                worker.join(JOIN_SECONDS)
        return True

    @property
    def lives(self) -> bool:
        """Whether every thread is there that should be."""
        return self.died is None

    @property
    def died(self) -> str | None:
        """Which thread is gone, None where all are there."""
        if self._is_stopping:
            return None
        if not self._timetable.lives:
            return "the scheduler's thread has ended"
        gone = [worker.account for worker in self._workers if not worker.is_alive()]
        return f"the thread of account {', '.join(gone)} has ended" if gone else None

    def follow_clock(self) -> float:
        """Move the timetable along with a wall clock that was set; by how many seconds."""
        return self._timetable.follow_clock()

    def status(self, running: Sequence[str]) -> str:
        """One line for ``systemctl status``."""
        held = [worker.account for worker in self._workers if worker.holds]
        if not held:
            return "standing by: others hold the accounts"
        doing = f"; passes: {', '.join(running)}" if running else ""
        return f"holds {', '.join(held)}{doing}"

    def troubles(self) -> Mapping[str, str]:
        """What keeps accounts from their work."""
        return {worker.account: worker.trouble for worker in self._workers if worker.trouble}

    def _longest_rest(self, worker: AccountWorker) -> float:
        """Seconds that may go by without a complete pass, while none moves."""
        every = [job.every(self._settings, worker.reads_allowed) for job in JOBS]
        return LATE * min(every).total_seconds() + self._settings.service.stall.total_seconds()

    def alive(
        self, running: Sequence[str], stuck: Sequence[str]
    ) -> tuple[bool, Mapping[str, object]]:
        """Whether each account had a complete pass lately, or has one that moves."""
        now = self._clock.monotonic()
        late = [
            worker.account
            for worker in self._workers
            if now - worker.moved_at > self._longest_rest(worker)
            and not any(name.startswith(f"{worker.account}:") for name in running)
        ]
        died = self.died
        facts: dict[str, object] = {
            "holds": [worker.account for worker in self._workers if worker.holds],
            "running": list(running),
            "stuck": list(stuck),
            "late": late,
            "died": died,
        }
        return not (late or stuck or died), facts
