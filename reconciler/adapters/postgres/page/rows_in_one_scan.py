"""The rows of several pages by one scan of the merchant's table, in which no index serves the lookup by intent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.adapters.postgres.database import Connection
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.merchant.row_reader import Row

_COLUMNS: Final = 9
"""So many columns are the row; three flags follow: held, claimable, paid."""


@dataclass(frozen=True, slots=True)
class FetchedRows:
    """Rows that are read already, in the place of a cursor that has them."""

    rows: list[Row]

    def fetchall(self) -> list[Row]:
        """The rows."""
        return self.rows


def rows_in_one_scan(
    connection: Connection,
    table: MerchantTable,
    parameters: Mapping[str, object],
    orders: Sequence[str],
    likely: Sequence[str],
) -> tuple[FetchedRows, FetchedRows | None, FetchedRows | None]:
    """The rows that hold an intent, those of ``orders`` without one, and the paid ones of ``orders`` and of the rows' orders.

    ``parameters`` has the account and the intents. The paid rows of ``likely`` orders are found by the same scan; if a row
    has another order, that order's paid rows take a second scan, unless an index serves the order.
    """
    named = table.orders([*orders, *([] if table.order_is_indexed else likely)])
    parameters = {**parameters, "paid": table.paid_statuses}
    held, claimable, paid = _scanned(connection, table, {**parameters, "orders": named})

    # texts are compared: what the column calls the same order costs a scan at most, and no row is missed
    known = frozenset(named)
    others = table.orders(row[6] for row in held if row[6] is not None and row[6] not in known)
    if others and table.paid_statuses:
        more = {**parameters, "intents": [], "orders": others}
        if table.order_is_indexed:
            paid += connection.execute(table.rows_paid, more).fetchall()
        else:
            paid += _scanned(connection, table, more)[2]
    return FetchedRows(held), FetchedRows(claimable) if orders else None, FetchedRows(paid)


def _scanned(
    connection: Connection, table: MerchantTable, parameters: Mapping[str, object]
) -> tuple[list[Row], list[Row], list[Row]]:
    """The rows that hold an intent, and of the orders those without an intent and the paid ones."""
    statement = table.compose("rows_of_intents_and_orders")
    rows = connection.execute(statement, parameters).fetchall()
    held, claimable, paid = (
        [row[:_COLUMNS] for row in rows if row[_COLUMNS + flag]] for flag in range(3)
    )
    return held, claimable, paid
