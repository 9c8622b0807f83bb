"""What can be done with an account that is open: sweeps, and what a person asks about one payment or one sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from reconciler.clock import Clock
from reconciler.domain.model.match import Rules
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.plan import Budget
from reconciler.domain.planning.planner import retrieve_page_size
from reconciler.domain.read_limits_and_shortage import Endpoint, Source
from reconciler.engine.actions.explain import Explanation, explain
from reconciler.engine.actions.resolve import Resolution, resolve
from reconciler.engine.actions.resolve import accept_stripe as accept_outcome_of_stripe
from reconciler.engine.actions.revert import Reverted, revert
from reconciler.engine.actor import Actor
from reconciler.engine.lease.lease import Lease
from reconciler.engine.limits.rate_limiter import RateLimiter, RateLimits
from reconciler.engine.limits.read_quota import ReadQuota, SourceQuota
from reconciler.engine.limits.reserved_share import ReservedShare, with_reserved_share
from reconciler.engine.planning.read_estimate import (
    ReadEstimate,
    estimate_due,
    estimate_window,
    spendable,
)
from reconciler.engine.ports import DiscrepancyStore, LeaseStore, Progress, Store, Stripe
from reconciler.engine.report import Mode, Moment, SweepKind, SweepReport, SweepRequest, Writing
from reconciler.engine.sources.claimed_rechecks import ClaimedRechecks
from reconciler.engine.sources.sources import SweepContext
from reconciler.engine.sweep.sweep import Sweep
from reconciler.engine.sweep_requests.hand_over import SweepRequests, hand_over
from reconciler.errors import ConfigurationError, LeaseHeldError

MOST_WORKERS: Final = 16
SECONDS_A_READ: Final = 0.5
"""A slow read: so many threads that reads of this length still fill our share of an endpoint's limit."""
NO_SCHEMA: Final = (
    "the schema reconciler is not there, or this role may not write to it: run reconciler migrate"
    " --daemon-role ROLE as a role that may create it."
)


