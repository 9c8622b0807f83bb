"""Which table each account is bound to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reconciler.adapters.postgres.audit.ledger import append
from reconciler.adapters.postgres.database import (
    Database,
    begin,
    lock_lease,
    raise_if_lease_lost,
)
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.audit.ledger_entry import Draft
from reconciler.domain.model.payment import is_looked_up
from reconciler.domain.model.table_binding import LedgerRow, TableBinding
from reconciler.masking import is_masked

_SQL: Final = STATEMENTS["coordination"]


def configured_binding(table: MerchantTable) -> TableBinding:
    """The binding that a configuration's table stands for. The table has its ``account_rows``."""
    rows = table.account_rows
    several = table.account is not None and rows is not None
    return TableBinding(
        table=f"{table.schema}.{table.name}",
        key=table.key.name,
        payment_intent=table.payment_intent.name,
        account_column=table.account.name if several and table.account else None,
        account_value=rows.held if several and rows else None,
    )


class PostgresTableBindings:
    """One account's binding; see ``engine.lease.table_binding.TableBindings``."""

    def __init__(self, database: Database, table: MerchantTable, account: str) -> None:
        self._database = database
        self._table = table
        self._account = account

    def stored(self) -> TableBinding | None:
        """See ``engine.lease.table_binding.TableBindings``."""
        return stored_binding(self._database, self._account)

    def ledger_rows(self, limit: int) -> Sequence[LedgerRow]:
        """See ``engine.lease.table_binding.TableBindings``. A row whose key held a secret is not among them."""
        parameters = {"account": self._account, "limit": limit}
        with self._database.connection("reading the rows that the ledger names") as connection:
            rows = connection.execute(_SQL["ledger_rows"], parameters).fetchall()
        return tuple(LedgerRow(*row) for row in rows if not any(map(is_masked, row)))

    def count_found(self, rows: Sequence[LedgerRow]) -> int:
        """See ``engine.lease.table_binding.TableBindings``.

        A row that holds a Checkout Session, a charge or nothing is found by its key alone: its intent was found by its
        order, or was read for it.
        """
        keys = self._table.key.held(row.key for row in rows)
        if not keys:
            return 0
        parameters = {"account": self._account, "keys": keys}
        with self._database.connection("looking for the rows that the ledger names") as connection:
            found = connection.execute(self._table.rows_by_key, parameters).fetchall()
        held = {(row[0], row[1]) for row in found}
        looked_up = {row[0] for row in found if row[1] is None or is_looked_up(row[1])}
        return sum(row.key in looked_up or (row.key, row.payment_intent) in held for row in rows)

    def bind(self, binding: TableBinding) -> TableBinding:
        """See ``engine.lease.table_binding.TableBindings``. Of two processes that bind at once the first one decides."""
        parameters = {"account": self._account, **binding.fields}
        with self._database.connection("binding an account to its table") as connection:
            connection.execute(_SQL["binding_put"], parameters)
        return self.stored() or binding

    def rebind(self, binding: TableBinding, entry: Draft, epoch: int) -> None:
        """See ``engine.lease.table_binding.TableBindings``. Raises LeaseLostError if the lease is lost."""
        parameters = {"account": self._account, **binding.fields}
        with self._database.transaction("binding an account to another table") as connection:
            with connection.pipeline():
                begin(connection)
                locked = lock_lease(connection, self._account, epoch)
                connection.execute(_SQL["binding_replace"], parameters)
                append(connection, self._account, epoch, (entry,))
            raise_if_lease_lost(locked, self._account)


def stored_binding(database: Database, account: str) -> TableBinding | None:
    """The table that an account is bound to, None if it is not bound yet."""
    with database.connection("reading which table an account is bound to") as connection:
        row = connection.execute(_SQL["binding"], {"account": account}).fetchone()
    return None if row is None else TableBinding(*row)
