"""The discrepancies of one account, for a person to settle; and the corrections of a sweep, to revert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reconciler.adapters.postgres.audit.ledger import append
from reconciler.adapters.postgres.database import Database, begin
from reconciler.adapters.postgres.discrepancies.discrepancy_list import (
    DiscrepancyFilter,
    PostgresDiscrepancyList,
)
from reconciler.adapters.postgres.schema.schema_state import schema_access
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.audit.ledger_entry import CorrectionEntry, Draft
from reconciler.domain.findings.discrepancy import State
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.errors import UsageError

_SQL: Final = STATEMENTS["discrepancies"]


@dataclass(frozen=True, slots=True)
class Note:
    """What a person wrote about a discrepancy. ``at`` is the database's clock."""

    author: str
    note: str
    at: datetime


class PostgresDiscrepancyStore:
    """``engine.ports.DiscrepancyStore`` says what the methods mean; notes are added and listed here alone."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account

    def discrepancy(self, discrepancy_id: int) -> Discrepancy | None:
        """One discrepancy of this account; None if there is none with this number."""
        wanted = DiscrepancyFilter(account=self._account, id=discrepancy_id)
        found = PostgresDiscrepancyList(self._database).find(wanted)
        return found[0] if found else None

    def settle(self, discrepancy_id: int, state: State, note: str, by: str, entry: Draft) -> None:
        """Set a person's verdict with its ledger entry, in one transaction.

        Raises UsageError if there is no such discrepancy, DatabaseBusyError while a sweep records it.
        """
        with self._database.transaction("settling a discrepancy") as connection:
            with connection.pipeline():
                begin(connection)
                settled = connection.execute(
                    _SQL["discrepancy_settle"],
                    {**self._of(discrepancy_id), "state": state.value, "note": note, "by": by},
                )
                append(connection, self._account, None, [entry])
            if settled.fetchone() is None:
                raise self._unknown(discrepancy_id)

    def corrections(self, sweep: int) -> tuple[CorrectionEntry, ...]:
        """What a sweep corrected, in the ledger's order, and whether it was reverted."""
        parameters = {"account": self._account, "sweep": sweep}
        with self._database.connection("reading a sweep's corrections") as connection:
            rows = connection.execute(_SQL["corrections_of_sweep"], parameters).fetchall()
        return tuple(CorrectionEntry(*row) for row in rows)

    def reverted_intents(self, sweep: int) -> tuple[str, ...]:
        """See ``engine.ports.DiscrepancyStore``."""
        parameters = {"account": self._account, "sweep": sweep}
        with self._database.connection("reading the corrections that were undone") as connection:
            rows = connection.execute(_SQL["reverted_intents"], parameters).fetchall()
        return tuple(row[0] for row in rows)

    def reopen(self, discrepancy_ids: Sequence[int], drafts: Sequence[Draft]) -> None:
        """See ``engine.ports.DiscrepancyStore``. Raises DatabaseBusyError while a sweep records one of them."""
        parameters = {"account": self._account, "ids": list(discrepancy_ids)}
        with (
            self._database.transaction("reopening discrepancies") as connection,
            connection.pipeline(),
        ):
            begin(connection)
            connection.execute(_SQL["discrepancies_reopen"], parameters)
            connection.execute(_SQL["rechecks_of_reopened"], parameters)
            append(connection, self._account, None, drafts)

    def last_rebind(self) -> int:
        """The number of the ledger's last entry that bound the account to another table, 0 if there is none."""
        parameters = {"account": self._account}
        with self._database.connection("reading when an account was bound") as connection:
            rows = connection.execute(_SQL["last_rebind"], parameters).fetchall()
        return int(rows[0][0])

    def notes(self, discrepancy_id: int) -> tuple[Note, ...]:
        """What people wrote about a discrepancy, oldest first."""
        with self._database.connection("reading notes") as connection:
            rows = connection.execute(
                _SQL["notes_of_discrepancy"], self._of(discrepancy_id)
            ).fetchall()
        return tuple(Note(*row) for row in rows)

    def add_note(self, discrepancy_id: int, note: str, by: str) -> None:
        """Add a note. The database appends the ledger's entry, which has the SHA-256 of the text.

        The auditor's role may not name an author: the database signs its note with the role's name instead of ``by``.
        Raises UsageError if there is no such discrepancy.
        """
        if self.discrepancy(discrepancy_id) is None:
            raise self._unknown(discrepancy_id)
        may_sign = schema_access(self._database).may_write
        values = {**self._of(discrepancy_id), "note": note, "by": by}
        with self._database.transaction("adding a note") as connection:
            begin(connection)
            connection.execute(_SQL["note_add" if may_sign else "note_add_as_auditor"], values)

    def _of(self, discrepancy_id: int) -> dict[str, object]:
        return {"account": self._account, "id": discrepancy_id}

    def _unknown(self, discrepancy_id: int) -> UsageError:
        return UsageError(
            f"There is no discrepancy {discrepancy_id} of account {self._account}.",
            "List them with: reconciler discrepancies",
        )
