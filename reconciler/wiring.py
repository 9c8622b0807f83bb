"""The only place where objects are built from settings. Here the adapters meet the engine's ports."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reconciler.adapters.postgres.audit import Audit
from reconciler.adapters.postgres.casebook import PostgresCasebook
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.inspection import inspect
from reconciler.adapters.postgres.lease_store import PostgresLeaseStore
from reconciler.adapters.postgres.mapping import TableMapping
from reconciler.adapters.postgres.store import PostgresStore
from reconciler.adapters.postgres.sweep_requests import PostgresSweepRequests
from reconciler.adapters.stripe_gateway import StripeGateway
from reconciler.clock import Clock
from reconciler.domain.endpoint import Endpoint
from reconciler.domain.page import TimeRange
from reconciler.domain.plan import Budget, Lanes
from reconciler.domain.planning import retrieve_page_size
from reconciler.domain.subject import Rules
from reconciler.engine.allowance import DAYS, ReadAllowance, documented_reads
from reconciler.engine.authority import Authority
from reconciler.engine.explanation import Explanation, explain
from reconciler.engine.forecast import Forecast, forecast_due, forecast_window
from reconciler.engine.handover import SweepRequests, hand_over
from reconciler.engine.lease import Lease
from reconciler.engine.nets import Surroundings
from reconciler.engine.pacer import Limits, Pacer
from reconciler.engine.ports import Casebook, LeaseStore, Progress, Store, Stripe
from reconciler.engine.report import Moment, Request, SweepKind, SweepReport, Writing
from reconciler.engine.resolution import Resolution, resolve
from reconciler.engine.resolution import accept_stripe as accept_outcome_of_stripe
from reconciler.engine.reversal import Reversal, revert
from reconciler.engine.sweep import Sweep
from reconciler.errors import ConfigurationError, LeaseHeldError
from reconciler.settings import Account, PaymentsSection, Settings, key_facts

MOST_WORKERS: Final = 16
SECONDS_A_READ: Final = 0.5
"""A slow read: so many threads that reads of this length still fill our share of an endpoint's limit."""
NO_SCHEMA: Final = (
    "the schema reconciler is not there, or this role may not write to it: run reconciler migrate"
    " --daemon-role ROLE as a role that may create it."
)


def table_mapping(payments: PaymentsSection) -> TableMapping:
    """The merchant's table as the adapter takes it."""
    return TableMapping(
        table=payments.table,
        key=payments.key,
        payment_intent=payments.payment_intent,
        status=payments.status,
        amount=payments.amount,
        amount_unit=payments.amount_unit,
        currency=payments.currency,
        currency_constant=payments.currency_constant,
        created=payments.created,
        created_unit=payments.created_unit,
        updated=payments.updated,
        order=payments.order,
        account=payments.account,
        statuses=payments.statuses,
    )


def rules_of(settings: Settings) -> Rules:
    """What the configuration says about judging."""
    payments = settings.table
    return Rules(
        statuses=payments.statuses,
        grace=settings.corrections.grace,
        horizon=settings.sweep.horizon,
        metadata=payments.metadata,
        link_metadata=payments.link_metadata,
    )


def limits_of(settings: Settings, account: Account) -> Limits:
    """Stripe's documented limits for the key's mode, and what the configuration puts in their place."""
    livemode = key_facts(account.api_key.get_secret_value()).livemode
    if livemode is None:
        livemode = account.livemode
    budget = settings.budget
    return Limits.of(
        livemode=bool(livemode),
        share=budget.share,
        global_per_second=budget.global_per_second,
        endpoint_per_second=budget.endpoint_per_second,
        search_per_second=budget.search_per_second,
    )


def allowance_of(settings: Settings, store: PostgresStore, clock: Clock) -> ReadAllowance:
    """Our share of the reads that Stripe allows in 30 days, less those that are booked.

    Where the configuration does not say what Stripe allows, every row of the last 30 days counts as a transaction.
    """
    budget = settings.budget
    allowed = budget.reads_per_30_days
    if allowed is None:
        lately = TimeRange(since=clock.now() - timedelta(days=DAYS))
        allowed = documented_reads(store.count_between(lately))
    return ReadAllowance(allowed, budget.share, store.booked_reads())


