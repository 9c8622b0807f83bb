"""The sweeps and chores of one account while its lease is ours: by the timetable, and as people ask."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from reconciler.adapters.postgres.coordination.status import PostgresStatus
from reconciler.adapters.postgres.database import Database
from reconciler.clock import Clock
from reconciler.engine.account import OpenAccount
from reconciler.engine.actor import SERVICE
from reconciler.engine.health.status import COVERING
from reconciler.engine.health.watchdog import Pulse, Steps
from reconciler.engine.lease.lease import Lease
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.engine.limits.read_quota import ReadQuota
from reconciler.engine.ports import Progress
from reconciler.engine.report import Mode, SweepKind, SweepReport, SweepRequest, Writing
from reconciler.engine.sweep_requests.hand_over import RequestProgress, SweepRequests, serve_next
from reconciler.entrypoints.service.account_errors import AccountErrors
from reconciler.entrypoints.service.delivery_job import DELIVER, DeliveryJob
from reconciler.entrypoints.service.metrics import Metrics
from reconciler.entrypoints.service.progress_log import LoggedProgress, wide
from reconciler.entrypoints.service.replica_group import ReplicaGroup
from reconciler.entrypoints.service.scheduler import JOBS, TAIL, Chore, Job, SweepScheduler
from reconciler.entrypoints.service.service_status_row import ServiceStatusRow
from reconciler.entrypoints.service.sweep_slots import SweepSlots
from reconciler.errors import LeaseLostError, ReconcilerError, StoppedError
from reconciler.masking import redact
from reconciler.settings import Settings

AT_ONCE_UP_TO_SECONDS: Final = 3600.0
"""A job that comes round at least so often runs at once at a takeover; a rarer one when its time has come."""
LONGEST_DELAY_SECONDS: Final = 10.0
"""How long a page in hand may go on trying after a stop."""
REQUESTS: Final = "request"
HOUSEKEEPING: Final = "housekeeping"

log = structlog.stdlib.get_logger()


def raise_if_lease_lost(account: str, lease: Lease) -> None:
    """Raise LeaseLostError where the lease is another's, or may be by now."""
    lease.raise_if_lost()
    if lease.has_run_out:
        raise LeaseLostError(
            f"The lease on account {account} was not renewed in time.",
            "Nothing is written or read until it is taken anew, here or elsewhere.",
        )


