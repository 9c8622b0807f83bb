"""The outbox, as it goes to the merchant's endpoint."""

from __future__ import annotations

from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.statements import statements
from reconciler.adapters.postgres.transactions import Cursor, begin, check_fence, ending, fence
from reconciler.domain.outbox_message import Attempt, MessageType, OutboxMessage

_SQL: Final = statements("outbox")

_TYPES = {"correction": MessageType.CORRECTED, "revert": MessageType.REVERTED}


class PostgresOutbox:
    """One account's outbox, as ``engine.delivery.Outbox`` has it. Safe to share between threads.

    No transaction outlives a call: a worker of the merchant's takes the same rows FOR UPDATE SKIP LOCKED.
    """

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account

    def claim(self, epoch: int, seconds: float, *, probe: bool = False) -> Attempt | None:
        """The oldest row that is due, ours alone for so many seconds; None where there is none.

        As a ``probe`` the one that was tried least: it says most about the endpoint.
        Raises LeaseLostError where the lease of this epoch is gone.
        """
        parameters = {"account": self._account, "seconds": seconds, "probe": probe}
        with self._database.connection("claiming a delivery") as connection, ending(connection):
            with connection.pipeline():
                begin(connection)
                fenced = fence(connection, self._account, epoch)
                claimed = connection.execute(_SQL["outbox_claim"], parameters)
            check_fence(fenced, self._account)
            return self._attempt(claimed)

    def delivered(self, number: int) -> None:
        """The endpoint has received it."""
        self._run("outbox_delivered", "noting a delivery", id=number)

    def failed(self, attempt: Attempt, error: str, seconds: float, *, given_up: bool) -> None:
        """It did not; try again in so many seconds, or never where it is given up."""
        self._run(
            "outbox_failed",
            "noting a failed delivery",
            id=attempt.message.number,
            attempt=attempt.number,
            error=error,
            seconds=seconds,
            given_up=given_up,
        )

    def try_now(self, most_attempts: int) -> int:
        """Let everything that was tried no more often, and waits for its next attempt, be due at once; how many there are."""
        return self._run(
            "outbox_try_now", "taking up deliveries", most_attempts=most_attempts
        ).rowcount

    def _run(self, name: str, doing: str, **values: object) -> Cursor:
        with (
            self._database.connection(doing) as connection,
            ending(connection),
            connection.pipeline(),
        ):
            begin(connection)
            return connection.execute(_SQL[name], {"account": self._account, **values})

    def _attempt(self, claimed: Cursor) -> Attempt | None:
        row = claimed.fetchone()
        if row is None:
            return None
        number, key, intent, kind, before, after, outcome, seq, created, attempts, tried_for = row
        notice = OutboxMessage(
            account=self._account,
            number=number,
            type=_TYPES[kind],
            created=created,
            payment_key=key,
            payment_intent=intent,
            from_status=before,
            to_status=after,
            outcome=outcome,
            ledger_seq=seq,
        )
        return Attempt(notice, attempts, float(tried_for))
