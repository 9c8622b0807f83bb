"""The thread of one account of the service: it takes its lease, gives it back, and hears what people ask meanwhile."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import partial
from typing import Final

import structlog

from reconciler.adapters.postgres.coordination.service_record import PostgresServiceRecord
from reconciler.adapters.postgres.coordination.status import PostgresStatus
from reconciler.adapters.postgres.coordination.sweep_requests import RequestBell
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.page.reported_findings import take_up_reported
from reconciler.clock import Clock
from reconciler.engine.account import OpenAccount
from reconciler.engine.health.watchdog import Pulse, Steps
from reconciler.engine.lease.lease import Lease
from reconciler.engine.report import Mode
from reconciler.entrypoints.service.account_sweeps import (
    REQUESTS,
    AccountSweeps,
    raise_if_lease_lost,
)
from reconciler.entrypoints.service.delivery_job import DeliveryJob
from reconciler.entrypoints.service.metrics import MeteredRateLimiter, Metrics
from reconciler.entrypoints.service.replica_group import ReplicaGroup
from reconciler.entrypoints.service.scheduler import SweepScheduler
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
from reconciler.settings import Account, Settings
from reconciler.wiring import limits_of, new_quota, open_account

BELL_SECONDS: Final = 1.0
"""How long it listens for a request before it looks at lease and stop flag again."""
POLL_ROUNDS: Final = 10
"""After so many rounds requests are looked for without a ring: a notification may be lost with its connection."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 15.0
CONNECTIONS: Final = 8
STANDBY_SECONDS: Final = 0.5
"""How often one that stands by asks whether an account falls to it; that costs no query."""

log = structlog.stdlib.get_logger()


