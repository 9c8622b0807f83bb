"""The sweeps and chores of one account while this process holds its lease: scheduled ones, and those a person requests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from reconciler.adapters.postgres.coordination.status import PostgresStatus
from reconciler.adapters.postgres.database import Database
from reconciler.domain.audit.ledger_entry import LedgerHead
from reconciler.engine.account import OpenAccount
from reconciler.engine.health.status import COVERING
from reconciler.engine.health.watchdog import Steps
from reconciler.engine.lease.lease import Lease
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.engine.limits.read_quota import ReadQuota
from reconciler.engine.ports import Progress, SweepRequests
from reconciler.engine.report import Mode, SweepKind, SweepReport, SweepRequest, Writing
from reconciler.engine.requester import Requester
from reconciler.engine.sweep_context import SERVICE
from reconciler.engine.sweep_requests.hand_over import RequestProgress, serve_next
from reconciler.entrypoints.service.account_errors import AccountErrors
from reconciler.entrypoints.service.delivery_job import DELIVER, DeliveryJob
from reconciler.entrypoints.service.lease_lost import lease_gone, raise_if_lease_lost
from reconciler.entrypoints.service.outage_log import OutageLog, log_end_of_outage
from reconciler.entrypoints.service.progress_log import LoggedProgress, report_fields
from reconciler.entrypoints.service.scheduler import JOBS, TAIL, Chore, Job
from reconciler.entrypoints.service.service_context import ServiceContext
from reconciler.entrypoints.service.service_status_row import ServiceStatusRow
from reconciler.entrypoints.service.sweep_slots import SweepSlots
from reconciler.entrypoints.service.unexpected_errors import BUG_HINT
from reconciler.errors import LeaseLostError, ReconcilerError, StoppedError, UnexpectedError
from reconciler.masking import redact
from reconciler.wiring.anchoring import anchor_head

AT_ONCE_UP_TO_SECONDS: Final = 3600.0
"""After a takeover a job with at most this interval runs at once; a rarer job runs when it is next due."""
LONGEST_DELAY_SECONDS: Final = 2.0
"""How long a page that is being read may go on trying after a stop, or when the account goes to another process."""
REQUESTS: Final = "request"
HOUSEKEEPING: Final = "housekeeping"
ANCHOR: Final = "anchor"
"""The name in AccountErrors of an error in writing the ledger's head outside the database."""
ACCOUNT: Final = "account"
"""The name in AccountErrors of an error that no job met: the lease or the account could not be opened."""

log = structlog.stdlib.get_logger()


@dataclass(frozen=True, slots=True)
class AccountContext:
    """What the jobs of one account share.

    ``stopping`` is set when the service stops: a sweep ends at its next page. ``giving_up`` is set when that takes too
    long: every wait for Stripe ends with an error.
    """

    name: str
    rate_limiter: RateLimiter
    quota: ReadQuota
    delivery: DeliveryJob
    stopping: threading.Event
    giving_up: threading.Event


