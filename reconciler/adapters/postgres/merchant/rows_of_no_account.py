"""Counts the rows of the mapping that no configured account has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from psycopg import sql

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.catalog import TableColumn, in_parentheses
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.statements import TEMPLATES
from reconciler.domain.model.payment import AccountRows
from reconciler.domain.model.rows_of_no_account import RowsOfNoAccount
from reconciler.masking import redact

_TEMPLATES: Final = TEMPLATES["merchant"]
MOST_NAMED: Final = 10
"""How many values are named."""
LONGEST_VALUE: Final = 60
"""Characters of a value that are shown."""


def count_rows_of_no_account(
    database: Database, table: MerchantTable, accounts: Sequence[AccountRows]
) -> RowsOfNoAccount:
    """Count them, by what the account column holds. ``accounts`` are all that are configured.

    It reads the whole table once. Raises DatabaseBusyError if that takes longer than a count may.
    """
    column = table.account
    if column is None:
        return RowsOfNoAccount()
    parameters = {**parameters_of(column, accounts), "most": MOST_NAMED}
    with database.counting("counting the rows that belong to no account") as connection:
        found = connection.execute(statement_of(table, column), parameters).fetchall()
    if not found:
        return RowsOfNoAccount()
    named = tuple(
        (None if value is None else redact(value)[:LONGEST_VALUE], int(count))
        for value, count, _, _ in found
    )
    return RowsOfNoAccount(rows=int(found[0][2]), values=int(found[0][3]), most=named)


def parameters_of(column: TableColumn, accounts: Sequence[AccountRows]) -> dict[str, object]:
    """What the statements need to know of the configured accounts."""
    return {
        "held": column.held(account.held for account in accounts),
        "null_is_held": any(account.holds_null for account in accounts),
    }


def statement_of(table: MerchantTable, column: TableColumn) -> bytes:
    """The statement on a table with this account column."""
    where = table.mapping.where
    statement = _TEMPLATES["rows_of_no_account"].format(
        table=sql.Identifier(table.schema, table.name),
        account=column.identifier,
        is_of_no_account=_TEMPLATES["is_of_no_account"].format(
            account=column.identifier, equals_account=column.equals, account_type=column.type
        ),
        where=sql.SQL("true") if where is None else in_parentheses(where),
    )
    return statement.as_bytes(None)
