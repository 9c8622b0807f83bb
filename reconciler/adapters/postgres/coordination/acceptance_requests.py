"""What reviewers accepted on the pages, for the pages that ask and for the process that carries it out."""

from __future__ import annotations

from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.model.acceptance_request import AcceptanceRequest

_SQL: Final = STATEMENTS["coordination"]
MOST_AT_ONCE: Final = 20


class PostgresAcceptanceRequests:
    """One account's requests; see ``engine.acceptance_requests.AcceptanceRequests``."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account

    def waiting(self) -> tuple[AcceptanceRequest, ...]:
        """See ``AcceptanceRequests``."""
        parameters = {"account": self._account, "limit": MOST_AT_ONCE}
        with self._database.connection("reading what reviewers accepted") as connection:
            rows = connection.execute(_SQL["acceptances_waiting"], parameters).fetchall()
        return tuple(AcceptanceRequest(*row) for row in rows)

    def refuse(self, number: int, why: str) -> None:
        """See ``AcceptanceRequests``."""
        self._answer("acceptance_refuse", number, why)

    def postpone(self, number: int, why: str) -> None:
        """See ``AcceptanceRequests``."""
        self._answer("acceptance_postpone", number, why)

    def _answer(self, name: str, number: int, why: str) -> None:
        parameters = {"account": self._account, "id": number, "answer": why}
        with self._database.connection("storing the answer to a reviewer") as connection:
            connection.execute(_SQL[name], parameters)


def store_acceptance(
    database: Database,
    discrepancy: Discrepancy,
    row: str | None,
    note: str,
    asked_by: str,
    *,
    amount_differs: bool,
) -> bool:
    """Store a request and wake the service. ``discrepancy`` is as the person saw it.

    False, and nothing is stored, if it is not open any more, has changed, or another request for it waits.
    """
    parameters = {
        "account": discrepancy.account,
        "discrepancy": discrepancy.id,
        "fingerprint": discrepancy.fingerprint,
        "row_key": row,
        "amount_differs": amount_differs,
        "note": note,
        "asked_by": asked_by,
    }
    with database.connection("storing what a reviewer accepts") as connection:
        return connection.execute(_SQL["acceptance_ask"], parameters).fetchone() is not None
