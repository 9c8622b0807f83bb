"""The thread of one account: it takes the account's lease, serves requests while it holds it, and gives it back."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import partial
from typing import Final

import structlog

from reconciler.adapters.postgres.coordination.service_record import PostgresServiceRecord
from reconciler.adapters.postgres.coordination.status import PostgresStatus
from reconciler.adapters.postgres.coordination.sweep_requests import DEAF_SECONDS, RequestListener
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.page.stored_facts import (
    recheck_findings_of_expired_pause,
    recheck_reported_findings,
)
from reconciler.engine.account import OpenAccount
from reconciler.engine.health.watchdog import Steps
from reconciler.engine.lease.lease import Lease
from reconciler.engine.report import Mode
from reconciler.entrypoints.service.acceptance_job import serve_acceptances
from reconciler.entrypoints.service.account_sweeps import (
    ACCOUNT,
    REQUESTS,
    AccountContext,
    AccountSweeps,
)
from reconciler.entrypoints.service.delivery_job import DeliveryJob
from reconciler.entrypoints.service.lease_lost import raise_if_lease_lost
from reconciler.entrypoints.service.outage_log import log_end_of_outage
from reconciler.entrypoints.service.process_metrics import MeteredRateLimiter
from reconciler.entrypoints.service.service_context import ServiceContext
from reconciler.entrypoints.service.service_status_row import ServiceStatusRow
from reconciler.entrypoints.service.sweep_slots import SweepSlots
from reconciler.errors import (
    DatabaseBusyError,
    DatabaseUnavailableError,
    LeaseHeldError,
    LeaseLostError,
    ReconcilerError,
)
from reconciler.masking import redact
from reconciler.settings import Account
from reconciler.wiring.account import open_account
from reconciler.wiring.limits import limits_of, new_quota

NOTIFICATION_SECONDS: Final = 1.0
"""How long the thread waits for the notification of a request before it checks the lease and the stop flag."""
ROUNDS_A_POLL: Final = 10
"""After so many waits the thread reads the requests without a notification: one is lost if its connection breaks."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 15.0
CONNECTIONS: Final = 8
STANDBY_SECONDS: Final = 0.5
"""How often a thread without the lease checks whether it should take it; the check needs no query."""

log = structlog.stdlib.get_logger()