class AccountSweeps:
    """Between ``begin`` and ``end`` the timetable casts them; each is made under the lease that ``begin`` was given."""

    def __init__(
        self,
        settings: Settings,
        account: str,
        clock: Clock,
        group: ReplicaGroup,
        scheduler: SweepScheduler,
        pulse: Pulse,
        metrics: Metrics,
        deliverer: DeliveryJob,
        rate_limiter: RateLimiter,
        quota: ReadQuota,
        stopping: threading.Event,
        giving_up: threading.Event,
    ) -> None:
        self._settings = settings
        self._account = account
        self._clock = clock
        self._group = group
        self._scheduler = scheduler
        self._pulse = pulse
        self._metrics = metrics
        self._deliverer = deliverer
        self._rate_limiter = rate_limiter
        self._allowance = quota
        self._stopping = stopping
        self._giving_up = giving_up
        self._mode = settings.corrections.mode
        self._lease: Lease | None = None
        self._refused_by: str | None = None
        self._slots: SweepSlots | None = None
        self._row: ServiceStatusRow | None = None
        self.errors_met = AccountErrors()
        self.moved_at = clock.monotonic()
        """When a sweep last ended well, or the lease was last seen in another's hands: what being alive means."""

    @property
    def under_lease(self) -> bool:
        """Whether the account is ours now."""
        return self._lease is not None

    def begin(self, lease: Lease, slots: SweepSlots, row: ServiceStatusRow) -> None:
        """The account is ours from now on."""
        self._giving_up.clear()
        self._slots = slots
        self._lease, self._row = lease, row
        self.set_error("account", None)
        self.moved_at = self._clock.monotonic()
        self._metrics.holds(self._account, held=True)

    def end(self, slots: SweepSlots) -> None:
        """Wait for the sweeps in hand before the lease goes back; they end at their next page."""
        self._scheduler.drop(self._account)
        self._lease = None
        self._metrics.holds(self._account, held=False)
        if not slots.idle_but(REQUESTS, LONGEST_DELAY_SECONDS):
            # whoever waits for Stripe is told that it cannot be had; the page ends with what it has
            self._giving_up.set()
            slots.idle_but(REQUESTS, None)
        self._row = None

    def schedule(self, status: PostgresStatus, row: ServiceStatusRow, database: Database) -> None:
        """A frequent job begins at once; a rare one when its last complete sweep is old enough."""
        ages = {row[0]: row[3] for row in status.sweeps() if row[3] is not None}
        for job in (job for job in JOBS if job.exists(self._settings)):
            every = job.every(self._settings, self._allowance.allowed)
            known = [ages[kind] for kind in COVERING.get(job.name, ()) if kind in ages]
            first = 0.0
            if every.total_seconds() > AT_ONCE_UP_TO_SECONDS and known:
                first = every.total_seconds() - min(known)
            run: Callable[[Steps], None]
            match job.kind:
                case SweepKind():
                    run = partial(self._cast, job, job.kind)
                case Chore.HOUSEKEEPING:
                    run = partial(self._keep_house, row)
                case Chore.DELIVER:
                    run = partial(self._deliver, database)
            self._scheduler.put(self._account, job, every, first, partial(self._work, job, run))

    def serve_one(self, opened: OpenAccount, lease: Lease, steps: Steps) -> SweepReport | None:
        """Make the sweep that was asked for first; None where none was. Raises what the requests raise."""
        requests: SweepRequests = opened.requests

        def run(request: SweepRequest, number: int) -> SweepReport:
            log.info(
                "request.taken", account=self._account, request=number, asked_by=request.asked_by
            )
            return self._sweep(
                REQUESTS,
                opened,
                request,
                lambda other: RequestProgress(requests, number, lease.epoch, self._clock, other),
                steps,
            )

        return serve_next(requests, lease.epoch, self._mode, run)

    def _work(self, job: Job, run: Callable[[Steps], None]) -> None:
        """One run of a job. What it does before and after its sweep can hang as well as the sweep."""
        with self._pulse.attending(f"job {self._account}:{job.name}") as steps:
            run(steps)

    def _cast(self, job: Job, kind: SweepKind, steps: Steps) -> None:
        """One sweep of the timetable."""
        slots = self._slots
        if slots is None or self._lease is None or self._stopping.is_set():
            return
        writing = Writing.ROWS if self._mode is Mode.UPDATE else Writing.FINDINGS
        request = SweepRequest(kind=kind, writing=writing, asked_by=SERVICE)
        try:
            with slots.using(job.name) as opened:
                report = self._sweep(job.name, opened, request, lambda progress: progress, steps)
        except LeaseLostError:
            return  # the worker says so, once
        except ReconcilerError as error:
            self.set_error(job.name, error)
            self._metrics.failed(self._account, job.name, error)
            log.warning("sweep.failed", account=self._account, job=job.name, why=redact(str(error)))
            slots.renew(job.name)
            return
        if report.failure is not None and not isinstance(report.failure, StoppedError):
            slots.renew(job.name)

    def _deliver(self, database: Database, steps: Steps) -> None:
        """One run of what the outbox has for the merchant's endpoint."""
        slots, lease = self._slots, self._lease
        if slots is None or lease is None or self._stopping.is_set():
            return
        with slots.busy(DELIVER), steps.resting():
            report = self._deliverer.run(database, lease.epoch, self._check, self._stopping)
        self.set_error(DELIVER, report.error_met)

    def _sweep(
        self,
        job: str,
        opened: OpenAccount,
        request: SweepRequest,
        told: Callable[[Progress], Progress],
        steps: Steps,
    ) -> SweepReport:
        lease = self._lease
        if lease is None:
            raise LeaseLostError("The account is no longer ours.", "Another process goes on.")
        name = f"{self._account}:{job}"
        with (
            steps.resting(),
            self._pulse.watching(name, lambda: opened.stripe.reads) as pulse,
        ):
            watched = LoggedProgress(pulse, self._metrics, opened, job, self._clock)
            report = opened.sweep_under(lease.epoch, self._check, request, told(watched))
        self._note(job, report)
        return report

    def _check(self) -> None:
        """What a sweep asks between pages."""
        if self._stopping.is_set():
            raise StoppedError(
                "The service was stopped; what had been recorded stays.", "The next sweep goes on."
            )
        lease = self._lease
        if lease is None:
            raise LeaseLostError("The account is no longer ours.", "Another process goes on.")
        raise_if_lease_lost(self._account, lease)

    def _note(self, job: str, report: SweepReport) -> None:
        failure = report.failure
        if report.complete:
            self.moved_at = self._clock.monotonic()
        if not isinstance(failure, StoppedError | LeaseLostError) and job != REQUESTS:
            self.set_error(job, failure)
        row = self._row
        self._metrics.ended(report, job, () if row is None else row.delays(report))
        if row is not None:
            row.rate_usage(self._rate_limiter)
        level = log.info if report.complete or isinstance(failure, StoppedError) else log.warning
        level("sweep.finished", job=job, **wide(report))

    def _keep_house(self, row: ServiceStatusRow, steps: Steps) -> None:
        """Remove what nobody needs any longer, and follow the number of transactions."""
        row.delete_old_rows()
        slots = self._slots
        if slots is None:
            return
        steps.advance()
        try:
            with slots.using(HOUSEKEEPING) as opened:
                steps.advance()
                opened.count_transactions()
        except ReconcilerError as error:
            slots.renew(HOUSEKEEPING)
            log.warning("transactions.uncounted", account=self._account, why=redact(str(error)))
            return
        every = TAIL.every(self._settings, self._allowance.allowed)
        if self._scheduler.set_interval(self._account, TAIL, every):
            log.info("tail.paced", account=self._account, seconds=every.total_seconds())

    def set_error(self, where: str, error: ReconcilerError | None) -> None:
        """Keep it for /readyz, for the other replicas and, while the account is ours, for ``reconciler status``."""
        self.errors_met.put(where, error)
        needs_person, row = self.errors_met.need_a_person, self._row
        if needs_person:
            self._refused_by = where if error is not None else self._refused_by
            self._group.cannot_work(self._account)
        if row is not None and self._lease is not None:
            if error is None and not needs_person and self._proves(where):
                self._group.works(self._account)
            row.error_met(self.errors_met)

    def _proves(self, where: str) -> bool:
        """Whether what went well shows that the account can be worked on: the same sweep that could not, where one could not."""
        if where in ("account", DELIVER):
            return False
        return self._refused_by in (None, "account", where)
