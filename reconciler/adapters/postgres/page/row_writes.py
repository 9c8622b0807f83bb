"""Writes to the merchant's rows: the merchant's table has the last word, and what it does not keep is found out."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import psycopg
from psycopg.pq import ExecStatus
from psycopg.types.json import Jsonb

from reconciler.adapters.postgres.database import Connection, Cursor
from reconciler.adapters.postgres.errors import mapped
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.merchant.row_reader import RowReader
from reconciler.adapters.postgres.merchant.set_columns import update_statement, values_statement
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.audit.written_value import WrittenValue, written_value
from reconciler.domain.findings.discrepancy import Reason
from reconciler.domain.model.page import PageRecord, RefusedWrite, RowWrite
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import Outcome
from reconciler.errors import DatabaseBusyError, RowMovedError, RowRefusedError
from reconciler.masking import MASK, redact

_SQL: Final = STATEMENTS["transactions"]

MOST_BUSY: Final = 3
"""After so many busy rows the other rows are not tried: each may hold the locks of the page for a second."""
LONGEST_MESSAGE: Final = 300
_FUNCTION: Final = re.compile(r"([\w.$]+)\(\)")
"""The function of a trigger in PostgreSQL's context. Everything else of the context may quote a customer's row."""
_POLICY_SOURCE: Final = "ExecWithCheckOptions"
"""The part of PostgreSQL that refuses a row by a policy or by a view's check option. The text depends on the language."""


class Attempt:
    """The statements that write some rows and read them back. They are sent in a pipeline; then the answers are there."""

    def __init__(self, writes: Sequence[RowWrite]) -> None:
        self.writes = tuple(writes)
        self.written: Cursor | None = None
        self.read_back: Cursor | None = None
        self.columns_before: Cursor | None = None
        self.columns_after: Cursor | None = None

    @property
    def has_answered(self) -> bool:
        """Whether the merchant's table has taken every statement. A later error is not the table's."""
        result = None if self.read_back is None else self.read_back.pgresult
        return result is not None and result.status == ExecStatus.TUPLES_OK


