"""What finds a payment by any of its names, over all accounts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from reconciler.adapters.postgres.coordination.table_bindings import (
    PostgresTableBindings,
    configured_binding,
)
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.discrepancies.payment_records import PostgresPaymentRecords
from reconciler.adapters.postgres.merchant.inspection import inspect
from reconciler.adapters.postgres.merchant.payment_lookup import PostgresPaymentLookup
from reconciler.adapters.postgres.schema.schema_state import schema_access
from reconciler.engine.actions.find_payment import PaymentFinder
from reconciler.engine.lease.table_binding import TableGuard
from reconciler.settings import Account, Settings


@contextmanager
def open_payment_finder(
    settings: Settings, database: Database | None = None
) -> Iterator[PaymentFinder]:
    """A finder of payments for the length of the block. It needs no Stripe key.

    Raises ConfigurationError if the mapping does not fit the table or an account is bound to another table, and
    NewerSchemaError if a newer version has migrated the schema.
    """
    if database is None:
        with (
            Database(settings.database_url.get_secret_value()) as own,
            open_payment_finder(settings, own) as finder,
        ):
            yield finder
        return
    payments = settings.table
    accounts = [account.rows for account in settings.accounts]
    table = inspect(
        database,
        payments.mapping,
        writes=False,
        links=payments.links,
        accounts=accounts,
    ).table_or_raise()
    can_read = schema_access(database).may_read
    if can_read:
        for account in accounts:
            binding = configured_binding(replace(table, account_rows=account))
            bindings = PostgresTableBindings(database, table, account.name)
            TableGuard(account.name, binding, bindings).raise_if_bound_elsewhere()
    yield PaymentFinder(
        accounts=tuple(account.name for account in accounts),
        lookup=PostgresPaymentLookup(database, table, accounts, can_read_schema=can_read),
        records=PostgresPaymentRecords(database, can_read_schema=can_read),
    )


def accounts_of_intents(settings: Settings, intents: Sequence[str]) -> tuple[Account, ...]:
    """The accounts whose rows or discrepancies name the PaymentIntents; all accounts if one of them is known nowhere."""
    if len(settings.accounts) == 1:
        return settings.accounts
    with open_payment_finder(settings) as finder:
        names = finder.accounts_of(intents)
    if None in names:
        return settings.accounts
    return tuple(account for account in settings.accounts if account.name in names)
