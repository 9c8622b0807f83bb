"""The merchant's table's own sums of each day, for a statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, tzinfo
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.domain.model.payment import AccountRows
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.money import THREE_DECIMAL, ZERO_DECIMAL
from reconciler.domain.outcome import SAYS_PAID

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


def left_out_by_day(
    database: Database,
    table: MerchantTable,
    account: str,
    accounts: Sequence[AccountRows],
    created: TimeRange,
    zone: tzinfo,
) -> Mapping[tuple[date | None, str], Mapping[str, Mapping[str, int]]]:
    """See ``engine.ports.Store.left_out_by_day``. One scan of the range. ``accounts`` are all that are configured."""
    parameters = {**_parameters(table, account, created, zone), "held": [], "null_is_held": True}
    if table.account is not None:
        # imported here: a table without an account column does not need it
        from reconciler.adapters.postgres.merchant.rows_of_no_account import parameters_of

        parameters |= parameters_of(table.account, accounts)
    sums: dict[tuple[date | None, str], dict[str, dict[str, int]]] = {}
    with database.counting("adding up the rows that no sweep compares") as connection:
        for reason, day, currency, status, rows, amount in connection.execute(
            table.rows_left_out(created), parameters
        ):
            by_reason = sums.setdefault((day, currency or ""), {})
            entry = by_reason.setdefault(
                reason, {"count": 0, "amount": 0, "paid_count": 0, "paid_amount": 0}
            )
            money = int(amount.partition(".")[0])
            entry["count"] += rows
            entry["amount"] += money
            if table.mapping.statuses.outcome(status) in SAYS_PAID:
                entry["paid_count"] += rows
                entry["paid_amount"] += money
    return sums


def local_population(
    table: MerchantTable, account: str, created: TimeRange, zone: tzinfo
) -> Mapping[str, object]:
    """See ``engine.ports.Store.local_population``."""
    parameters = _parameters(table, account, created, zone)
    return {
        "table": f"{table.schema}.{table.name}",
        "local_query": table.sums_by_day(created).decode().replace("%%", "%"),
        "local_parameters": {name: _plain(value) for name, value in sorted(parameters.items())},
        "where": table.mapping.where,
    }


def _plain(value: object) -> object:
    """A parameter as the ledger holds it, which knows no time without a zone."""
    match value:
        case None | bool() | int() | str() | list():
            return value
        case _:
            return str(value)


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