@dataclass(frozen=True)
class OpenAccount:
    """One account, ready to be asked about. Every method may raise what the ports raise.

    ``mode`` and ``per_hour`` are what the configuration allows; ``holder`` names this process in a lease, anew each time.
    """

    name: str
    mode: Mode
    per_hour: int
    clock: Clock
    holder: Callable[[], str]
    stripe: Stripe
    store: Store
    leases: LeaseStore
    discrepancy_store: DiscrepancyStore
    requests: SweepRequests
    reserved_shares: ReservedShare
    rate_limiter: RateLimiter
    rules: Rules
    limits: RateLimits
    budget: Budget
    source_quota: SourceQuota
    rechecks: ClaimedRechecks
    transactions_allow: Callable[[], int]
    """The reads that Stripe allows in 30 days, counted anew."""
    has_schema: bool

    @property
    def quota(self) -> ReadQuota:
        """The reads of 30 days."""
        return self.source_quota.quota

    def count_transactions(self) -> None:
        """Look again at how many reads Stripe allows: it is by the transaction."""
        self.quota.resize(self.transactions_allow())

    def sweep(self, request: SweepRequest, progress: Progress) -> SweepReport:
        """One sweep that a person asks for: handed to the service where that holds the account.

        Raises ConfigurationError or LeaseHeldError where it cannot begin.
        """
        if not self.has_schema:
            return self.sweep_under(0, _nothing_to_check, request, progress)
        try:
            with self._lease() as lease:
                return self.sweep_under(lease.epoch, lease.raise_if_lost, request, progress)
        except LeaseHeldError:
            report = hand_over(self.requests, request, self.name, self.clock, progress)
        if report is not None:
            return report
        # no service holds it, or it has gone meanwhile
        with self._lease() as lease:
            return self.sweep_under(lease.epoch, lease.raise_if_lost, request, progress)

    def sweep_under(
        self, epoch: int, recheck: Callable[[], None], request: SweepRequest, progress: Progress
    ) -> SweepReport:
        """One sweep under a lease that the caller holds. What ``check`` raises between pages ends it, incomplete.

        Raises ConfigurationError where our schema is missing and something is to be written.
        """
        self.quota.renew(self.store.booked_reads)
        if request.writing is not Writing.NOTHING and not self.has_schema:
            raise ConfigurationError((NO_SCHEMA,))
        actor = Actor(
            account=self.name,
            sweep=self._begin(request),
            asked_by=request.asked_by,
            mode=self.mode,
            writing=request.writing,
            epoch=epoch,
        )
        try:
            return Sweep(self._context_of(), request, actor, recheck, progress).run()
        finally:
            self.source_quota.cast(Source.PERSON, by_service=False)

    def estimate(
        self, kind: SweepKind, since: Moment | None, until: Moment | None
    ) -> tuple[ReadEstimate, ...]:
        """What a sweep would ask Stripe now, net by net, and what it would cost."""
        now = self.clock.now()
        self.quota.renew(self.store.booked_reads)
        created = TimeRange(_at(since, now), _at(until, now))
        found: list[ReadEstimate] = []
        spent = 0
        if kind in (SweepKind.WINDOW, SweepKind.ALL):
            window = TimeRange(created.since or now - self.rules.horizon, created.until)
            budget = self._budget_of(Source.WINDOW)
            found.append(estimate_window(self.store, window, budget, now))
            spent = found[0].plan.reads
            if kind is SweepKind.ALL:
                created = TimeRange(created.since, found[0].listed_since or created.until)
        if kind in (SweepKind.DUE, SweepKind.ALL):
            found.append(estimate_due(self.store, created, self._budget_of(Source.DUE, spent)))
        return tuple(found)

    def _budget_of(self, source: Source, spent: int = 0) -> Budget:
        """What a plan of a net may spend, after ``spent`` more."""
        left = spendable(self.quota.left(source))
        return replace(self.budget, reads_left=max(0, left - spent))

    def explain(self, intent_id: str) -> Explanation:
        """Both sides of one intent, and what would be done."""
        try:
            with with_reserved_share(self.reserved_shares, self.rate_limiter, self.clock):
                return explain(self.stripe, self.store, self.rules, self.name, intent_id)
        finally:
            if self.has_schema:
                self.quota.book(self.store.book_reads)

    def resolve(
        self,
        discrepancy_id: int,
        note: str,
        by: str,
        *,
        accept_stripe: bool = False,
        ignore: bool = False,
    ) -> Resolution:
        """Settle a discrepancy, with or without writing Stripe's outcome to its row."""
        self._need_schema()
        if not accept_stripe:
            return resolve(self.discrepancy_store, discrepancy_id, note, by, ignore=ignore)
        with self._fenced() as epoch:
            return accept_outcome_of_stripe(
                self.stripe,
                self.store,
                self.discrepancy_store,
                self.rules,
                epoch,
                discrepancy_id,
                note,
                by,
            )

    def revert(self, sweep: int, by: str) -> Reverted:
        """Take a pass's corrections back."""
        self._need_schema()
        with self._fenced() as epoch:
            now = self.stripe.now()
            return revert(self.store, self.discrepancy_store, epoch, sweep, by, now)

    def _need_schema(self) -> None:
        if not self.has_schema:
            raise ConfigurationError((NO_SCHEMA,))

    def _lease(self) -> Lease:
        return Lease(self.leases, self.holder(), self.clock, rate_limiter=self.rate_limiter)

    @contextmanager
    def _fenced(self) -> Iterator[int]:
        """The epoch to write under: that of a lease of our own, or of the service that holds the account.

        A person's single act needs no takeover: the rows are locked and compared, and the epoch is proved, in each
        transaction all the same.
        """
        with ExitStack() as stack:
            try:
                epoch = stack.enter_context(self._lease()).epoch
            except LeaseHeldError:
                service = self.requests.at_work()
                if service is None:
                    raise
                epoch = service.epoch
                stack.enter_context(
                    with_reserved_share(self.reserved_shares, self.rate_limiter, self.clock)
                )
            yield epoch

    def _begin(self, request: SweepRequest) -> int | None:
        if request.writing is Writing.NOTHING:
            return None
        return self.store.start_sweep(
            {
                "kind": request.kind.value,
                "mode": self.mode.value,
                "applied": request.writing is Writing.ROWS,
                "asked_by": request.asked_by,
            }
        )

    def _context_of(self) -> SweepContext:
        rate = min(self.limits.overall, self.limits.of_endpoint(Endpoint.RETRIEVE))
        return SweepContext(
            stripe=self.stripe,
            store=self.store,
            clock=self.clock,
            rules=self.rules,
            workers=max(2, min(MOST_WORKERS, round(rate * SECONDS_A_READ))),
            page_size=retrieve_page_size(rate),
            per_hour=self.per_hour,
            keeps_books=self.has_schema,
            budget=self.budget,
            source_quota=self.source_quota,
            rechecks=self.rechecks,
        )


def _at(moment: Moment | None, now: datetime) -> datetime | None:
    return now - moment if isinstance(moment, timedelta) else moment


def _nothing_to_check() -> None:
    """A dry run without our schema has no lease to lose."""
