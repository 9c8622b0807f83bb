"""The only place where objects are built from settings. Here the adapters meet the engine's ports."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from reconciler.adapters.postgres.coordination.lease_store import (
    PostgresLeaseStore,
    PostgresReservedShare,
)
from reconciler.adapters.postgres.coordination.sweep_requests import PostgresSweepRequests
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.discrepancies.discrepancy_store import PostgresDiscrepancyStore
from reconciler.adapters.postgres.merchant.inspection import inspect
from reconciler.adapters.postgres.page.store import PostgresStore
from reconciler.adapters.postgres.schema.schema_state import schema_access
from reconciler.adapters.stripe_gateway import StripeGateway
from reconciler.clock import Clock
from reconciler.domain.model.match import Rules
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.plan import Budget, RequestRates
from reconciler.domain.read_limits_and_shortage import QUOTA_DAYS, Endpoint
from reconciler.engine.account import SECONDS_A_READ, AccountLimits, AccountPorts, OpenAccount
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.engine.limits.rate_limits import RateLimits
from reconciler.engine.limits.read_quota import (
    FEWEST_READS,
    ReadQuota,
    SourceQuota,
    documented_reads,
)
from reconciler.engine.sources.id_sets import ClaimedRechecks
from reconciler.errors import ConfigurationError
from reconciler.settings import Account, Settings, key_facts
from reconciler.settings.signing import NO_SECRET

if TYPE_CHECKING:
    # imported by those who use them: a sweep needs neither
    from reconciler.adapters.postgres.audit.audit import Audit
    from reconciler.engine.delivery.circuit_breaker import CircuitBreaker
    from reconciler.engine.delivery.deliver import Delivery


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


def limits_of(settings: Settings, account: Account) -> RateLimits:
    """Stripe's documented limits for the key's mode, and what the configuration puts in their place."""
    livemode = key_facts(account.api_key.get_secret_value()).livemode
    if livemode is None:
        livemode = account.livemode
    budget = settings.budget
    return RateLimits.of(
        livemode=bool(livemode),
        share=budget.share,
        global_per_second=budget.global_per_second,
        endpoint_per_second=budget.endpoint_per_second,
        search_per_second=budget.search_per_second,
    )


def new_quota(settings: Settings) -> ReadQuota:
    """The reads of 30 days of an account that is not open yet: what Stripe allows at least, and nothing spent."""
    allowed = settings.budget.reads_per_30_days or FEWEST_READS
    return ReadQuota(allowed, settings.budget.share, settings.service.tail)


def reads_allowed(settings: Settings, store: PostgresStore, clock: Clock) -> int:
    """The reads that Stripe allows in 30 days.

    Where the configuration does not say, every row of the last 30 days counts as a transaction.
    """
    allowed = settings.budget.reads_per_30_days
    if allowed is not None:
        return allowed
    lately = TimeRange(since=clock.now() - timedelta(days=QUOTA_DAYS))
    return documented_reads(store.count_between(lately))


def budget_of(limits: RateLimits, allowed: int) -> Budget:
    """What a plan is priced with: our requests a second, Stripe's, and Stripe's reads over 30 days."""
    ours = RequestRates(limits.endpoint, limits.endpoint, limits.overall)
    share = limits.share
    stripes = RequestRates(ours.list / share, ours.retrieve / share, ours.everything / share)
    return Budget(rates=ours, limit=stripes, quota=allowed, read_seconds=SECONDS_A_READ)


def open_gateway(
    settings: Settings,
    account: Account,
    clock: Clock,
    rate_limiter: RateLimiter,
    source_quota: SourceQuota | None = None,
) -> StripeGateway:
    """Stripe, read with this account's key. Close it. Without a purse only the pace is kept."""

    def acquire(endpoint: Endpoint) -> None:
        if source_quota is not None:
            source_quota.take(endpoint)
        rate_limiter.take(endpoint)

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
        acquire=acquire,
        release=rate_limiter.release,
        limited=rate_limiter.limited,
    )


