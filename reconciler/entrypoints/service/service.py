"""The service under one configuration: a scheduler, and a thread for each account."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from reconciler.clock import Clock
from reconciler.engine.delivery.circuit_breaker import CircuitBreaker
from reconciler.engine.health.watchdog import Pulse
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.engine.report import SweepKind
from reconciler.entrypoints.service.account_sweeps import LONGEST_DELAY_SECONDS
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
"""After so many intervals of the most frequent sweep without a complete one, an account is late and the service not ready."""


class Service:
    """Runs from ``start`` to ``stop``. A reload makes another one, under the same replica name."""

    def __init__(
        self, settings: Settings, replica: str, clock: Clock, pulse: Pulse, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._scheduler = SweepScheduler(
            clock, len(settings.accounts), metrics.job_event, self._note_unexpected_error
        )
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

    def stop(self, is_over: Callable[[], bool], *, leaves: bool) -> bool:
        """End every sweep at its next page and give the leases back; False if ``is_over`` says so before that is done.

        ``is_over`` is called several times a second. ``leaves`` is whether other replicas should take the accounts: not
        if this process reloads, for it takes them again.
        """
        # from now on an ended thread is no fault
        self._is_stopping = True
        if leaves:
            self._group.leave()
        self._scheduler.stop()
        for worker in self._workers:
            worker.stop()

        # all workers stop at the same time: the limits are for all of them together
        give_up_at = self._clock.monotonic() + LONGEST_DELAY_SECONDS
        for worker in self._workers:
            while worker.is_alive():
                if is_over():
                    return False
                if self._clock.monotonic() > give_up_at:
                    for waiting in self._workers:
                        waiting.give_up()
                worker.join(JOIN_SECONDS)

        # last: the group's thread makes room for other readers while sweeps still run
        self._group.stop()
        while self._group.is_alive() and not is_over():
            self._group.join(JOIN_SECONDS)
        return True

    def _note_unexpected_error(self, account: str, job: str, error: BaseException) -> None:
        for worker in self._workers:
            if worker.account == account:
                worker.note_unexpected_error(job, error)

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
        """Whether all threads live and all work moves; and the facts as JSON values.

        ``running`` and ``stuck`` name the sweeps that run and those that make no progress. An outage of Stripe or of the
        database is no fault of the process: sweeps end with errors then, and a restart would not help.
        """
        now = self._clock.monotonic()
        still = [
            worker.account
            for worker in self._workers
            if now - worker.last_ended_at > self._longest_gap(worker)
            and not _has_sweep(worker.account, running)
        ]
        dead_thread = self.dead_thread
        facts: dict[str, object] = {
            "holds": [worker.account for worker in self._workers if worker.holds_lease],
            "running": list(running),
            "stuck": list(stuck),
            "still": still,
            "late": self.late(running),
            "died": dead_thread,
        }
        return not (still or stuck or dead_thread), facts

    def late(self, running: Sequence[str]) -> list[str]:
        """The accounts that had no complete sweep for too long. ``running`` names the sweeps that run."""
        # a first sweep over a large table may take hours: while it makes progress the account is not late
        now = self._clock.monotonic()
        return [
            worker.account
            for worker in self._workers
            if now - worker.last_covered_at > self._longest_gap(worker)
            and not _has_sweep(worker.account, running)
        ]

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
