"""Reading the ledger, to export it and to prove it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.statements import statements
from reconciler.adapters.postgres.transactions import streaming
from reconciler.domain.audit.ledger_entry import Entry

_SQL: Final = statements("audit")


@dataclass(frozen=True, slots=True)
class LedgerChain:
    """One account's chain: its head as (seq, hash), None where it has none, and its entries in order, once."""

    account: str
    head: tuple[int, str] | None
    entries: Iterator[Entry]


class PostgresLedger:
    """The ledger of all accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accounts(self) -> tuple[str, ...]:
        """The accounts that have a chain, or a part of one."""
        with self._database.connection("reading the ledger") as connection:
            rows = connection.execute(_SQL["ledger_accounts"]).fetchall()
        return tuple(row[0] for row in rows)

    @contextmanager
    def chain(self, account: str) -> Iterator[LedgerChain]:
        """A chain with its head, of one moment: an entry appended meanwhile must not look like a break.

        The entries come from a cursor on the server, so that memory stays small; they can be read in the block only.
        """
        parameters = {"account": account}
        with (
            self._database.connection("reading the ledger") as connection,
            streaming(connection),
        ):
            found = connection.execute(_SQL["ledger_head"], parameters).fetchone()
            head = None if found is None else (int(found[0]), str(found[1]))
            with connection.cursor("ledger") as rows:
                rows.itersize = 1000
                rows.execute(_SQL["ledger_entries"], parameters)
                yield LedgerChain(account, head, (Entry(*row) for row in rows))
