"""The service under one configuration: a timetable, and a worker for each account."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from reconciler.clock import Clock
from reconciler.engine.delivery.circuit_breaker import CircuitBreaker
from reconciler.engine.health.watchdog import Pulse
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.engine.report import SweepKind
from reconciler.entrypoints.service.account_worker import AccountWorker
from reconciler.entrypoints.service.delivery_job import DeliveryJob, is_delivery
from reconciler.entrypoints.service.metrics import Metrics
from reconciler.entrypoints.service.replica_group import ReplicaGroup
from reconciler.entrypoints.service.scheduler import JOBS, SweepScheduler
from reconciler.settings import Settings
from reconciler.wiring import chance

JOIN_SECONDS: Final = 0.2
LATE: Final = 3
"""After so many intervals of the quickest sweep without a complete one, the service no longer counts as alive."""


class Service:
    """Begins with ``start`` and ends with ``stop``; a reload makes another one of the same replica's name."""

    def __init__(
        self, settings: Settings, replica: str, clock: Clock, pulse: Pulse, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._scheduler = SweepScheduler(clock, len(settings.accounts), metrics.heard)
        self._group = ReplicaGroup(
            settings.database_url.get_secret_value(),
            replica,
            [account.name for account in settings.accounts],
            clock,
            settings.service.lease.total_seconds(),
            self.rate_limiters,
            pulse,
        )
        circuit = CircuitBreaker(clock, chance)
        self._workers = [
            AccountWorker(
                settings,
                account,
                clock,
                self._group,
                self._scheduler,
                pulse,
                metrics,
                DeliveryJob(settings, account.name, clock, circuit, pulse, metrics),
            )
            for account in settings.accounts
        ]
        self._is_stopping = False

    def start(self) -> None:
        """Let time run and take what leases are free."""
        self._scheduler.start()
        self._group.start()
        for worker in self._workers:
            worker.start()

    def stop(self, meanwhile: Callable[[], None], seconds: float, *, leaves: bool) -> bool:
        """End every sweep at its next page and give the leases back; False where that takes longer.

        ``meanwhile`` is called several times a second. ``leaves`` is whether the other replicas shall have the accounts:
        after a reload they are still for this one to take.
        """
        self._is_stopping = True
        if leaves:
            self._group.leave()
        self._scheduler.stop()
        for worker in self._workers:
            worker.stop()
        until = self._clock.monotonic() + seconds
        for worker in self._workers:
            while worker.is_alive():
                meanwhile()
                if self._clock.monotonic() > until:
                    return False
                worker.join(JOIN_SECONDS)
        self._group.stop()
        return True

    def rate_limiters(self) -> Mapping[str, RateLimiter]:
        """The pacer of each account that is held here now."""
        return {worker.account: worker.rate_limiter for worker in self._workers if worker.holds}

    @property
    def lives(self) -> bool:
        """Whether every thread is there that should be."""
        return self.died is None

    @property
    def died(self) -> str | None:
        """Which thread is gone, None where all are there."""
        if self._is_stopping:
            return None
        if not self._scheduler.lives:
            return "the scheduler's thread has ended"
        if not self._group.is_alive():
            return "the thread that sees the other replicas has ended"
        gone = [worker.account for worker in self._workers if not worker.is_alive()]
        return f"the thread of account {', '.join(gone)} has ended" if gone else None

    def follow_clock(self) -> float:
        """Move the timetable along with a wall clock that was set; by how many seconds."""
        return self._scheduler.follow_clock()

    def status(self, running: Sequence[str]) -> str:
        """One line for ``systemctl status``."""
        held = [worker.account for worker in self._workers if worker.holds]
        if not held:
            return "standing by: others hold the accounts"
        doing = f"; sweeps: {', '.join(running)}" if running else ""
        return f"holds {', '.join(held)}{doing}"

    def errors_met(self) -> Mapping[str, str]:
        """What keeps accounts from their work."""
        return {worker.account: worker.error_met for worker in self._workers if worker.error_met}

    def _longest_rest(self, worker: AccountWorker) -> float:
        """Seconds that may go by without a complete sweep, while none moves."""
        every = [
            job.every(self._settings, worker.reads_allowed)
            for job in JOBS
            if isinstance(job.kind, SweepKind)
        ]
        return LATE * min(every).total_seconds() + self._settings.service.stall.total_seconds()

    def alive(
        self, running: Sequence[str], stuck: Sequence[str]
    ) -> tuple[bool, Mapping[str, object]]:
        """Whether each account had a complete sweep lately, or has one that moves."""
        now = self._clock.monotonic()
        late = [
            worker.account
            for worker in self._workers
            if now - worker.moved_at > self._longest_rest(worker)
            and not any(
                name.startswith(f"{worker.account}:") for name in running if not is_delivery(name)
            )
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
