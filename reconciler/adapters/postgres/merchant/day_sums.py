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
    parameters = {
        **table.range_parameters(created),
        **_EXPONENTS,
        "account": account,
        "zone": str(zone),
        "constant": mapping.currency_constant,
        "is_minor": mapping.amount_unit == "minor",
    }
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