def budget_of(limits: Limits, allowed: int) -> Budget:
    """What a plan is priced with: our requests a second, Stripe's, and Stripe's reads over 30 days."""
    ours = Lanes(limits.endpoint, limits.endpoint, limits.overall)
    share = limits.share
    stripes = Lanes(ours.list / share, ours.retrieve / share, ours.everything / share)
    return Budget(lanes=ours, limit=stripes, allowance=allowed, read_seconds=SECONDS_A_READ)


def open_gateway(
    settings: Settings,
    account: Account,
    clock: Clock,
    pacer: Pacer,
    allowance: ReadAllowance | None = None,
) -> StripeGateway:
    """Stripe, read with this account's key. Close it. Without an allowance only the pace is kept."""

    def buy(endpoint: Endpoint) -> None:
        if allowance is not None:
            allowance.take(endpoint)
        pacer.take(endpoint)

    payments = settings.payments
    kept = set() if payments is None else {*payments.metadata}
    if payments is not None and payments.link_metadata is not None:
        kept.add(payments.link_metadata)
    return StripeGateway(
        api_key=account.api_key.get_secret_value(),
        account=account.name,
        stripe_account=account.stripe_account,
        api_base=settings.stripe.api_base,
        livemode=account.livemode,
        clock=clock,
        metadata_keys=kept,
        buy=buy,
        done=pacer.done,
        limited=pacer.limited,
    )


def holder() -> str:
    """How this process is named in a lease: machine, process, and what tells it from an earlier one of that number."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


@dataclass(frozen=True)
class OpenAccount:
    """One account, ready to be asked about. Every method may raise what the ports raise."""

    name: str
    settings: Settings
    clock: Clock
    stripe: Stripe
    store: Store
    leases: LeaseStore
    casebook: Casebook
    requests: SweepRequests
    rules: Rules
    limits: Limits
    budget: Budget
    allowance: ReadAllowance
    has_schema: bool

    def sweep(self, request: Request, progress: Progress) -> SweepReport:
        """One pass that a person asks for: handed to the service where that holds the account.

        Raises ConfigurationError or LeaseHeldError where it cannot begin.
        """
        if not self.has_schema:
            return self.sweep_under(0, _nothing_to_check, request, progress)
        try:
            with self._lease() as lease:
                return self.sweep_under(lease.epoch, lease.check, request, progress)
        except LeaseHeldError:
            report = hand_over(self.requests, request, self.name, self.clock, progress)
        if report is not None:
            return report
        # no service holds it, or it has gone meanwhile
        with self._lease() as lease:
            return self.sweep_under(lease.epoch, lease.check, request, progress)

    def sweep_under(
        self, epoch: int, check: Callable[[], None], request: Request, progress: Progress
    ) -> SweepReport:
        """One pass under a lease that the caller holds. What ``check`` raises between pages ends it, incomplete.

        Raises ConfigurationError where our schema is missing and something is to be written.
        """
        self.allowance.renew(self.store.booked_reads())
        if request.writing is not Writing.NOTHING and not self.has_schema:
            raise ConfigurationError((NO_SCHEMA,))
        authority = Authority(
            account=self.name,
            sweep=self._begin(request),
            asked_by=request.asked_by,
            mode=self.settings.corrections.mode,
            writing=request.writing,
            epoch=epoch,
        )
        return Sweep(self._surroundings(), request, authority, check, progress).run()

    def forecast(
        self, kind: SweepKind, since: Moment | None, until: Moment | None
    ) -> tuple[Forecast, ...]:
        """What a pass would ask Stripe now, net by net, and what it would cost."""
        now = self.clock.now()
        created = TimeRange(_at(since, now), _at(until, now))
        found: list[Forecast] = []
        if kind in (SweepKind.WINDOW, SweepKind.ALL):
            window = TimeRange(created.since or now - self.rules.horizon, created.until)
            found.append(forecast_window(self.store, window, self.budget, now))
            created = TimeRange(created.since, window.since) if kind is SweepKind.ALL else created
        if kind in (SweepKind.DUE, SweepKind.ALL):
            found.append(forecast_due(self.store, created, self.budget))
        return tuple(found)

    def explain(self, intent_id: str) -> Explanation:
        """Both sides of one intent, and what would be done."""
        return explain(self.stripe, self.store, self.rules, self.name, intent_id)

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
            return resolve(self.casebook, discrepancy_id, note, by, ignore=ignore)
        with self._fenced() as epoch:
            return accept_outcome_of_stripe(
                self.stripe,
                self.store,
                self.casebook,
                self.rules,
                epoch,
                discrepancy_id,
                note,
                by,
            )

    def revert(self, sweep: int, by: str) -> Reversal:
        """Take a pass's corrections back."""
        self._need_schema()
        with self._fenced() as epoch:
            now = self.stripe.now()
            return revert(self.store, self.casebook, epoch, sweep, by, now)

    def _need_schema(self) -> None:
        if not self.has_schema:
            raise ConfigurationError((NO_SCHEMA,))

    def _lease(self) -> Lease:
        return Lease(self.leases, holder(), self.clock)

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
            yield epoch

    def _begin(self, request: Request) -> int | None:
        if request.writing is Writing.NOTHING:
            return None
        return self.store.start_sweep(
            {
                "kind": request.kind.value,
                "mode": self.settings.corrections.mode.value,
                "applied": request.writing is Writing.ROWS,
                "asked_by": request.asked_by,
            }
        )

    def _surroundings(self) -> Surroundings:
        rate = min(self.limits.overall, self.limits.of_endpoint(Endpoint.RETRIEVE))
        return Surroundings(
            stripe=self.stripe,
            store=self.store,
            clock=self.clock,
            rules=self.rules,
            workers=max(2, min(MOST_WORKERS, round(rate * SECONDS_A_READ))),
            page_size=retrieve_page_size(rate),
            per_hour=self.settings.corrections.per_hour,
            keeps_books=self.has_schema,
            budget=self.budget,
        )


