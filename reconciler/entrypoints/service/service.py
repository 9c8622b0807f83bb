"""The service under one configuration: a scheduler, and a thread for each account."""

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
from reconciler.entrypoints.service.process_metrics import Metrics
from reconciler.entrypoints.service.replica_group import ReplicaGroup
from reconciler.entrypoints.service.scheduler import JOBS, SweepScheduler
from reconciler.entrypoints.service.service_context import ServiceContext
from reconciler.settings import Settings
from reconciler.wiring.delivery import random_fraction

JOIN_SECONDS: Final = 0.2
LATE_INTERVALS: Final = 3
"""After so many intervals of the most frequent sweep without a complete one, an account is late and the service unhealthy."""


class Service:
    """Runs from ``start`` to ``stop``. A reload makes another one, under the same replica name."""

    def __init__(
        self, settings: Settings, replica: str, clock: Clock, pulse: Pulse, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._scheduler = SweepScheduler(clock, len(settings.accounts), metrics.job_event)
        self._group = ReplicaGroup(
            settings.database_url.get_secret_value(),
            replica,
            [account.name for account in settings.accounts],
            clock,
            settings.service.lease.total_seconds(),
            self.rate_limiters,
            pulse,
        )
        context = ServiceContext(settings, clock, self._group, self._scheduler, pulse, metrics)

        # one circuit for all accounts: they deliver to the same endpoint
        circuit = CircuitBreaker(clock, random_fraction)
        self._workers = [
            AccountWorker(context, account, DeliveryJob(context, account.name, circuit))
            for account in settings.accounts
        ]
        self._is_stopping = False

    def start(self) -> None:
        """Start the scheduler, and take the free leases."""
        self._scheduler.start()
        self._group.start()
        for worker in self._workers:
            worker.start()

    def stop(self, meanwhile: Callable[[], None], seconds: float, *, leaves: bool) -> bool:
        """End every sweep at its next page and give the leases back; False if that takes longer than ``seconds``.

        ``meanwhile`` is called several times a second. ``leaves`` is whether other replicas should take the accounts: not
        if this process reloads, for it takes them again.
        """
        # from now on an ended thread is no fault
        self._is_stopping = True
        if leaves:
            self._group.leave()
        self._scheduler.stop()
        for worker in self._workers:
            worker.stop()

        # all workers stop at the same time: the limit is for all of them together
        until = self._clock.monotonic() + seconds
        for worker in self._workers:
            while worker.is_alive():
                meanwhile()
                if self._clock.monotonic() > until:
                    return False
                worker.join(JOIN_SECONDS)

        # last: the group's thread makes room for other readers while sweeps still run
        self._group.stop()
        return True

    def rate_limiters(self) -> Mapping[str, RateLimiter]:
        """The rate limiter of each account whose lease this process holds now."""
        return {
            worker.account: worker.rate_limiter for worker in self._workers if worker.holds_lease
        }

    @property
    def dead_thread(self) -> str | None:
        """A sentence about a thread that has ended and should not have; None if all run."""
        if self._is_stopping:
            return None
        if not self._scheduler.is_alive:
            return "the scheduler's thread has ended"
        if not self._group.is_alive():
            return "the thread that reads the other replicas has ended"
        dead = [worker.account for worker in self._workers if not worker.is_alive()]
        return f"the thread of account {', '.join(dead)} has ended" if dead else None

    def follow_clock(self) -> float:
        """If the wall clock was set, move all scheduled jobs by as much; returns the seconds, 0 if it was not set."""
        return self._scheduler.follow_clock()

    def status_line(self, running: Sequence[str]) -> str:
        """One line for ``systemctl status``; ``running`` names the running sweeps."""
        held = [worker.account for worker in self._workers if worker.holds_lease]
        if not held:
            return "standing by: other replicas hold the accounts"
        sweeps = f"; sweeps: {', '.join(running)}" if running else ""
        return f"holds {', '.join(held)}{sweeps}"

    def errors(self) -> Mapping[str, str]:
        """What keeps accounts from their work, by account."""
        return {
            worker.account: worker.first_error for worker in self._workers if worker.first_error
        }

    def health(
        self, running: Sequence[str], stuck: Sequence[str]
    ) -> tuple[bool, Mapping[str, object]]:
        """Whether each account had a complete sweep recently or has one that makes progress; and the facts as JSON values.

        ``running`` and ``stuck`` name the sweeps that run and those that make no progress.
        """
        # a first sweep over a large table may take hours: while it makes progress the account is not late
        now = self._clock.monotonic()
        late = [
            worker.account
            for worker in self._workers
            if now - worker.last_covered_at > self._longest_gap(worker)
            and not _has_sweep(worker.account, running)
        ]
        dead_thread = self.dead_thread
        facts: dict[str, object] = {
            "holds": [worker.account for worker in self._workers if worker.holds_lease],
            "running": list(running),
            "stuck": list(stuck),
            "late": late,
            "died": dead_thread,
        }
        return not (late or stuck or dead_thread), facts

    def _longest_gap(self, worker: AccountWorker) -> float:
        """Seconds that an account may be without a complete sweep while none of its sweeps runs."""
        # the most frequent kind of sweep covers what is new; the others find what it cannot
        intervals = [
            job.interval(self._settings, worker.reads_allowed)
            for job in JOBS
            if isinstance(job.kind, SweepKind)
        ]
        stall = self._settings.service.stall.total_seconds()
        return LATE_INTERVALS * min(intervals).total_seconds() + stall


def _has_sweep(account: str, running: Sequence[str]) -> bool:
    return any(name.startswith(f"{account}:") for name in running if not is_delivery(name))