class RowWriter:
    """Writes rows of one account in a page's transaction."""

    def __init__(
        self, connection: Connection, table: MerchantTable, reader: RowReader, account: str
    ) -> None:
        self._connection = connection
        self._table = table
        self._reader = reader
        self._account = account
        self._columns: dict[str, Mapping[str, Mapping[str, WrittenValue]]] = {}

    def send(self, attempt: Attempt) -> None:
        """Send the statements of an attempt. Meant for a pipeline."""
        self._connection.execute(_SQL["keep_rows_point"])
        self._send_statements(attempt)

    def take_back(self) -> None:
        """Undo every write since ``send``."""
        self._connection.execute(_SQL["back_to_rows_point"])

    def faults(self, attempt: Attempt) -> dict[str, str]:
        """The rows that do not hold what was written, by key, and what is different. Empty if all do."""
        if attempt.written is None or attempt.read_back is None:
            return {}
        returned = Counter(row[0] for row in attempt.written.fetchall())
        kept: defaultdict[str, list[Payment]] = defaultdict(list)
        for payment in self._reader.payments(attempt.read_back.fetchall()):
            kept[payment.key].append(payment)
        left = self._take_columns(attempt)

        faults = {}
        for write in attempt.writes:
            key = write.payment.key
            fault = self._fault(write, returned[key], kept[key])
            if fault is None and key in left:
                fault = "After the write, the condition [payments] where would no longer be true for the row."
            if fault is not None:
                faults[key] = fault
        return faults

    def with_columns(self, record: PageRecord) -> PageRecord:
        """The record with what was written to the columns of [payments.set] in the ledger's entries."""
        writes = tuple(
            replace(
                write, entry=replace(write.entry, body={**write.entry.body, "columns": columns})
            )
            if (columns := self._columns.get(write.payment.key))
            else write
            for write in record.writes
        )
        return replace(record, writes=writes)

    def columns_now(self, keys: Sequence[str]) -> Mapping[str, Mapping[str, WrittenValue]]:
        """What the columns of [payments.set] hold, by key; the rows are locked."""
        if not self._table.set_columns:
            return {}
        parameters = {"account": self._account, "keys": self._table.key.held(keys)}
        found = self._connection.execute(values_statement(self._table, lock=True), parameters)
        return {row[0]: self._values(row) for row in found.fetchall()}

    def _values(self, row: Sequence[Any]) -> Mapping[str, WrittenValue]:
        texts = row[1 : 1 + len(self._table.set_columns)]
        return {
            column.name: written_value(text, is_scalar=column.is_scalar)
            for column, text in zip(self._table.set_columns, texts, strict=True)
        }

    def _take_columns(self, attempt: Attempt) -> frozenset[str]:
        """Keep what was written, for the ledger. Returns the keys of the rows that have left the mapping by [payments.set]."""
        if attempt.columns_before is None or attempt.columns_after is None:
            return frozenset()
        before = {row[0]: self._values(row) for row in attempt.columns_before.fetchall()}
        rows_after = {row[0]: row for row in attempt.columns_after.fetchall()}
        left: set[str] = set()
        for write in attempt.writes:
            key = write.payment.key
            names = self._written_columns(write)
            if not names or key not in before or key not in rows_after:
                continue
            if write.restore is None and rows_after[key][-1] is not True:
                left.add(key)
            after = self._values(rows_after[key])
            self._columns[key] = {
                name: {"before": before[key][name], "after": after[name]} for name in names
            }
        return frozenset(left)

    def _written_columns(self, write: RowWrite) -> Sequence[str]:
        if write.restore is not None:
            return list(write.restore)
        return [] if write.sets is None else list(self._table.mapping.set.get(write.sets, ()))

    def write_one_by_one(self, writes: Sequence[RowWrite]) -> dict[str, RefusedWrite]:
        """Write the rows again after ``take_back``, the rows of each intent together; returns those that are refused.

        The others stay written. Raises RowMovedError for rows that are busy and for those that were not tried then.
        """
        refused: dict[str, RefusedWrite] = {}
        busy: set[str] = set()
        busy_groups = 0
        for group in _groups(writes):
            keys = [write.payment.key for write in group]
            if busy_groups >= MOST_BUSY:
                busy.update(keys)
                continue
            try:
                refusal = self._write_group(group)
            except DatabaseBusyError:
                busy_groups += 1
                busy.update(keys)
                continue
            if refusal is not None:
                refused |= dict.fromkeys(keys, refusal)
        if busy:
            raise RowMovedError(frozenset(busy))
        return refused

    def _write_group(self, group: Sequence[RowWrite]) -> RefusedWrite | None:
        """Write the rows of one intent, or undo that and say why. Raises DatabaseBusyError after undoing it."""
        attempt = Attempt(group)
        refusal: RefusedWrite | None = None
        busy: DatabaseBusyError | None = None
        try:
            with self._connection.pipeline():
                self._connection.execute(_SQL["keep_one_row_point"])
                self._send_statements(attempt)
        except psycopg.Error as error:
            reason = refusal_or_busy(error, self._connection.info.password)
            if isinstance(reason, DatabaseBusyError):
                busy = reason
            else:
                refusal = reason
        else:
            faults = self.faults(attempt)
            if faults and self._is_held_by_another(group):
                # the late webhook wins: its row is decided about by the next sweep
                busy = DatabaseBusyError(
                    "Another row holds the PaymentIntent now.", "The next sweep tries again."
                )
            elif faults:
                message = next(iter(faults.values()))
                refusal = RefusedWrite(Reason.NOT_KEPT_BY_TABLE, None, message)

        if busy is not None or refusal is not None:
            self._connection.execute(_SQL["back_to_one_row_point"])
        self._connection.execute(_SQL["end_one_row_point"])
        if busy is not None:
            raise busy
        return refusal

    def _is_held_by_another(self, group: Sequence[RowWrite]) -> bool:
        """Whether another row, of any account and in the mapping or not, holds an intent that these would be pointed at."""
        pointed_at = {
            write.payment_intent: write.payment.key
            for write in group
            if write.payment_intent and write.payment_intent != write.payment.payment_intent
        }
        if not pointed_at:
            return False
        parameters = {"account": self._account, "intents": self._table.intents(pointed_at)}
        found = self._connection.execute(self._table.holders, parameters).fetchall()
        return any(row[0] not in pointed_at.values() for row in found)

    def _send_statements(self, attempt: Attempt) -> None:
        writes = attempt.writes
        # a role without UPDATE on the intent's column can still correct statuses
        linking = any(write.payment_intent != write.payment.payment_intent for write in writes)
        keys = [write.payment.key for write in writes]
        parameters = {
            "account": self._account,
            "keys": keys,
            "payment_intents": [write.payment.column_text for write in writes],
            "statuses": [write.payment.status for write in writes],
            # as the database prints them, so that no conversion hides a change
            "amounts": [write.payment.stored_amount for write in writes],
            "currencies": [write.payment.stored_currency for write in writes],
            "to_statuses": [write.to_status for write in writes],
            "to_intents": [write.payment_intent for write in writes],
            "links": [write.payment_intent != write.payment.payment_intent for write in writes],
            "sets": [None if write.sets is None else write.sets.value for write in writes],
            "restores": [
                None if write.restore is None else Jsonb(dict(write.restore)) for write in writes
            ],
        }
        update = update_statement(self._table, linking=linking)
        rows_by_key = self._table.rows_by_key
        with_columns = any(self._written_columns(write) for write in writes)
        of_keys = {"account": self._account, "keys": keys}
        if with_columns:
            attempt.columns_before = self._connection.execute(
                values_statement(self._table, lock=True), of_keys
            )
        attempt.written = self._connection.execute(update, parameters)
        # before the rows are read back: a deferred trigger may still change them
        self._connection.execute(_SQL["constraints_now"])
        attempt.read_back = self._connection.execute(rows_by_key, of_keys)
        if with_columns:
            attempt.columns_after = self._connection.execute(
                values_statement(self._table, lock=False), of_keys
            )

    def _fault(self, write: RowWrite, returned: int, kept: Sequence[Payment]) -> str | None:
        """What is wrong with a row after its write, None if nothing is. It is compared by meaning, not by letter."""
        if returned > 1 or len(kept) > 1:
            return "Several rows have this key."
        if not kept:
            return "After the write, the row no longer exists."
        if returned == 0:
            return "A trigger, a rule or a policy of the table prevented the write."

        before, (after,) = write.payment, kept
        meant = self._table.mapping.statuses.read.get(write.to_status, Outcome.UNKNOWN)
        names = {
            "the status": after.status == write.to_status or after.outcome is meant,
            "the PaymentIntent": after.payment_intent == write.payment_intent,
            "the amount": after.stored_amount == before.stored_amount
            or (after.amount is not None and after.amount == before.amount),
            "the currency": after.currency == before.currency,
        }
        changed = [name for name, is_kept in names.items() if not is_kept]
        if not changed:
            return None
        return (
            f"After the write, the row does not hold what Reconciler wrote: {', '.join(changed)}."
        )


