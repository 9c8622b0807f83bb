"""The merchant's table's own sums of each day, for a statement."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, tzinfo
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.money import THREE_DECIMAL, ZERO_DECIMAL

_EXPONENTS: Final = {"zero_decimal": sorted(ZERO_DECIMAL), "three_decimal": sorted(THREE_DECIMAL)}


def sums_by_day(
    database: Database, table: MerchantTable, account: str, created: TimeRange, zone: tzinfo
) -> Mapping[tuple[date, str], Mapping[str, Mapping[str, int]]]:
    """See ``engine.ports.Store.sums_by_day``. One scan of the range."""
    mapping = table.mapping
    parameters = _parameters(table, account, created, zone)
    sums: dict[tuple[date, str], dict[str, dict[str, int]]] = {}
    with database.counting("adding up the payments of each day") as connection:
        for day, status, currency, rows, amount in connection.execute(
            table.sums_by_day(created), parameters
        ):
            outcome = mapping.statuses.outcome(status).value
            by_outcome = sums.setdefault((day, currency), {})
            entry = by_outcome.setdefault(outcome, {"count": 0, "amount": 0})
            entry["count"] += rows
            # the sum is whole, and is printed with the decimals of its column
            entry["amount"] += int(amount.partition(".")[0])
    return sums


def local_population(
    database: Database, table: MerchantTable, account: str, created: TimeRange, zone: tzinfo
) -> Mapping[str, object]:
    """See ``engine.ports.Store.local_population``. One more scan of the range, if the mapping has a ``where``."""
    left_out: dict[str, list[int]] = {}
    if table.mapping.where is not None:
        with database.counting("adding up the rows that where leaves out") as connection:
            for _, _, currency, rows, amount in connection.execute(
                table.left_out_by_where(created), _parameters(table, account, created, zone)
            ):
                sums = left_out.setdefault(currency or "", [0, 0])
                sums[0] += rows
                sums[1] += int(amount.partition(".")[0])
    return {
        "table": f"{table.schema}.{table.name}",
        # on one line, so that it can be read in a cell
        "local_query": " ".join(table.sums_by_day(created).decode().split()),
        "where": table.mapping.where,
        "left_out_by_where": [
            {"currency": currency, "count": count, "amount": amount}
            for currency, (count, amount) in sorted(left_out.items())
        ],
    }


def _parameters(
    table: MerchantTable, account: str, created: TimeRange, zone: tzinfo
) -> Mapping[str, object]:
    return {
        **table.range_parameters(created),
        **_EXPONENTS,
        "account": account,
        "zone": str(zone),
        "constant": table.mapping.currency_constant,
        "is_minor": table.mapping.amount_unit == "minor",
    }