class AccountWorker(threading.Thread):
    """Takes the account's lease when this replica should hold it. Meanwhile sweeps run as scheduled and as requested."""

    def __init__(self, service: ServiceContext, configured: Account, delivery: DeliveryJob) -> None:
        super().__init__(name=f"account-{configured.name}", daemon=True)
        self.account = configured.name
        self._service = service
        self._configured = configured
        self._stopping = threading.Event()
        # only this one interrupts waits for Stripe: after a stop the current page is still finished
        self._giving_up = giving_up = threading.Event()
        # the limiter outlives each lease: what was sent in the last second still counts at the next takeover
        self.rate_limiter = MeteredRateLimiter(
            limits_of(service.settings, configured),
            service.clock,
            giving_up,
            service.metrics,
            self.account,
            self._raise_if_lease_lost,
        )
        self._quota = new_quota(service.settings)
        self._mode = service.settings.corrections.mode
        self._latest_lease: Lease | None = None
        self._sweeps = AccountSweeps(
            service,
            AccountContext(
                self.account, self.rate_limiter, self._quota, delivery, self._stopping, giving_up
            ),
        )

    @property
    def holds_lease(self) -> bool:
        """Whether this process holds the account's lease."""
        return self._sweeps.holds_lease

    @property
    def first_error(self) -> str | None:
        """The oldest error that keeps the account from its work; None if there is none."""
        return self._sweeps.errors.first

    @property
    def last_covered_at(self) -> float:
        """When a sweep was last complete, or another replica last held the lease, by the monotonic clock."""
        return self._sweeps.last_covered_at

    @property
    def last_ended_at(self) -> float:
        """When a sweep last ended, well or with an error, or another replica last held the lease, by the monotonic clock."""
        return self._sweeps.last_ended_at

    @property
    def reads_allowed(self) -> int:
        """The reads that Reconciler may spend on the account in 30 days."""
        return self._quota.allowed

    def stop(self) -> None:
        """End every sweep at its next page, and give the lease back."""
        self._stopping.set()

    def give_up(self) -> None:
        """After ``stop``: end every wait for Stripe. A page that is being read ends with the intents it has."""
        self._giving_up.set()

    def note_unexpected_error(self, job: str, error: BaseException) -> None:
        """A job of the account ended with an error that nothing expects."""
        self._sweeps.note_unexpected_error(job, error)

    def run(self) -> None:
        """Work until stopped. After an error everything is opened again, with growing pauses."""
        with self._service.pulse.attending(f"account {self.account}") as steps:
            self._serve_until_stopped(steps)

    def _serve_until_stopped(self, steps: Steps) -> None:
        clock = self._service.clock
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            steps.advance()
            began = clock.monotonic()
            try:
                self._serve(steps)
            except LeaseLostError as error:
                log.warning("lease.lost", account=self.account, why=str(error))
            except ReconcilerError as error:
                # the account could not be worked on, and the thread is alive: only the error is to be told
                self._sweeps.last_ended_at = clock.monotonic()
                self._sweeps.set_error(ACCOUNT, error)
                outage = self._sweeps.outages.failed("account.failed")
                if outage is not None:
                    log.warning(
                        "account.failed",
                        account=self.account,
                        why=redact(str(error)),
                        times=outage.times,
                        seconds=outage.seconds,
                    )

            # it worked for a while: the next error is a new one and gets a short pause
            if clock.monotonic() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            with steps.resting():
                clock.wait(self._stopping, pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    def _serve(self, steps: Steps) -> None:
        settings = self._service.settings
        url = settings.database_url.get_secret_value()
        with ExitStack() as stack:
            # all jobs of the account share this pool; the listener has a connection of its own
            database = stack.enter_context(Database(url, CONNECTIONS))
            listener = RequestListener(url, self.account, self._service.clock, self._stopping)
            stack.callback(listener.close)
            account_opener = partial(
                open_account,
                settings,
                self._configured,
                self._service.clock,
                writes_rows=self._mode is Mode.UPDATE,
                database=database,
                rate_limiter=self.rate_limiter,
                quota=self._quota,
            )
            slots = SweepSlots(account_opener)
            stack.callback(slots.close)

            while not self._stopping.is_set():
                steps.advance()
                self._hold_or_stand_by(database, slots, listener, steps)

    def _hold_or_stand_by(
        self, database: Database, slots: SweepSlots, listener: RequestListener, steps: Steps
    ) -> None:
        """Take the lease and work while this replica should hold it; otherwise wait a little."""
        service = self._service
        if not service.group.may_take(self.account):
            self._stand_by(STANDBY_SECONDS, steps)
            return

        # the account is opened first: a replica that cannot open it must not hold the lease
        seconds = service.settings.service.lease.total_seconds()
        with slots.using(REQUESTS) as opened, ExitStack() as stack:
            steps.advance()
            lease = Lease(
                opened.ports.leases,
                service.group.replica,
                service.clock,
                seconds,
                self.rate_limiter,
            )
            try:
                self._latest_lease = stack.enter_context(lease)
            except LeaseHeldError:
                # another replica was faster, or a command holds it for a one-off sweep
                self._stand_by(seconds / 3, steps)
                return

            row = self._register(database, opened, lease)
            steps.advance()
            self._sweeps.begin(lease, slots, row)
            try:
                self._sweeps.schedule(PostgresStatus(database, self.account), row, database)
                self._serve_requests(opened, lease, slots, listener, steps, database)
            finally:
                # the lease may go back only when no sweep runs under it any more
                with steps.resting():
                    self._sweeps.end(slots)

    def _register(self, database: Database, opened: OpenAccount, lease: Lease) -> ServiceStatusRow:
        """Register this process as the account's service, and reopen what an earlier holder of the lease left unfinished."""
        record = PostgresServiceRecord(database, self.account)
        record.register(self._service.group.replica, lease.epoch, self._mode.value)
        reopened = opened.ports.new_requests().reopen(lease.epoch)

        # after a change from "report" to "update" the reported discrepancies are due to be corrected
        if self._mode is Mode.UPDATE:
            recheck_reported_findings(database, self.account)
        log.info("lease.taken", account=self.account, epoch=lease.epoch, requests=reopened)
        return ServiceStatusRow(record, self.account, lease.epoch, self._sweeps.outages)

    def _stand_by(self, seconds: float, steps: Steps) -> None:
        """Wait while another replica works on the account, or should. Forget errors, unless they are why it is not here."""
        # the account is in order from here: its health is the other replica's to report
        now = self._service.clock.monotonic()
        self._sweeps.last_covered_at = self._sweeps.last_ended_at = now
        if self._service.group.is_eligible(self.account):
            self._sweeps.errors.clear()
            log_end_of_outage(self._sweeps.outages, "account.failed", self.account)
        with steps.resting():
            self._service.clock.wait(self._stopping, seconds)

    def _serve_requests(
        self,
        opened: OpenAccount,
        lease: Lease,
        slots: SweepSlots,
        listener: RequestListener,
        steps: Steps,
        database: Database,
    ) -> None:
        """Serve requests until the lease is lost, the account is assigned to another replica, or the service stops.

        Raises LeaseLostError. Raises the database's error after it has lasted longer than the lease: then everything is
        opened again, because a pool's connections may stay broken after the server has recovered.
        """
        clock = self._service.clock
        rounds = 0
        failing_since: float | None = None
        while not self._stopping.is_set():
            steps.advance()
            raise_if_lease_lost(self.account, lease)
            if self._gives_way(slots):
                return

            # the wait is short, so that a lost lease or a stop is noticed soon
            try:
                was_deaf = listener.is_deaf
                was_notified = listener.wait(NOTIFICATION_SECONDS)
                if listener.is_deaf and not was_deaf:
                    log.warning("requests.flooded", account=self.account, seconds=DEAF_SECONDS)
                rounds += 1
                # after an error the query also finds out whether the database works again
                if was_notified or rounds % ROUNDS_A_POLL == 0 or failing_since is not None:
                    self._serve_waiting(opened, lease, steps)
                    if self._mode is Mode.UPDATE:
                        recheck_findings_of_expired_pause(database, self.account)
                    if failing_since is not None:
                        log.info("requests.reachable", account=self.account)
                    failing_since = None
            except (DatabaseUnavailableError, DatabaseBusyError) as error:
                now = clock.monotonic()
                if failing_since is None:
                    # once an outage: the query is tried again every second
                    failing_since = now
                    why = redact(str(error))
                    log.warning("requests.unreachable", account=self.account, why=why)
                if now - failing_since > self._service.settings.service.lease.total_seconds():
                    raise
                with steps.resting():
                    clock.wait(self._stopping, NOTIFICATION_SECONDS)

    def _serve_waiting(self, opened: OpenAccount, lease: Lease, steps: Steps) -> None:
        """Serve every request that waits, one after the other."""
        while self._sweeps.serve_next_request(opened, lease, steps):
            if self._stopping.is_set():
                return
        serve_acceptances(
            opened, lease.epoch, self._raise_if_lease_lost, self._service.pulse, steps
        )

    def _gives_way(self, slots: SweepSlots) -> bool:
        """Whether another replica should hold the account, and no sweep runs that would have to be broken off."""
        successor = self._service.group.successor(self.account)
        if successor is None or not slots.wait_until_idle_except(REQUESTS, 0):
            return False
        why = self._sweeps.errors.first
        log.info("lease.given", account=self.account, to=successor, why=why)
        return True

    def _raise_if_lease_lost(self) -> None:
        """Called before each read: after a long wait another process may be spending the account's reads."""
        if self._latest_lease is not None:
            raise_if_lease_lost(self.account, self._latest_lease)
