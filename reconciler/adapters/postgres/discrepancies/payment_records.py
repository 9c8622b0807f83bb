"""What Reconciler's own tables say of one payment: its discrepancies, and its history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.discrepancies.discrepancy_list import (
    DiscrepancyFilter,
    PostgresDiscrepancyList,
)
from reconciler.adapters.postgres.discrepancies.review_store import PostgresReviewStore
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.audit.ledger_entry import Entry
from reconciler.domain.audit.read_entry import UnreadableEntryError, read_entry
from reconciler.domain.findings.history_item import HistoryItem, HistoryNote, OutboxRow
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.findings.payment_history import payment_history

MOST_ENTRIES: Final = 500
"""The latest entries about one payment that are read."""
_MOST_BYTES: Final = 256 * 1024


class PostgresPaymentRecords:
    """``engine.actions.find_payment`` says what the methods mean. Without the schema there is nothing."""

    def __init__(self, database: Database, *, can_read_schema: bool) -> None:
        self._database = database
        self._can_read_schema = can_read_schema

    def discrepancies(
        self, accounts: Sequence[str], names: Sequence[str]
    ) -> tuple[Discrepancy, ...]:
        """The discrepancies of these accounts about these PaymentIntents or rows (``row:KEY``), by number."""
        named = [name for name in names if "\x00" not in name]
        if not self._can_read_schema or not named:
            return ()
        parameters = {"accounts": list(accounts), "subjects": named}
        with self._database.connection("reading the discrepancies of a payment") as connection:
            rows = connection.execute(
                STATEMENTS["discrepancies"]["discrepancies_of_payments"], parameters
            ).fetchall()
        return tuple(one for row in rows if (one := self.discrepancy(row[1], row[0])) is not None)

    def naming_payer(self, accounts: Sequence[str], intent: str) -> tuple[Discrepancy, ...]:
        """The open discrepancies of these accounts that name this PaymentIntent as the one that paid the order."""
        if not self._can_read_schema or "\x00" in intent:
            return ()
        parameters = {"accounts": list(accounts), "intent": intent}
        with self._database.connection("reading who paid an order") as connection:
            rows = connection.execute(
                STATEMENTS["discrepancies"]["discrepancies_of_payer"], parameters
            ).fetchall()
        return tuple(one for row in rows if (one := self.discrepancy(row[1], row[0])) is not None)

    def of_orders(self, account: str, orders: Sequence[str]) -> tuple[Discrepancy, ...]:
        """The discrepancies of an account about these orders that are open, or that a person settled, by number."""
        if not self._can_read_schema:
            return ()
        parameters = {"account": account, "orders": list(orders)}
        with self._database.connection("reading the discrepancies of an order") as connection:
            rows = connection.execute(
                STATEMENTS["discrepancies"]["discrepancies_of_orders"], parameters
            ).fetchall()
        numbers = sorted(number for (number,) in rows)
        found = (self.discrepancy(number, account) for number in numbers)
        return tuple(one for one in found if one is not None)

    def discrepancy(self, number: int, account: str | None = None) -> Discrepancy | None:
        """The discrepancy of this number, of any account if none is given."""
        if not self._can_read_schema:
            return None
        wanted = DiscrepancyFilter(ids=(number,), account=account)
        found = PostgresDiscrepancyList(self._database).find(wanted)
        return found[0] if found else None

    def history(
        self, account: str, names: Sequence[str], discrepancies: Sequence[Discrepancy]
    ) -> tuple[HistoryItem, ...]:
        """Everything that happened to a payment, oldest first."""
        named = [name for name in names if "\x00" not in name]
        if not self._can_read_schema or not named:
            return ()
        entries = self._entries(account, named)
        store = PostgresReviewStore(self._database)
        notes = [
            HistoryNote(one.id, note.author, note.text, note.at)
            for one in discrepancies
            for note in store.notes(one)
        ]
        numbers = {(one.subject, one.kind.value): one.id for one in discrepancies}
        return payment_history(entries, notes, self.outbox(account, entries), numbers)

    def _entries(self, account: str, names: Sequence[str]) -> list[Entry]:
        parameters = {
            "account": account,
            "subjects": list(names),
            "most": _MOST_BYTES,
            "limit": MOST_ENTRIES,
        }
        with self._database.connection("reading the history of a payment") as connection:
            rows = connection.execute(
                STATEMENTS["audit"]["ledger_of_payment"], parameters
            ).fetchall()
        entries = []
        for row in rows:
            try:
                entries.append(read_entry(*row))
            except UnreadableEntryError:
                # verify reports it; the rest of the history is still worth reading
                continue
        return entries

    def outbox(self, account: str, entries: Sequence[Entry]) -> tuple[OutboxRow, ...]:
        """The outbox rows that announce the writes among these entries."""
        parameters = {"account": account, "seqs": [entry.seq for entry in entries]}
        with self._database.connection("reading the outbox of a payment") as connection:
            rows = connection.execute(
                STATEMENTS["outbox"]["outbox_of_entries"], parameters
            ).fetchall()
        return tuple(OutboxRow(*row) for row in rows)