class AccountSweeps:
    """Between ``begin`` and ``end`` the scheduler runs the jobs, all of them under the lease that ``begin`` was given."""

    def __init__(self, service: ServiceContext, account: AccountContext) -> None:
        self._service = service
        self._account = account
        self._mode = service.settings.corrections.mode
        self._lease: Lease | None = None
        self._refused_job: str | None = None
        self._slots: SweepSlots | None = None
        self._row: ServiceStatusRow | None = None
        self.errors = AccountErrors()
        self.outages = OutageLog(service.clock)
        self.last_covered_at = service.clock.monotonic()
        """When a sweep was last complete, or another replica last held the lease: the service is ready if that is recent."""
        self.last_ended_at = service.clock.monotonic()
        """When a sweep last ended, complete or not, or could not begin: the service is healthy if that is recent."""

    @property
    def holds_lease(self) -> bool:
        """Whether this process holds the account's lease."""
        return self._lease is not None

    def begin(self, lease: Lease, slots: SweepSlots, row: ServiceStatusRow) -> None:
        """This process holds the lease from now on."""
        # an earlier lease may have ended with waits broken off; after a stop they stay so
        if not self._account.stopping.is_set():
            self._account.giving_up.clear()
        self._slots = slots
        self._lease, self._row = lease, row
        self.set_error(ACCOUNT, None)
        log_end_of_outage(self.outages, "account.failed", self._account.name)
        self.last_covered_at = self.last_ended_at = self._service.clock.monotonic()
        self._service.metrics.set_lease_held(self._account.name, held=True)

    def end(self, slots: SweepSlots) -> None:
        """Wait until the running sweeps have ended at their next page; the lease may be given back after that."""
        self._service.scheduler.remove_all(self._account.name)
        # from now on a running sweep ends at its next page
        self._lease = None
        self._service.metrics.set_lease_held(self._account.name, held=False)

        if not slots.wait_until_idle_except(REQUESTS, LONGEST_DELAY_SECONDS):
            # a sweep still waits for Stripe: the wait fails now, and the page ends with the intents it has
            self._account.giving_up.set()
            slots.wait_until_idle_except(REQUESTS, None)
        self._row = None

    def schedule(self, status: PostgresStatus, row: ServiceStatusRow, database: Database) -> None:
        """Schedule every job. A frequent one runs at once; a rare one when its last complete sweep is old enough."""
        ages = {row[0]: row[3] for row in status.sweeps() if row[3] is not None}
        for job in JOBS:
            if not job.is_enabled(self._service.settings):
                continue
            interval = job.interval(self._service.settings, self._account.quota.allowed)

            # a takeover must not repeat a long sweep that an earlier holder of the lease has just completed
            known = [ages[kind] for kind in COVERING.get(job.name, ()) if kind in ages]
            first_in = 0.0
            if interval.total_seconds() > AT_ONCE_UP_TO_SECONDS and known:
                first_in = interval.total_seconds() - min(known)

            # the scheduler knows nothing of leases and rows: each job is bound to what it needs
            run: Callable[[Steps], None]
            match job.kind:
                case SweepKind():
                    run = partial(self._run_sweep_job, job, job.kind)
                case Chore.HOUSEKEEPING:
                    run = partial(self._run_housekeeping, row)
                case Chore.DELIVER:
                    run = partial(self._run_delivery, database)
            self._service.scheduler.add(
                self._account.name, job, interval, first_in, partial(self._run_job, job, run)
            )

    def serve_next_request(
        self, opened: OpenAccount, lease: Lease, steps: Steps
    ) -> SweepReport | None:
        """Run the oldest sweep that a person has requested; None if there is none. Raises what the requests raise."""
        requests: SweepRequests = opened.ports.new_requests()
        clock = self._service.clock

        def run(request: SweepRequest, number: int, requester: Requester) -> SweepReport:
            log.info(
                "request.taken",
                account=self._account.name,
                request=number,
                asked_by=request.asked_by,
                claimed_by=request.claimed_by,
            )

            def report_to_requester(progress: Progress) -> Progress:
                return RequestProgress(requests, number, lease.epoch, clock, progress)

            return self._sweep(REQUESTS, opened, request, report_to_requester, steps, requester)

        return serve_next(requests, lease.epoch, self._mode, run)

    def _run_job(self, job: Job, run: Callable[[Steps], None]) -> None:
        """Run a job once. The watchdog also sees what the job does before and after its sweep."""
        name = f"job {self._account.name}:{job.name}"
        with self._service.pulse.attending(name) as steps:
            run(steps)

    def _run_sweep_job(self, job: Job, kind: SweepKind, steps: Steps) -> None:
        """Make one scheduled sweep."""
        # a tick may come after the lease was given back
        slots = self._slots
        if slots is None or self._lease is None or self._account.stopping.is_set():
            return

        writing = Writing.ROWS if self._mode is Mode.UPDATE else Writing.FINDINGS
        request = SweepRequest(kind=kind, writing=writing, asked_by=SERVICE)
        try:
            with slots.using(job.name) as opened:
                report = self._sweep(job.name, opened, request, lambda progress: progress, steps)
        except LeaseLostError:
            return  # the account's thread logs it, once
        except ReconcilerError as error:
            # the sweep did not begin, so no report carries the error
            self.last_ended_at = self._service.clock.monotonic()
            self.set_error(job.name, error)
            self._service.metrics.sweep_failed(self._account.name, job.name)
            outage = self.outages.failed(f"sweep.failed {job.name}")
            if outage is not None:
                log.warning(
                    "sweep.failed",
                    account=self._account.name,
                    job=job.name,
                    why=redact(str(error)),
                    times=outage.times,
                    seconds=outage.seconds,
                )
            slots.close_slot(job.name)
            return
        log_end_of_outage(self.outages, f"sweep.failed {job.name}", self._account.name)

        # the table may have changed: the next sweep inspects it again
        if report.failure is not None and not isinstance(report.failure, StoppedError):
            slots.close_slot(job.name)

    def _run_delivery(self, database: Database, steps: Steps) -> None:
        """Deliver once what the outbox has for the merchant's endpoint."""
        slots, lease = self._slots, self._lease
        if slots is None or lease is None or self._account.stopping.is_set():
            return

        # busy: the lease is not given back while a message is on its way
        with slots.busy(DELIVER), steps.resting():
            report = self._account.delivery.run(
                database, lease.epoch, self._raise_if_must_end, self._account.stopping
            )
        self.set_error(DELIVER, report.error_met)

    def _sweep(
        self,
        job: str,
        opened: OpenAccount,
        request: SweepRequest,
        wrap_progress: Callable[[Progress], Progress],
        steps: Steps,
        requester: Requester | None = None,
    ) -> SweepReport:
        lease = self._lease
        if lease is None:
            raise lease_gone(self._account.name)

        name = f"{self._account.name}:{job}"
        with (
            # the sweep is watched under its own name meanwhile
            steps.resting(),
            self._service.pulse.watching(name, lambda: opened.ports.stripe.reads) as pulse,
        ):
            clock, metrics = self._service.clock, self._service.metrics
            progress = LoggedProgress(pulse, metrics, opened, job, clock)
            report = opened.sweep_under(
                lease.epoch, self._raise_if_must_end, request, wrap_progress(progress), requester
            )
        self._note_end(job, report)
        return report

    def _raise_if_must_end(self) -> None:
        """Called by a sweep between pages. Raises StoppedError or LeaseLostError."""
        if self._account.stopping.is_set():
            raise StoppedError(
                "The service was stopped; the pages that were recorded stay.",
                "Nothing to do: the next sweep continues the work.",
            )
        lease = self._lease
        if lease is None:
            raise lease_gone(self._account.name)
        raise_if_lease_lost(self._account.name, lease)

    def _note_end(self, job: str, report: SweepReport) -> None:
        failure = report.failure
        self.last_ended_at = self._service.clock.monotonic()
        if report.complete:
            self.last_covered_at = self.last_ended_at

        if report.ledger_head is not None:
            self._anchor(report.ledger_head)

        # a stop or a lost lease is no fault of the account, and a request's failure is its requester's answer
        if not isinstance(failure, StoppedError | LeaseLostError) and job != REQUESTS:
            self.set_error(job, failure)

        # a sweep may end after the lease is gone: then the row belongs to the next holder
        row = self._row
        delays = () if row is None else row.correction_delays(report)
        self._service.metrics.sweep_ended(report, job, delays)
        if row is not None:
            row.write_rate_usage(self._account.rate_limiter)

        # a stop leaves a sweep incomplete, but is nothing to warn of
        level = log.info if report.complete or isinstance(failure, StoppedError) else log.warning
        level("sweep.finished", job=job, **report_fields(report))

    def _anchor(self, head: LedgerHead) -> None:
        """Note the ledger's head outside the database. A failure is told, and does not change the sweep."""
        log.info("ledger.head", account=self._account.name, seq=head.seq, hash=head.hash)
        section = self._service.settings.ledger
        if section.is_used:
            stopping = self._account.stopping
            error = anchor_head(section, self._account.name, head, self._service.clock, stopping)
            if error is not None:
                log.warning("anchor.failed", account=self._account.name, why=redact(str(error)))
            self.set_error(ANCHOR, error)

    def _run_housekeeping(self, row: ServiceStatusRow, steps: Steps) -> None:
        """Delete old rows, and adapt the quota and the tail's interval to the number of transactions."""
        row.delete_old_rows()
        slots = self._slots
        if slots is None:
            return

        # Stripe allows reads by the number of transactions, which grows with the shop
        steps.advance()
        try:
            with slots.using(HOUSEKEEPING) as opened:
                steps.advance()
                opened.limits.resize_quota()
        except ReconcilerError as error:
            slots.close_slot(HOUSEKEEPING)
            log.warning(
                "transactions.uncounted", account=self._account.name, why=redact(str(error))
            )
            return

        # only an unexpected error of an earlier run can stand there
        self.set_error(HOUSEKEEPING, None)

        # more reads allow a shorter interval of the tail
        interval = TAIL.interval(self._service.settings, self._account.quota.allowed)
        if self._service.scheduler.set_interval(self._account.name, TAIL, interval):
            log.info("tail.paced", account=self._account.name, seconds=interval.total_seconds())

    def note_unexpected_error(self, job: str, error: BaseException) -> None:
        """A job ended with an error that nothing expects. It is told like any other; the next run may do better."""
        log.error("job.failed", account=self._account.name, job=job, hint=BUG_HINT, exc_info=error)
        self.last_ended_at = self._service.clock.monotonic()
        slots = self._slots
        if slots is not None:
            slots.close_slot(job)
        what = f"The job {job} ended with an unexpected {type(error).__name__}."
        self.set_error(
            job,
            UnexpectedError(
                what, "This is a bug in Reconciler: report it with job.failed of the log."
            ),
        )

    def set_error(self, job: str, error: ReconcilerError | None) -> None:
        """Keep a job's error, or None for its success.

        /readyz shows it. While this process holds the lease, ``reconciler status`` shows it too. The other replicas are
        told whether this one can work on the account.
        """
        self.errors.put(job, error)
        needs_person, row = self.errors.needs_person, self._row
        if needs_person:
            # an error that time does not cure: another replica may have a valid key
            self._refused_job = job if error is not None else self._refused_job
            self._service.group.set_ineligible(self._account.name)

        # without the lease the account's row is another process's to write
        if row is not None and self._lease is not None:
            if error is None and not needs_person and self._proves_access(job):
                self._service.group.set_eligible(self._account.name)
            row.write_error(self.errors)

    def _proves_access(self, job: str) -> bool:
        """Whether this job's success shows that the account can be worked on.

        If one job was refused, only the same job's success shows it.
        """
        # taking a lease, anchoring and delivering need no Stripe key, and housekeeping does not show that it works
        if job in (ACCOUNT, ANCHOR, DELIVER, HOUSEKEEPING):
            return False
        return self._refused_job in (None, ACCOUNT, job)