def new_holder() -> str:
    """How this process is named in a lease: machine, process, and what tells it from an earlier one of that number."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


@contextmanager
def open_account(
    settings: Settings,
    account: Account,
    clock: Clock,
    *,
    writes_rows: bool = False,
    database: Database | None = None,
    rate_limiter: RateLimiter | None = None,
    quota: ReadQuota | None = None,
    rechecks: ClaimedRechecks | None = None,
) -> Iterator[OpenAccount]:
    """An account with its table and its Stripe gateway, for the length of the block.

    ``writes_rows`` is whether rows may be corrected: then the privileges for that are checked at once. The service opens
    one account several times, and then shares ``database``, ``rate_limiter``, ``quota`` and ``rechecks`` between them.
    Raises ConfigurationError if the mapping does not fit the table.
    """
    with ExitStack() as stack:
        if database is None:
            database = stack.enter_context(Database(settings.database_url.get_secret_value()))
        payments = settings.table
        table = inspect(
            database,
            payments.mapping,
            writes=writes_rows,
            links=payments.link_metadata is not None,
            accounts=[one.name for one in settings.accounts],
        ).table_or_raise()
        limits = limits_of(settings, account)
        store = PostgresStore(database, table, account.name)
        quota = quota or new_quota(settings)
        quota.resize(reads_allowed(settings, store, clock))
        source_quota = SourceQuota(quota)
        rate_limiter = rate_limiter or RateLimiter(limits, clock)
        gateway = open_gateway(settings, account, clock, rate_limiter, source_quota)
        stack.callback(gateway.close)
        yield OpenAccount(
            name=account.name,
            mode=settings.corrections.mode,
            clock=clock,
            new_holder=new_holder,
            ports=AccountPorts(
                stripe=gateway,
                store=store,
                leases=PostgresLeaseStore(database, account.name),
                discrepancy_store=PostgresDiscrepancyStore(database, account.name),
                requests=PostgresSweepRequests(database, account.name),
                reserved_share=PostgresReservedShare(
                    database, account.name, readable=store.can_read_schema
                ),
            ),
            limits=AccountLimits(
                rates=limits,
                rate_limiter=rate_limiter,
                budget=budget_of(limits, quota.documented),
                source_quota=source_quota,
                per_hour=settings.corrections.per_hour,
                count_allowed=partial(reads_allowed, settings, store, clock),
            ),
            rules=rules_of(settings),
            rechecks=rechecks or ClaimedRechecks(),
            has_schema=store.has_schema,
        )


def chance() -> float:
    """A number from 0 to 1, for jitter."""
    return secrets.randbelow(1000) / 1000


@contextmanager
def open_delivery(
    settings: Settings,
    account: str,
    clock: Clock,
    database: Database,
    circuit: CircuitBreaker,
    stopping: threading.Event,
) -> Iterator[Delivery]:
    """The way of an account's outbox to the configured endpoint, for the length of the block.

    Once ``stopping`` is set a request has two seconds left. Raises ConfigurationError where none is configured.
    """
    from reconciler.adapters.postgres.outbox.outbox import PostgresOutbox
    from reconciler.adapters.webhook_sender import HttpxWebhookSender
    from reconciler.engine.delivery.deliver import Delivery, DeliveryTerms

    section = settings.delivery
    if section.url is None or settings.signing_secret is None:
        raise ConfigurationError((NO_SECRET,))
    timeout = section.timeout
    sender = HttpxWebhookSender(section.url, timeout.total_seconds(), clock, stopping)
    terms = DeliveryTerms(settings.signing_secret.get_secret_value(), timeout, section.give_up)
    outbox = PostgresOutbox(database, account)
    try:
        yield Delivery(account, outbox, sender, clock, circuit, terms, chance)
    finally:
        sender.close()


@contextmanager
def open_audit(settings: Settings) -> Iterator[Audit]:
    """Discrepancies and ledger, for reading. Needs no Stripe key and no table."""
    from reconciler.adapters.postgres.audit.audit import Audit

    with Database(settings.database_url.get_secret_value()) as database:
        schema_access(database)
        yield Audit(database)
