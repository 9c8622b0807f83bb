"""One account of the service: its lease, its passes, and what people ask of it meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Final

import structlog

from reconciler.adapters.postgres.backlog import take_up_reported
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.services import PostgresServiceRecord
from reconciler.adapters.postgres.status import PostgresStatus
from reconciler.adapters.postgres.sweep_requests import RequestBell
from reconciler.clock import Clock
from reconciler.engine.account import OpenAccount
from reconciler.engine.authority import SERVICE
from reconciler.engine.handover import SweepRequests, Telling, serve_next
from reconciler.engine.lease import Lease
from reconciler.engine.ports import Progress
from reconciler.engine.report import Mode, Request, SweepKind, SweepReport, Writing
from reconciler.engine.status import COVERING
from reconciler.engine.watch import Pulse
from reconciler.entrypoints.service.delivering import DELIVER, Deliverer
from reconciler.entrypoints.service.lanes import Lanes
from reconciler.entrypoints.service.metrics import MeteredPacer, Metrics
from reconciler.entrypoints.service.own_row import OwnRow
from reconciler.entrypoints.service.team import Team
from reconciler.entrypoints.service.telling import Watched, wide
from reconciler.entrypoints.service.timetable import JOBS, TAIL, Chore, Job, Timetable
from reconciler.entrypoints.service.troubles import Troubles
from reconciler.errors import (
    DatabaseBusyError,
    DatabaseUnavailableError,
    LeaseHeldError,
    LeaseLostError,
    ReconcilerError,
    StoppedError,
)
from reconciler.log import redact
from reconciler.settings import Account, Settings
from reconciler.wiring import limits_of, new_allowance, open_account

BELL_SECONDS: Final = 1.0
"""How long it listens for a request before it looks at lease and stop flag again."""
POLL_ROUNDS: Final = 10
"""After so many rounds requests are looked for without a ring: a notification may be lost with its connection."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 15.0
CONNECTIONS: Final = 8
AT_ONCE_UP_TO_SECONDS: Final = 3600.0
"""A job that comes round at least so often runs at once at a takeover; a rarer one when its time has come."""
PATIENCE_SECONDS: Final = 10.0
"""How long a page in hand may go on trying after a stop."""
STANDBY_SECONDS: Final = 0.5
"""How often one that stands by asks whether an account falls to it; that costs no query."""
REQUESTS: Final = "request"
HOUSEKEEPING: Final = "housekeeping"

log = structlog.stdlib.get_logger()


