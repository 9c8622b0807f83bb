"""An account that is open: its table, its Stripe gateway and its limits."""

from __future__ import annotations

import gc
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from reconciler.adapters.postgres.coordination.lease_store import (
    PostgresLeaseStore,
    PostgresReservedShare,
)
from reconciler.adapters.postgres.coordination.table_bindings import (
    PostgresTableBindings,
    configured_binding,
)
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.inspection import inspect
from reconciler.adapters.postgres.page.store import PostgresStore
from reconciler.adapters.stripe_gateway import StripeGateway
from reconciler.clock import Clock
from reconciler.domain.model.match import Rules
from reconciler.domain.planning.plan import Budget, RequestRates
from reconciler.domain.read_limits_and_shortage import Endpoint, RateLimits
from reconciler.engine.account import SECONDS_A_READ, AccountLimits, AccountPorts, OpenAccount
from reconciler.engine.lease.table_binding import TableGuard
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.engine.limits.read_quota import ReadQuota, SourceQuota
from reconciler.engine.sweep_context import ClaimedRechecks
from reconciler.program_version import program_version
from reconciler.settings import Account, Settings
from reconciler.settings.fingerprint import configuration_fingerprint, deciding_settings
from reconciler.wiring.limits import limits_of, new_quota, reads_allowed
from reconciler.wiring.stop_signal import STOPPING

if TYPE_CHECKING:
    from reconciler.adapters.postgres.coordination.acceptance_requests import (
        PostgresAcceptanceRequests,
    )
    from reconciler.adapters.postgres.coordination.configuration_record import (
        PostgresConfigurationRecord,
    )
    from reconciler.adapters.postgres.coordination.sweep_requests import PostgresSweepRequests
    from reconciler.adapters.postgres.discrepancies.discrepancy_store import (
        PostgresDiscrepancyStore,
    )
    from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
    from reconciler.domain.model.rows_of_no_account import RowsOfNoAccount
    from reconciler.engine.due_rows import DueRows


COLLECT_AFTER: Final = 5_000
"""So many objects are made before Python looks for circles of garbage. A page makes tens of thousands and no circle.
After every 700, as Python does by itself, the search takes a twentieth of a sweep's CPU."""


def rules_of(settings: Settings) -> Rules:
    """What the configuration says about the rules of deciding."""
    payments = settings.table
    return Rules(
        statuses=payments.statuses,
        grace=settings.corrections.grace,
        horizon=settings.sweep.horizon,
        metadata=payments.required_metadata,
        link_metadata=payments.link_metadata,
        link_description=payments.link_description,
        relink=settings.corrections.relink,
        writes_intent=isinstance(payments.payment_intent, str),
    )


def budget_of(limits: RateLimits, allowed: int) -> Budget:
    """What a plan is priced with: the requests a second of Reconciler and of Stripe, and Stripe's reads in 30 days."""
    rates = RequestRates(limits.endpoint, limits.endpoint, limits.overall)
    share = limits.share
    stripe_limits = RequestRates(
        rates.list / share, rates.retrieve / share, rates.everything / share
    )
    return Budget(rates=rates, limit=stripe_limits, quota=allowed, read_seconds=SECONDS_A_READ)


def open_gateway(
    settings: Settings,
    account: Account,
    clock: Clock,
    rate_limiter: RateLimiter,
    source_quota: SourceQuota | None = None,
    *,
    all_metadata: bool = False,
) -> StripeGateway:
    """Stripe, read with this account's key. The caller closes it.

    Without ``source_quota`` reads only keep to the rate limits. With ``all_metadata`` intents have all of their metadata,
    not only the configured keys.
    """

    def acquire(endpoint: Endpoint) -> None:
        # the quota first: a read that it refuses must not take a token of the rate limit
        if source_quota is not None:
            source_quota.take(endpoint)
        rate_limiter.take(endpoint)

    payments = settings.payments
    metadata_keys = set() if payments is None else {*payments.required_metadata}
    if payments is not None and payments.link_metadata is not None:
        metadata_keys.add(payments.link_metadata)
    return StripeGateway(
        api_key=account.api_key.get_secret_value(),
        account=account.name,
        stripe_account=account.stripe_account,
        api_base=settings.stripe.api_base,
        livemode=account.livemode,
        clock=clock,
        metadata_keys=None if all_metadata else metadata_keys,
        keeps_description=payments is not None and payments.link_description,
        acquire=acquire,
        release=rate_limiter.release,
        limited=rate_limiter.limited,
        stopping=rate_limiter.stopping,
    )


