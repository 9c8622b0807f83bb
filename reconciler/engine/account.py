"""An account that is open: its ports and limits, and the sweep over it. ``engine.actions`` has what a person asks besides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Final

from reconciler.clock import Clock
from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.domain.model.match import Rules
from reconciler.domain.model.rows_of_no_account import RowsOfNoAccount
from reconciler.domain.planning.plan import Budget
from reconciler.domain.read_limits_and_shortage import RateLimits, Source, retrieve_page_size
from reconciler.engine.lease.lease import Lease
from reconciler.engine.lease.table_binding import TableGuard
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.engine.limits.read_quota import ReadQuota, SourceQuota
from reconciler.engine.limits.reserved_share import with_reserved_share
from reconciler.engine.ports import (
    DiscrepancyStore,
    LeaseStore,
    Progress,
    ReservedShare,
    Store,
    Stripe,
    SweepRequests,
)
from reconciler.engine.report import Mode, SweepReport, SweepRequest, Writing
from reconciler.engine.requester import Requester
from reconciler.engine.sweep.sweep import Sweep
from reconciler.engine.sweep_context import Actor, ClaimedRechecks, SweepContext
from reconciler.errors import ConfigurationError, LeaseHeldError, ReconcilerError

if TYPE_CHECKING:
    from reconciler.domain.audit.configuration_change import DecidingSettings
    from reconciler.engine.acceptance_requests import AcceptanceRequests

    # imported by the service: a person's sweep reads every open row
    from reconciler.engine.due_rows import DueRows
    from reconciler.engine.lease.configuration_record import ConfigurationRecord

MOST_WORKERS: Final = 16
SECONDS_A_READ: Final = 0.5
"""The length of a slow read. A sweep has so many threads that reads of this length still use its whole rate limit."""
NO_SCHEMA: Final = (
    "The schema reconciler does not exist, or this role may not write to it. Run: reconciler migrate"
    " --daemon-role ROLE, as a role that may create a schema."
)


@dataclass(frozen=True, slots=True)
class AccountPorts:
    """What an open account reads from and writes to.

    ``new_discrepancy_store``, ``new_requests``, ``new_acceptances`` and ``new_configuration_record`` make what a usual sweep
    under its own lease does not need.
    """

    stripe: Stripe
    store: Store
    leases: LeaseStore
    new_discrepancy_store: Callable[[], DiscrepancyStore]
    new_requests: Callable[[], SweepRequests]
    new_acceptances: Callable[[], AcceptanceRequests]
    new_configuration_record: Callable[[], ConfigurationRecord]
    reserved_share: ReservedShare
    table_guard: TableGuard


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """What an open account may spend: requests a second, reads in 30 days, and corrections an hour.

    ``budget`` is what plans are priced with. ``per_hour`` limits the corrections of the service. ``count_allowed``
    counts anew how many reads Stripe allows in 30 days.
    """

    rates: RateLimits
    rate_limiter: RateLimiter
    budget: Budget
    source_quota: SourceQuota
    per_hour: int
    count_allowed: Callable[[], int]

    @property
    def quota(self) -> ReadQuota:
        """The 30-day read quota."""
        return self.source_quota.quota

    def resize_quota(self) -> None:
        """Count anew how many reads Stripe allows: it depends on the number of transactions."""
        self.quota.resize(self.count_allowed())


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """One account, ready for sweeps and questions. Every method may raise what the ports raise.

    ``mode`` is what the configuration allows. ``new_holder`` returns a new name of this process for each lease.
    ``has_schema`` is whether Reconciler's schema exists and may be written to.
    """

    name: str
    mode: Mode
    clock: Clock
    new_holder: Callable[[], str]
    ports: AccountPorts
    limits: AccountLimits
    rules: Rules
    rechecks: ClaimedRechecks
    has_schema: bool
    deciding_settings: Callable[[], DecidingSettings]
    """What decides results in the configuration, for the ledger."""
    zone: tzinfo = UTC
    """The time zone of the books."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """The program's version and the configuration's fingerprint, for a certificate."""
    count_rows_of_no_account: Callable[[], RowsOfNoAccount] | None = None
    """Counts the rows that no configured account has; None if the table has no account column."""
    due_rows: DueRows | None = None
    """Finds what is due for the sweeps of the service; None if each of them reads every open row."""

    def sweep(
        self, request: SweepRequest, progress: Progress, requester: Requester | None = None
    ) -> SweepReport:
        """Make one sweep that a person asks for. If the service holds the account, the service makes it.

        Raises ConfigurationError or LeaseHeldError if the sweep cannot begin.
        """
        if not self.has_schema:
            # a dry run without the schema has no lease that it could lose
            return self.sweep_under(0, lambda: None, request, progress, requester)
        try:
            with self._lease() as lease:
                return self.sweep_under(
                    lease.epoch, lease.raise_if_lost, request, progress, requester
                )
        except LeaseHeldError:
            # imported here: a sweep of its own does not need it
            from reconciler.engine.sweep_requests.hand_over import hand_over

            requests = self.ports.new_requests()
            report = hand_over(requests, request, self.name, self.clock, progress, requester)
        if report is not None:
            return report

        # no service holds the account, or the service has ended meanwhile
        with self._lease() as lease:
            return self.sweep_under(lease.epoch, lease.raise_if_lost, request, progress, requester)

    def sweep_under(
        self,
        epoch: int,
        check_lease: Callable[[], None],
        request: SweepRequest,
        progress: Progress,
        requester: Requester | None = None,
    ) -> SweepReport:
        """Make one sweep under a lease that the caller holds. An error of ``check_lease`` ends it, not complete.

        Raises ConfigurationError if something is to be written and Reconciler's schema does not exist, or if the account
        is bound to another table.
        """
        is_stored = request.writing is not Writing.NOTHING
        if is_stored:
            self.raise_if_no_schema()
        context = self._sweep_context()
        self.limits.source_quota.quota.renew(self.ports.store.booked_reads)
        sweep = None
        if is_stored:
            guard = self.ports.table_guard
            guard.check(epoch)
            configuration = self.provenance.get("configuration")
            if guard.is_bound and guard.recorded_configuration != configuration:
                self._record_configuration(request, epoch)
            sweep = self.ports.store.start_sweep(
                {
                    "kind": request.kind.value,
                    "mode": self.mode.value,
                    "applied": request.writing is Writing.ROWS,
                    "asked_by": request.asked_by,
                }
            )
        actor = Actor(
            account=self.name,
            sweep=sweep,
            asked_by=request.asked_by,
            mode=self.mode,
            writing=request.writing,
            epoch=epoch,
            claimed_by=request.claimed_by,
            again=request.again,
            names_payments=request.names_intents or request.again is not None,
        )
        try:
            report = Sweep(context, request, actor, check_lease, progress, requester).run()
        finally:
            # what is read outside a sweep is read for a person
            self.limits.source_quota.begin(Source.PERSON, by_service=False)
        if is_stored and report.complete and not self.ports.table_guard.is_bound:
            self._bind(report)
        return report

    def _record_configuration(self, request: SweepRequest, epoch: int) -> None:
        # imported here: a sweep with the configuration of the one before does not need it
        from reconciler.engine.lease.configuration_record import record_configuration

        settings = self.deciding_settings()
        by = AskedBy(request.asked_by, request.claimed_by)
        record_configuration(self.ports.new_configuration_record(), settings, by, epoch)
        self.ports.table_guard.recorded_configuration = settings.fingerprint

    def _bind(self, report: SweepReport) -> None:
        """Bind the account to its table after a complete sweep: by then the key has proved to belong to the table."""
        try:
            self.ports.table_guard.bind()
        except ReconcilerError as error:
            report.stop(error)

    def raise_if_no_schema(self) -> None:
        """Raise ConfigurationError if Reconciler's schema does not exist or may not be written to."""
        if not self.has_schema:
            raise ConfigurationError((NO_SCHEMA,))

    def reading_beside_holder(self) -> AbstractContextManager[None]:
        """Read with the account's reserved share for the length of the block, because another process may hold it."""
        return with_reserved_share(self.ports.reserved_share, self.limits.rate_limiter, self.clock)

    def renew_quota(self) -> None:
        """Read anew what is booked of the read quota. Call it before the first read from Stripe."""
        self.limits.quota.renew(self.ports.store.booked_reads)

    @contextmanager
    def writing_epoch(self) -> Iterator[int]:
        """The epoch for one write of a person: that of a lease for the block, or of the service that holds the account.

        One write needs no takeover from the service, because each transaction locks and compares its rows and checks
        the epoch. Raises LeaseHeldError if another command holds the account, and ConfigurationError if the account is
        bound to another table.
        """
        self.renew_quota()
        with ExitStack() as stack:
            try:
                epoch = stack.enter_context(self._lease()).epoch
            except LeaseHeldError:
                service = self.ports.new_requests().at_work()
                if service is None:
                    raise
                epoch = service.epoch
                stack.enter_context(self.reading_beside_holder())
            self.ports.table_guard.check(epoch)
            yield epoch

    def _lease(self) -> Lease:
        return Lease(
            self.ports.leases,
            self.new_holder(),
            self.clock,
            rate_limiter=self.limits.rate_limiter,
        )

    def _sweep_context(self) -> SweepContext:
        limits = self.limits
        rate = min(limits.rates.overall, limits.rates.endpoint)
        return SweepContext(
            stripe=self.ports.stripe,
            store=self.ports.store,
            clock=self.clock,
            rules=self.rules,
            workers=max(2, min(MOST_WORKERS, round(rate * SECONDS_A_READ))),
            page_size=retrieve_page_size(rate),
            per_hour=limits.per_hour,
            has_schema=self.has_schema,
            budget=limits.budget,
            source_quota=limits.source_quota,
            rechecks=self.rechecks,
            zone=self.zone,
            count_rows_of_no_account=self.count_rows_of_no_account,
            provenance=self.provenance,
            due_rows=self.due_rows,
        )