class AccountWorker(threading.Thread):
    """Takes the account's lease when it falls to this replica; while held, passes run by the timetable and on request."""

    def __init__(
        self,
        settings: Settings,
        account: Account,
        clock: Clock,
        team: Team,
        timetable: Timetable,
        pulse: Pulse,
        metrics: Metrics,
        deliverer: Deliverer,
    ) -> None:
        super().__init__(name=f"account-{account.name}", daemon=True)
        self.account = account.name
        self._settings = settings
        self._configured = account
        self._clock = clock
        self._team = team
        self._timetable = timetable
        self._pulse = pulse
        self._metrics = metrics
        self._stopping = threading.Event()
        self._giving_up = threading.Event()
        limits, name = limits_of(settings, account), account.name
        self.pacer = MeteredPacer(limits, clock, self._giving_up, metrics, name, self._may_send)
        self._deliverer = deliverer
        self._allowance = new_allowance(settings)
        self._mode = settings.corrections.mode
        self._lease: Lease | None = None
        self._latest: Lease | None = None
        self._lanes: Lanes | None = None
        self._row: OwnRow | None = None
        self._troubles = Troubles()
        self.moved_at = clock.monotonic()
        """When a pass last ended well, or the lease was last seen in another's hands: what being alive means."""

    @property
    def holds(self) -> bool:
        """Whether the account is ours now."""
        return self._lease is not None

    @property
    def trouble(self) -> str | None:
        """What keeps it from its work, None where nothing does."""
        return self._troubles.first

    @property
    def reads_allowed(self) -> int:
        """The reads that we may spend in 30 days."""
        return self._allowance.allowed

    def stop(self) -> None:
        """Let passes end at their next page, and give the lease back."""
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped; outages are waited out with growing pauses."""
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            began = self._clock.monotonic()
            try:
                self._serve()
            except LeaseLostError as error:
                log.warning("lease.lost", account=self.account, why=str(error))
            except ReconcilerError as error:
                self._set_trouble("account", error)
                log.warning("account.failed", account=self.account, why=redact(str(error)))
            if self._clock.monotonic() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            self._clock.wait(self._stopping, pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    def _serve(self) -> None:
        url = self._settings.database_url.get_secret_value()
        with ExitStack() as stack:
            database = stack.enter_context(Database(url, CONNECTIONS))
            bell = RequestBell(url, self.account)
            stack.callback(bell.close)
            opening = partial(
                open_account,
                self._settings,
                self._configured,
                self._clock,
                writes_rows=self._mode is Mode.UPDATE,
                database=database,
                pacer=self.pacer,
                allowance=self._allowance,
            )
            lanes = Lanes(opening)
            stack.callback(lanes.close)
            self._lanes = lanes
            while not self._stopping.is_set():
                self._take_over(database, lanes, bell)

    def _take_over(self, database: Database, lanes: Lanes, bell: RequestBell) -> None:
        """Hold the lease for as long as it lasts and falls to us, or wait a little for it."""
        if not self._team.may_take(self.account):
            self._stand_by(STANDBY_SECONDS)
            return
        seconds = self._settings.service.lease.total_seconds()
        name = self._team.replica
        with lanes.using(REQUESTS) as opened, ExitStack() as stack:
            lease = Lease(opened.leases, name, self._clock, seconds, self.pacer)
            try:
                self._latest = stack.enter_context(lease)
            except LeaseHeldError:
                self._stand_by(seconds / 3)
                return
            record = PostgresServiceRecord(database, self.account)
            record.register(name, lease.epoch, self._mode.value)
            reopened = opened.requests.reopen(lease.epoch)
            if self._mode is Mode.UPDATE:
                take_up_reported(database, self.account)
            log.info("lease.taken", account=self.account, epoch=lease.epoch, requests=reopened)
            self._giving_up.clear()
            self._lease, self._row = lease, OwnRow(record, self.account, lease.epoch)
            self._set_trouble("account", None)
            self.moved_at = self._clock.monotonic()
            self._metrics.holds(self.account, held=True)
            try:
                self._schedule(PostgresStatus(database, self.account), self._row, database)
                self._attend(opened, lease, bell)
            finally:
                self._let_go(lanes)

    def _stand_by(self, seconds: float) -> None:
        """Another works on the account, or should: nothing is wrong with us unless we could not."""
        self.moved_at = self._clock.monotonic()
        if self._team.is_able(self.account):
            self._troubles.clear()
        self._clock.wait(self._stopping, seconds)

    def _schedule(self, status: PostgresStatus, row: OwnRow, database: Database) -> None:
        """A frequent job begins at once; a rare one when its last complete pass is old enough."""
        ages = {row[0]: row[3] for row in status.passes() if row[3] is not None}
        for job in (job for job in JOBS if job.exists(self._settings)):
            every = job.every(self._settings, self.reads_allowed)
            known = [ages[kind] for kind in COVERING.get(job.name, ()) if kind in ages]
            first = 0.0
            if every.total_seconds() > AT_ONCE_UP_TO_SECONDS and known:
                first = every.total_seconds() - min(known)
            run: Callable[[], None]
            match job.kind:
                case SweepKind():
                    run = partial(self._cast, job, job.kind)
                case Chore.HOUSEKEEPING:
                    run = partial(self._keep_house, row)
                case Chore.DELIVER:
                    run = partial(self._deliver, database)
            self._timetable.put(self.account, job, every, first, run)

    def _attend(self, opened: OpenAccount, lease: Lease, bell: RequestBell) -> None:
        """Serve requests until the lease is lost, falls to another replica, or somebody stops us.

        Raises the database's error once it has lasted longer than the lease: everything is opened anew then, for
        connections of a pool may outlive what was wrong with the server.
        """
        rounds = 0
        failing_since: float | None = None
        while not self._stopping.is_set():
            self._check_lease(lease)
            if self._falls_to_another():
                return
            try:
                rang = bell.wait(BELL_SECONDS)
                rounds += 1
                looks = rang or rounds % POLL_ROUNDS == 0 or failing_since is not None
                if looks:
                    while self._serve_one(opened, lease) and not self._stopping.is_set():
                        continue
                    failing_since = None
            except (DatabaseUnavailableError, DatabaseBusyError) as error:
                now = self._clock.monotonic()
                failing_since = failing_since or now
                if now - failing_since > self._settings.service.lease.total_seconds():
                    raise
                log.warning("requests.unreachable", account=self.account, why=redact(str(error)))
                self._clock.wait(self._stopping, BELL_SECONDS)

    def _falls_to_another(self) -> bool:
        """Whether the account should go to another replica, and no pass is under way that would be broken off."""
        to = self._team.successor(self.account)
        lanes = self._lanes
        if to is None or lanes is None or not lanes.idle_but(REQUESTS, 0):
            return False
        log.info("lease.given", account=self.account, to=to, why=self._troubles.first)
        return True

    def _serve_one(self, opened: OpenAccount, lease: Lease) -> SweepReport | None:
        requests: SweepRequests = opened.requests

        def run(request: Request, number: int) -> SweepReport:
            log.info(
                "request.taken", account=self.account, request=number, asked_by=request.asked_by
            )
            return self._pass(
                REQUESTS,
                opened,
                request,
                lambda other: Telling(requests, number, lease.epoch, self._clock, other),
            )

        return serve_next(requests, lease.epoch, self._mode, run)

    def _cast(self, job: Job, kind: SweepKind) -> None:
        """One pass of the timetable."""
        lanes = self._lanes
        if lanes is None or self._lease is None or self._stopping.is_set():
            return
        writing = Writing.ROWS if self._mode is Mode.UPDATE else Writing.FINDINGS
        request = Request(kind=kind, writing=writing, asked_by=SERVICE)
        try:
            with lanes.using(job.name) as opened:
                report = self._pass(job.name, opened, request, lambda progress: progress)
        except LeaseLostError:
            return  # the worker says so, once
        except ReconcilerError as error:
            self._set_trouble(job.name, error)
            self._metrics.failed(self.account, job.name, error)
            log.warning("pass.failed", account=self.account, job=job.name, why=redact(str(error)))
            lanes.renew(job.name)
            return
        if report.failure is not None and not isinstance(report.failure, StoppedError):
            lanes.renew(job.name)

    def _deliver(self, database: Database) -> None:
        """One run of what the outbox has for the merchant's endpoint."""
        lanes, lease = self._lanes, self._lease
        if lanes is None or lease is None or self._stopping.is_set():
            return
        with lanes.busy(DELIVER):
            report = self._deliverer.run(database, lease.epoch, self._check, self._stopping)
        self._set_trouble(DELIVER, report.trouble)

    def _pass(
        self,
        job: str,
        opened: OpenAccount,
        request: Request,
        told: Callable[[Progress], Progress],
    ) -> SweepReport:
        lease = self._lease
        if lease is None:
            raise LeaseLostError("The account is no longer ours.", "Another process goes on.")
        name = f"{self.account}:{job}"
        with self._pulse.watching(name, lambda: opened.stripe.reads) as pulse:
            watched = Watched(pulse, self._metrics, opened, job, self._clock)
            report = opened.sweep_under(lease.epoch, self._check, request, told(watched))
        self._note(job, report)
        return report

    def _check(self) -> None:
        """What a pass asks between pages."""
        if self._stopping.is_set():
            raise StoppedError(
                "The service was stopped; what had been recorded stays.", "The next pass goes on."
            )
        lease = self._lease
        if lease is None:
            raise LeaseLostError("The account is no longer ours.", "Another process goes on.")
        self._check_lease(lease)

    def _may_send(self) -> None:
        """Asked before each read: one that comes back from a pause must not spend what another spends by now."""
        if self._latest is not None:
            self._check_lease(self._latest)

    def _check_lease(self, lease: Lease) -> None:
        lease.check()
        if lease.has_run_out:
            raise LeaseLostError(
                f"The lease on account {self.account} was not renewed in time.",
                "Nothing is written or read until it is taken anew, here or elsewhere.",
            )

    def _note(self, job: str, report: SweepReport) -> None:
        failure = report.failure
        if report.complete:
            self.moved_at = self._clock.monotonic()
        if not isinstance(failure, StoppedError | LeaseLostError) and job != REQUESTS:
            self._set_trouble(job, failure)
        row = self._row
        self._metrics.ended(report, job, () if row is None else row.delays(report))
        if row is not None:
            row.pace(self.pacer)
        level = log.info if report.complete or isinstance(failure, StoppedError) else log.warning
        level("pass.finished", job=job, **wide(report))

    def _keep_house(self, row: OwnRow) -> None:
        """Remove what nobody needs any longer, and follow the number of transactions."""
        row.tidy()
        lanes = self._lanes
        if lanes is None:
            return
        try:
            with lanes.using(HOUSEKEEPING) as opened:
                opened.count_transactions()
        except ReconcilerError as error:
            lanes.renew(HOUSEKEEPING)
            log.warning("transactions.uncounted", account=self.account, why=redact(str(error)))
            return
        every = TAIL.every(self._settings, self.reads_allowed)
        if self._timetable.pace(self.account, TAIL, every):
            log.info("tail.paced", account=self.account, seconds=every.total_seconds())

    def _let_go(self, lanes: Lanes) -> None:
        """Wait for the passes in hand before the lease goes back; they end at their next page."""
        self._timetable.drop(self.account)
        self._lease = None
        self._metrics.holds(self.account, held=False)
        if not lanes.idle_but(REQUESTS, PATIENCE_SECONDS):
            # whoever waits for Stripe is told that it cannot be had; the page ends with what it has
            self._giving_up.set()
            lanes.idle_but(REQUESTS, None)
        self._row = None

    def _set_trouble(self, where: str, error: ReconcilerError | None) -> None:
        """Keep it for /readyz, for the other replicas and, while the account is ours, for ``reconciler status``."""
        self._troubles.put(where, error)
        needs_person, row = self._troubles.need_a_person, self._row
        if needs_person:
            self._team.cannot_work(self.account)
        if row is not None and self._lease is not None:
            if where != "account" and not needs_person and error is None:
                self._team.works(self.account)
            row.trouble(self._troubles)