def refusal_or_busy(error: psycopg.Error, password: str = "") -> RefusedWrite | DatabaseBusyError:
    """What an error of a write to the merchant's rows says: the row is refused, or it is busy and waits.

    ``password`` is the connection's: a trigger's message may quote it, and it is cut out. Raises any other error again:
    a lost server, and a privilege or a column that the UPDATE itself lacks.
    """
    doing = mapped(error, "writing a row")
    if isinstance(doing, DatabaseBusyError):
        return doing
    diag = error.diag
    # what fails inside a trigger has a context, and concerns this row
    is_of_row = bool(diag.context) or diag.source_function == _POLICY_SOURCE
    if not isinstance(doing, RowRefusedError) and not (
        is_of_row and error.sqlstate is not None and error.sqlstate.startswith("42")
    ):
        raise error
    function = _FUNCTION.search(diag.context or "")
    named = diag.constraint_name or (function.group(1) if function else None)
    said = " ".join((diag.message_primary or "").split())
    message = redact(said.replace(password, MASK) if password else said)
    return RefusedWrite(Reason.REFUSED_BY_TABLE, named, message[:LONGEST_MESSAGE])


def _groups(writes: Iterable[RowWrite]) -> list[list[RowWrite]]:
    """The writes of each intent, which are the parts of one payment; a write without an intent stands alone."""
    groups: dict[str, list[RowWrite]] = {}
    for write in writes:
        intent = write.payment_intent or write.payment.payment_intent
        name = f"intent {intent}" if intent else f"row {write.payment.key}"
        groups.setdefault(name, []).append(write)
    return list(groups.values())
