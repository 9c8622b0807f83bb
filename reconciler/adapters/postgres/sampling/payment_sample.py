"""Reads some hundred rows of the mapped table as payments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import psycopg

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.catalog import Relation
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.merchant.row_reader import RowReader
from reconciler.adapters.postgres.sampling.row_sample import (
    SAMPLE,
    SMALL,
    SampleTooSlowError,
    estimated_rows,
    how_to_sample,
    set_sample_timeout,
)
from reconciler.domain.model.payment import AccountRows, Payment


def sample_payments(
    database: Database, table: MerchantTable, relation: Relation, account: AccountRows
) -> tuple[Payment, ...]:
    """Some rows of an account, the newest if an index gives them. Raises SampleTooSlowError."""
    of_account = replace(table, account_rows=account)
    with database.snapshot(f"sampling {relation.full_name}") as connection:
        set_sample_timeout(connection)
        try:
            how = how_to_sample(connection, relation, table.created)
            rows = connection.execute(
                of_account.sampled_payments(*how), {"account": account.name, "limit": SAMPLE}
            ).fetchall()
        except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
            raise SampleTooSlowError(relation.full_name) from None
    return RowReader(table.mapping, account.name).payments(rows)


def payments_of_intents(
    database: Database,
    table: MerchantTable,
    relation: Relation,
    account: AccountRows,
    intents: Sequence[str],
) -> tuple[Payment, ...]:
    """The rows of an account that hold one of these intents; none if that would read a large table whole.

    Raises SampleTooSlowError.
    """
    of_account = replace(table, account_rows=account)
    is_indexed = any(
        index.columns[:1] == (table.payment_intent.name,) for index in relation.indexes
    )
    with database.snapshot(f"sampling {relation.full_name}") as connection:
        set_sample_timeout(connection)
        try:
            if not is_indexed and estimated_rows(connection, relation) > SMALL:
                return ()
            parameters = {"account": account.name, "intents": of_account.intents(intents)}
            rows = connection.execute(of_account.rows_of_intents, parameters).fetchall()
        except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
            raise SampleTooSlowError(relation.full_name) from None
    return RowReader(table.mapping, account.name).payments(rows)


def known_orders(
    database: Database, table: MerchantTable, relation: Relation, orders: Sequence[str]
) -> frozenset[str] | None:
    """Those of the texts that are orders of rows; None if finding out would read a large table whole.

    Raises SampleTooSlowError.
    """
    with database.snapshot(f"sampling {relation.full_name}") as connection:
        set_sample_timeout(connection)
        try:
            if not table.order_is_indexed and estimated_rows(connection, relation) > SMALL:
                return None
            parameters = {"orders": table.orders(orders)}
            rows = connection.execute(table.rows_of_orders, parameters).fetchall()
        except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
            raise SampleTooSlowError(relation.full_name) from None
    payments = RowReader(table.mapping, "").payments(rows)
    return frozenset(row.order for row in payments if row.order is not None)