def _at(moment: Moment | None, now: datetime) -> datetime | None:
    return now - moment if isinstance(moment, timedelta) else moment


def _nothing_to_check() -> None:
    """A dry run without our schema has no lease to lose."""


@contextmanager
def open_account(
    settings: Settings,
    account: Account,
    clock: Clock,
    *,
    writes_rows: bool = False,
    database: Database | None = None,
    pacer: Pacer | None = None,
) -> Iterator[OpenAccount]:
    """An account with its table and its Stripe, for the length of the block.

    ``writes_rows`` is whether rows are going to be corrected: then the privileges for that are looked for at once.
    ``database`` and ``pacer`` are shared by those who open one account several times; without them it has its own.
    Raises ConfigurationError where the mapping does not fit the table.
    """
    with ExitStack() as stack:
        if database is None:
            database = stack.enter_context(Database(settings.database_url.get_secret_value()))
        payments = settings.table
        table = inspect(
            database,
            table_mapping(payments),
            writes=writes_rows,
            links=payments.link_metadata is not None,
            accounts=[one.name for one in settings.accounts],
        ).fitting()
        limits = limits_of(settings, account)
        store = PostgresStore(database, table, account.name)
        allowance = allowance_of(settings, store, clock)
        gateway = open_gateway(settings, account, clock, pacer or Pacer(limits, clock), allowance)
        stack.callback(gateway.close)
        yield OpenAccount(
            name=account.name,
            settings=settings,
            clock=clock,
            stripe=gateway,
            store=store,
            leases=PostgresLeaseStore(database, account.name),
            casebook=PostgresCasebook(database, account.name),
            requests=PostgresSweepRequests(database, account.name),
            rules=rules_of(settings),
            limits=limits,
            budget=budget_of(limits, allowance.documented),
            allowance=allowance,
            has_schema=store.has_schema,
        )


@contextmanager
def open_audit(settings: Settings) -> Iterator[Audit]:
    """Discrepancies and ledger, for reading. Needs no Stripe key and no table."""
    with Database(settings.database_url.get_secret_value()) as database:
        yield Audit(database)