def new_holder() -> str:
    """A name of this process for a lease: the machine, the process, and a random part.

    The random part tells the process from an earlier one of the same number.
    """
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
    Without ``rate_limiter``, every wait for Stripe ends when the process is asked to.
    Raises ConfigurationError if the mapping does not fit the table or the account is bound to another table,
    NewerSchemaError if a newer version has migrated the
    schema.
    """
    gc.set_threshold(COLLECT_AFTER)
    with ExitStack() as stack:
        if database is None:
            database = stack.enter_context(Database(settings.database_url.get_secret_value()))
        payments = settings.table
        all_rows = [one.rows for one in settings.accounts]
        table = inspect(
            database,
            payments.mapping,
            writes=writes_rows,
            links=payments.links,
            accounts=all_rows,
            account_rows=account.rows,
        ).table_or_raise()
        store = PostgresStore(database, table, account.name, all_rows)
        table_guard = TableGuard(
            account.name,
            configured_binding(table),
            PostgresTableBindings(database, table, account.name),
        )
        if store.can_read_schema:
            table_guard.raise_if_bound_elsewhere()

        limits = limits_of(settings, account)
        quota = quota or new_quota(settings)
        quota.resize(reads_allowed(settings, store, clock))
        source_quota = SourceQuota(quota)
        rate_limiter = rate_limiter or RateLimiter(limits, clock, STOPPING)

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
                new_discrepancy_store=partial(_discrepancy_store, database, account.name),
                new_requests=partial(_sweep_requests, database, account.name),
                new_acceptances=partial(_acceptance_requests, database, account.name),
                new_configuration_record=partial(_configuration_record, database, account.name),
                reserved_share=PostgresReservedShare(
                    database, account.name, readable=store.can_read_schema
                ),
                table_guard=table_guard,
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
            zone=settings.statement.zone,
            provenance={
                "program": program_version(),
                "configuration": configuration_fingerprint(settings),
            },
            deciding_settings=partial(deciding_settings, settings),
            rechecks=rechecks or ClaimedRechecks(),
            # the service alone shares its claims, and sweeps again and again
            due_rows=None if rechecks is None else _due_rows(database, store, account.name, clock),
            has_schema=store.has_schema,
            count_rows_of_no_account=(
                None
                if table.account is None
                else partial(_rows_of_no_account, database, table, settings)
            ),
        )


def _rows_of_no_account(
    database: Database, table: MerchantTable, settings: Settings
) -> RowsOfNoAccount:
    # imported here: a table without an account column does not need it
    from reconciler.adapters.postgres.merchant.rows_of_no_account import count_rows_of_no_account

    accounts = [one.rows for one in settings.accounts]
    return count_rows_of_no_account(database, table, accounts)


def _due_rows(database: Database, store: PostgresStore, account: str, clock: Clock) -> DueRows:
    # imported here: a person's sweep reads every open row
    from reconciler.adapters.postgres.page.due_row_search import PostgresDueRows
    from reconciler.engine.due_rows import DueRows

    return DueRows(PostgresDueRows(database, store, account), clock)


def _discrepancy_store(database: Database, account: str) -> PostgresDiscrepancyStore:
    # imported here: a sweep does not need it
    from reconciler.adapters.postgres.discrepancies.discrepancy_store import (
        PostgresDiscrepancyStore,
    )

    return PostgresDiscrepancyStore(database, account)


def _sweep_requests(database: Database, account: str) -> PostgresSweepRequests:
    # imported here: a sweep under its own lease does not need it
    from reconciler.adapters.postgres.coordination.sweep_requests import PostgresSweepRequests

    return PostgresSweepRequests(database, account)


def _acceptance_requests(database: Database, account: str) -> PostgresAcceptanceRequests:
    # imported here: a sweep does not need it
    from reconciler.adapters.postgres.coordination.acceptance_requests import (
        PostgresAcceptanceRequests,
    )

    return PostgresAcceptanceRequests(database, account)


def _configuration_record(database: Database, account: str) -> PostgresConfigurationRecord:
    # imported here: a sweep with the configuration of the one before does not need it
    from reconciler.adapters.postgres.coordination.configuration_record import (
        PostgresConfigurationRecord,
    )

    return PostgresConfigurationRecord(database, account)
