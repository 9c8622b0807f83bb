"""The outbox, as Reconciler delivers it to the merchant's endpoint."""

from __future__ import annotations

from typing import Final

from reconciler.adapters.postgres.database import (
    Cursor,
    Database,
    begin,
    lock_lease,
    raise_if_lease_lost,
)
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.outbox_message import Attempt, MessageType, OutboxMessage

_SQL: Final = STATEMENTS["outbox"]

_TYPES: Final = {"correction": MessageType.CORRECTED, "revert": MessageType.REVERTED}


class PostgresOutbox:
    """One account's outbox; see ``engine.delivery.deliver``. Safe to share between threads.

    No transaction outlives a call: a worker of the merchant's takes the same rows FOR UPDATE SKIP LOCKED.
    """

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account

    def claim(self, epoch: int, seconds: float, *, probe: bool = False) -> Attempt | None:
        """Claim the oldest row that is due, for so many seconds; None if there is none.

        As a ``probe`` claim the row that was tried least: it says most about the endpoint.
        Raises LeaseLostError if the lease of this epoch is lost.
        """
        parameters = {"account": self._account, "seconds": seconds, "probe": probe}
        # the lease is proved in the same transaction: a process that lost it must not send
        with self._database.transaction("taking an outbox row to deliver") as connection:
            with connection.pipeline():
                begin(connection)
                locked = lock_lease(connection, self._account, epoch)
                claimed = connection.execute(_SQL["outbox_claim"], parameters)
            raise_if_lease_lost(locked, self._account)
            return self._attempt(claimed)

    def delivered(self, number: int) -> None:
        """Record that the endpoint has received it."""
        self._run("outbox_delivered", "recording a delivery", id=number)

    def failed(self, attempt: Attempt, error: str, seconds: float, *, given_up: bool) -> None:
        """Record that the endpoint has not received it, and after how many seconds to try again.

        If it is ``given_up``, it is not tried again.
        """
        self._run(
            "outbox_failed",
            "recording a failed delivery",
            id=attempt.message.number,
            attempt=attempt.number,
            error=error,
            seconds=seconds,
            given_up=given_up,
        )

    def try_now(self, most_attempts: int) -> int:
        """Let every row that waits for its next attempt be due at once, if it was tried at most so often.

        Returns how many rows there are.
        """
        return self._run(
            "outbox_try_now", "retrying deliveries", most_attempts=most_attempts
        ).rowcount

    def _run(self, name: str, doing: str, **values: object) -> Cursor:
        with self._database.transaction(doing) as connection, connection.pipeline():
            begin(connection)
            return connection.execute(_SQL[name], {"account": self._account, **values})

    def _attempt(self, claimed: Cursor) -> Attempt | None:
        row = claimed.fetchone()
        if row is None:
            return None
        number, key, intent, kind, before, after, outcome, seq, created, attempts, tried_for = row
        message = OutboxMessage(
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
        return Attempt(message, attempts, float(tried_for))
