"""Tries the writes that a sweep would make, and takes every one back: what the merchant's table refuses is known before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from reconciler.adapters.postgres.database import Connection, Database, begin
from reconciler.adapters.postgres.merchant.catalog import Relation
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.merchant.row_reader import RowReader
from reconciler.adapters.postgres.page.row_writes import RowWriter
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.audit.ledger_entry import Action, Draft
from reconciler.domain.model.page import RefusedWrite, RowWrite
from reconciler.domain.model.payment import AccountRows, Payment
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision_table import TABLE, Cell
from reconciler.errors import RowMovedError

ROWS: Final = 3
"""How many rows are tried for each outcome."""
_SQL: Final = STATEMENTS["transactions"]
_CATALOG: Final = STATEMENTS["merchant"]
_NO_ENTRY: Final = Draft(Action.CORRECTION, {})
"""A tried write is taken back, so its ledger entry is never stored."""


@dataclass(frozen=True, slots=True)
class TriedWrites:
    """What became of the writes of one outcome: how many rows were tried, and why some were refused."""

    outcome: Outcome
    status: str
    tried: int
    refused: tuple[RefusedWrite, ...] = ()
    columns: tuple[str, ...] = ()
    """The columns of [payments.set] that were written too."""


def outward_functions(database: Database, relation: Relation) -> tuple[str, ...]:
    """The functions of the table's triggers that may act outside of the database, as far as the catalogue shows it.

    What such a function does is not undone by a rollback.
    """
    with database.connection("reading the functions that the table's triggers call") as connection:
        rows = connection.execute(
            _CATALOG["outward_functions"], {"relation": relation.quoted_name}
        ).fetchall()
    return tuple(row[0] for row in rows)


def try_writes(
    database: Database, table: MerchantTable, accounts: Sequence[AccountRows]
) -> Iterator[TriedWrites]:
    """Try the write of each outcome on up to three rows whose present status could be corrected to it.

    The columns of [payments.set] are written too, as a sweep writes them.
    Each outcome has a transaction of its own, which is rolled back. Locked rows are left out, and no lock is waited for
    longer than 100 ms.
    """
    for outcome, status in table.mapping.statuses.write.items():
        before = [local for local in Outcome if TABLE.get((local, outcome)) is Cell.CORRECT]
        held = table.status.held(table.mapping.statuses.values_of(*before))
        with database.connection("trying the writes that a sweep makes") as connection:
            try:
                begin(connection)
                connection.execute(_SQL["set_probe_timeout"])
                yield _try_outcome(connection, table, accounts, outcome, status, held)
            finally:
                connection.rollback()


def _try_outcome(
    connection: Connection,
    table: MerchantTable,
    accounts: Sequence[AccountRows],
    outcome: Outcome,
    status: str,
    held: Sequence[str],
) -> TriedWrites:
    tried = 0
    refused: list[RefusedWrite] = []
    for account in accounts:
        its_table = replace(table, account_rows=account)
        reader = RowReader(table.mapping, account.name)
        writer = RowWriter(connection, its_table, reader, account.name)
        parameters = {"account": account.name, "statuses": held, "limit": ROWS - tried}
        rows = connection.execute(its_table.rows_to_try, parameters).fetchall() if held else []
        for payment in reader.payments(rows):
            try:
                found = writer.write_one_by_one([_write(payment, status, outcome)])
            except RowMovedError:
                continue  # another session holds a lock that the write needs
            tried += 1
            refused += found.values()
    columns = tuple(table.mapping.set.get(outcome, ()))
    return TriedWrites(outcome, status, tried, tuple(refused), columns)


def _write(payment: Payment, status: str, outcome: Outcome) -> RowWrite:
    return RowWrite(payment, status, payment.payment_intent, _NO_ENTRY, sets=outcome)
