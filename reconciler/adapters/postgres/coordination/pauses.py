"""Pauses: a person stops all writes to an account's rows, and lets them begin again."""

from __future__ import annotations

from typing import Final

from reconciler.adapters.postgres.audit.ledger import stored_json
from reconciler.adapters.postgres.database import Database, begin
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.domain.model.pause import Pause

_SQL: Final = STATEMENTS["coordination"]


class PostgresPauses:
    """The pause of one account. Each change is a transaction with its entry in the ledger.

    Every page that writes rows asks for the pause after it has locked the ledger's head, so that none is written after
    ``begin`` has returned. Raises the database's errors.
    """

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account

    def begin(self, seconds: float | None, by: AskedBy) -> Pause:
        """Pause the account for so many seconds, or until a person resumes. A pause of before is replaced."""
        values = {
            "account": self._account,
            "seconds": seconds,
            "asked_by": by.name,
            "body": stored_json(
                {**by.fields, "seconds": None if seconds is None else round(seconds)}
            ),
        }
        with self._database.transaction("pausing an account") as connection:
            begin(connection)
            connection.execute(_SQL["pause"], values)
            row = connection.execute(_SQL["pause_of_account"], values).fetchone()
        if row is None:
            raise ValueError("a pause that was just begun has ended")
        return Pause(*row)

    def end(self, by: AskedBy) -> bool:
        """Let the account's rows be written again; whether it was paused."""
        values = {"account": self._account, "body": stored_json(by.fields)}
        with self._database.transaction("ending a pause") as connection:
            begin(connection)
            row = connection.execute(_SQL["resume"], values).fetchone()
        return row is not None and bool(row[0])
