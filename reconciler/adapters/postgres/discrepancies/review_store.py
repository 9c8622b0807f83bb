"""What people decide about discrepancies of all accounts: settle, reopen, assign; notes and looks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from reconciler.adapters.postgres.audit.ledger import append
from reconciler.adapters.postgres.database import Connection, Database, begin
from reconciler.adapters.postgres.discrepancies.discrepancy_list import (
    DiscrepancyFilter,
    PostgresDiscrepancyList,
    Sort,
    found_discrepancies,
)
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.audit.ledger_entry import AskedBy, Draft
from reconciler.domain.findings.discrepancy import State
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.review.note import Attachment, Note

_SQL: Final = STATEMENTS["discrepancies"]


class PostgresReviewTransaction:
    """See ``engine.actions.review_store.ReviewTransaction``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def discrepancies(self, ids: Sequence[int]) -> tuple[Discrepancy, ...]:
        """See ``ReviewTransaction``."""
        self._connection.execute(_SQL["discrepancies_lock"], {"ids": list(ids)})
        wanted = DiscrepancyFilter(ids=tuple(ids), sort=Sort.ID)
        return found_discrepancies(self._connection, wanted)

    def settle(self, ids: Sequence[int], state: State, note: str, by: str) -> None:
        """See ``ReviewTransaction``."""
        values = {"ids": list(ids), "state": state.value, "note": note, "by": by}
        self._connection.execute(_SQL["discrepancies_settle"], values)

    def reopen(self, ids: Sequence[int]) -> None:
        """See ``ReviewTransaction``."""
        values = {"ids": list(ids)}
        self._connection.execute(_SQL["discrepancies_reopen"], values)
        self._connection.execute(_SQL["rechecks_of_reopened"], values)

    def assign(self, ids: Sequence[int], owner: str | None) -> None:
        """See ``ReviewTransaction``."""
        self._connection.execute(_SQL["discrepancies_assign"], {"ids": list(ids), "owner": owner})

    def append(self, entries: Sequence[tuple[str, Draft]]) -> None:
        """See ``ReviewTransaction``."""
        by_account: dict[str, list[Draft]] = {}
        for account, draft in entries:
            by_account.setdefault(account, []).append(draft)
        # every transaction takes the heads in the same order, so that two never wait in a circle
        for account in sorted(by_account):
            append(self._connection, account, None, by_account[account])


class PostgresReviewStore:
    """See ``engine.actions.review_store.ReviewStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def transaction(self) -> Iterator[PostgresReviewTransaction]:
        """See ``ReviewStore``."""
        with self._database.transaction("storing a person's decision") as connection:
            begin(connection)
            yield PostgresReviewTransaction(connection)

    def discrepancy(self, discrepancy_id: int) -> Discrepancy | None:
        """See ``ReviewStore``."""
        wanted = DiscrepancyFilter(ids=(discrepancy_id,))
        found = PostgresDiscrepancyList(self._database).find(wanted)
        return found[0] if found else None

    def add_note(
        self, discrepancy: Discrepancy, text: str, by: AskedBy, attachment: Attachment | None
    ) -> Note:
        """See ``ReviewStore``. The auditor's role signs with its own name, because it may not name an author."""
        values = {
            "account": discrepancy.account,
            "id": discrepancy.id,
            "by": by.name,
            "claimed_by": by.claimed,
            "note": text,
            "attachment_name": None if attachment is None else attachment.name,
            "attachment_sha256": None if attachment is None else attachment.sha256,
        }
        with self._database.transaction("adding a note") as connection:
            begin(connection)
            may_name = connection.execute(_SQL["may_name_author"]).fetchone() == (True,)
            name = "note_add" if may_name else "note_add_as_auditor"
            row = connection.execute(_SQL[name], values).fetchone()
            (note,) = _notes(connection, "note_by_number", id=None if row is None else row[0])
        return note

    def note(self, note_id: int) -> Note | None:
        """See ``ReviewStore``."""
        with self._database.connection("reading a note") as connection:
            found = _notes(connection, "note_by_number", id=note_id)
        return found[0] if found else None

    def notes(self, discrepancy: Discrepancy) -> tuple[Note, ...]:
        """See ``ReviewStore``."""
        with self._database.connection("reading notes") as connection:
            return _notes(
                connection,
                "notes_of_discrepancy",
                account=discrepancy.account,
                id=discrepancy.id,
            )

    def redact_note(self, note: Note, by: AskedBy) -> bool:
        """See ``ReviewStore``."""
        values = {
            "account": note.account,
            "note": note.id,
            "by": by.name,
            "claimed_by": by.claimed,
        }
        with self._database.transaction("blanking a note") as connection:
            begin(connection)
            row = connection.execute(_SQL["note_redact"], values).fetchone()
        return row is not None and row[0] is not None


def record_view(database: Database, account: str, names: Sequence[str], viewer: str) -> None:
    """Store that a person looked at a payment: ``names`` are its PaymentIntent and its rows, as ``row:KEY``.

    Nothing is stored if the schema does not exist, or if this role has no right to, as one for dry runs.
    """
    with database.connection("recording which page a person has seen") as connection:
        if connection.execute(_SQL["may_record_view"]).fetchone() != (True,):
            return
        values = {"account": account, "names": list(dict.fromkeys(names)), "viewer": viewer}
        connection.execute(_SQL["view_record"], values)


def _notes(connection: Connection, name: str, **values: object) -> tuple[Note, ...]:
    return tuple(_note(*row) for row in connection.execute(_SQL[name], values).fetchall())


def _note(
    number: int,
    account: str,
    discrepancy: int,
    author: str,
    claimed_by: str | None,
    text: str | None,
    attachment_name: str | None,
    attachment_sha256: str | None,
    at: datetime,
    redacted_at: datetime | None,
    redacted_by: str | None,
) -> Note:
    attachment = None
    if attachment_sha256 is not None:
        attachment = Attachment(attachment_name, attachment_sha256)
    return Note(
        id=number,
        account=account,
        discrepancy=discrepancy,
        author=author,
        claimed_by=claimed_by,
        text=text,
        attachment=attachment,
        at=at,
        redacted_at=redacted_at,
        redacted_by=redacted_by,
    )