class AccountWorker(threading.Thread):
    """Takes the account's lease when it falls to this replica; while held, sweeps run by the timetable and on request."""

    def __init__(
        self,
        settings: Settings,
        account: Account,
        clock: Clock,
        group: ReplicaGroup,
        scheduler: SweepScheduler,
        pulse: Pulse,
        metrics: Metrics,
        deliverer: DeliveryJob,
    ) -> None:
        super().__init__(name=f"account-{account.name}", daemon=True)
        self.account = account.name
        self._settings = settings
        self._configured = account
        self._clock = clock
        self._group = group
        self._pulse = pulse
        self._stopping = threading.Event()
        giving_up = threading.Event()
        limits, name = limits_of(settings, account), account.name
        self.rate_limiter = MeteredRateLimiter(
            limits, clock, giving_up, metrics, name, self._may_send
        )
        self._allowance = new_quota(settings)
        self._mode = settings.corrections.mode
        self._latest: Lease | None = None
        self._sweeps = AccountSweeps(
            settings,
            name,
            clock,
            group,
            scheduler,
            pulse,
            metrics,
            deliverer,
            self.rate_limiter,
            self._allowance,
            self._stopping,
            giving_up,
        )

    @property
    def holds(self) -> bool:
        """Whether the account is ours now."""
        return self._sweeps.under_lease

    @property
    def error_met(self) -> str | None:
        """What keeps it from its work, None where nothing does."""
        return self._sweeps.errors_met.first

    @property
    def moved_at(self) -> float:
        """When a sweep last ended well, or the lease was last seen in another's hands: what being alive means."""
        return self._sweeps.moved_at

    @property
    def reads_allowed(self) -> int:
        """The reads that we may spend in 30 days."""
        return self._allowance.allowed

    def stop(self) -> None:
        """Let sweeps end at their next page, and give the lease back."""
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped; outages are waited out with growing pauses."""
        with self._pulse.attending(f"account {self.account}") as steps:
            self._persist(steps)

    def _persist(self, steps: Steps) -> None:
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            steps.advance()
            began = self._clock.monotonic()
            try:
                self._serve(steps)
            except LeaseLostError as error:
                log.warning("lease.lost", account=self.account, why=str(error))
            except ReconcilerError as error:
                self._sweeps.set_error("account", error)
                log.warning("account.failed", account=self.account, why=redact(str(error)))
            if self._clock.monotonic() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            with steps.resting():
                self._clock.wait(self._stopping, pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    def _serve(self, steps: Steps) -> None:
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
                rate_limiter=self.rate_limiter,
                quota=self._allowance,
            )
            slots = SweepSlots(opening)
            stack.callback(slots.close)
            while not self._stopping.is_set():
                steps.advance()
                self._take_over(database, slots, bell, steps)

    def _take_over(
        self, database: Database, slots: SweepSlots, bell: RequestBell, steps: Steps
    ) -> None:
        """Hold the lease for as long as it lasts and falls to us, or wait a little for it."""
        if not self._group.may_take(self.account):
            self._stand_by(STANDBY_SECONDS, steps)
            return
        seconds = self._settings.service.lease.total_seconds()
        with slots.using(REQUESTS) as opened, ExitStack() as stack:
            steps.advance()
            lease = Lease(
                opened.leases, self._group.replica, self._clock, seconds, self.rate_limiter
            )
            try:
                self._latest = stack.enter_context(lease)
            except LeaseHeldError:
                self._stand_by(seconds / 3, steps)
                return
            row = self._settle_in(database, opened, lease)
            steps.advance()
            self._sweeps.begin(lease, slots, row)
            try:
                self._sweeps.schedule(PostgresStatus(database, self.account), row, database)
                self._attend(opened, lease, slots, bell, steps)
            finally:
                with steps.resting():
                    self._sweeps.end(slots)

    def _settle_in(self, database: Database, opened: OpenAccount, lease: Lease) -> ServiceStatusRow:
        """Enter ourselves as the account's service, and take up what an earlier holder left."""
        record = PostgresServiceRecord(database, self.account)
        record.register(self._group.replica, lease.epoch, self._mode.value)
        reopened = opened.requests.reopen(lease.epoch)
        if self._mode is Mode.UPDATE:
            take_up_reported(database, self.account)
        log.info("lease.taken", account=self.account, epoch=lease.epoch, requests=reopened)
        return ServiceStatusRow(record, self.account, lease.epoch)

    def _stand_by(self, seconds: float, steps: Steps) -> None:
        """Another works on the account, or should: nothing is wrong with us unless we could not."""
        self._sweeps.moved_at = self._clock.monotonic()
        if self._group.is_eligible(self.account):
            self._sweeps.errors_met.clear()
        with steps.resting():
            self._clock.wait(self._stopping, seconds)

    def _attend(
        self, opened: OpenAccount, lease: Lease, slots: SweepSlots, bell: RequestBell, steps: Steps
    ) -> None:
        """Serve requests until the lease is lost, falls to another replica, or somebody stops us.

        Raises the database's error once it has lasted longer than the lease: everything is opened anew then, for
        connections of a pool may outlive what was wrong with the server.
        """
        rounds = 0
        failing_since: float | None = None
        while not self._stopping.is_set():
            steps.advance()
            raise_if_lease_lost(self.account, lease)
            if self._falls_to_another(slots):
                return
            try:
                rang = bell.wait(BELL_SECONDS)
                rounds += 1
                looks = rang or rounds % POLL_ROUNDS == 0 or failing_since is not None
                if looks:
                    while (
                        self._sweeps.serve_one(opened, lease, steps) and not self._stopping.is_set()
                    ):
                        continue
                    failing_since = None
            except (DatabaseUnavailableError, DatabaseBusyError) as error:
                now = self._clock.monotonic()
                failing_since = failing_since or now
                if now - failing_since > self._settings.service.lease.total_seconds():
                    raise
                log.warning("requests.unreachable", account=self.account, why=redact(str(error)))
                with steps.resting():
                    self._clock.wait(self._stopping, BELL_SECONDS)

    def _falls_to_another(self, slots: SweepSlots) -> bool:
        """Whether the account should go to another replica, and no sweep is under way that would be broken off."""
        to = self._group.successor(self.account)
        if to is None or not slots.idle_but(REQUESTS, 0):
            return False
        log.info("lease.given", account=self.account, to=to, why=self._sweeps.errors_met.first)
        return True

    def _may_send(self) -> None:
        """Asked before each read: one that comes back from a pause must not spend what another spends by now."""
        if self._latest is not None:
            raise_if_lease_lost(self.account, self._latest)
