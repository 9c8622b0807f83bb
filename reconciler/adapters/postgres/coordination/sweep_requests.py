"""Passes that a person asks the service for, as they stand in our table, and who serves an account."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from psycopg.rows import TupleRow

from reconciler.adapters.postgres.database import Connection, Database, connect
from reconciler.adapters.postgres.errors import map_errors
from reconciler.adapters.postgres.statements import statements
from reconciler.domain.model.sweep_request import (
    RequestState,
    RequestStatus,
    ServingProcess,
    TakenRequest,
)

_SQL: Final = statements("coordination")


class PostgresSweepRequests:
    """One account's requests, for those who ask and for the service. Safe to share between threads."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account

    def at_work(self) -> ServingProcess | None:
        """The service that has the account's lease now, None where nobody or somebody else has it."""
        rows = self._rows("service_at_work", "looking for the service")
        return ServingProcess(*rows[0]) if rows else None

    def ask(self, asked_by: str, options: Mapping[str, object]) -> int:
        """Put a request down and wake the service; its number."""
        rows = self._rows(
            "request_ask",
            "asking the service for a pass",
            asked_by=asked_by,
            options=json.dumps(options),
        )
        return int(rows[0][0])

    def look(self, number: int) -> RequestState | None:
        """How a request stands, None where there is none of that number."""
        rows = self._rows("request_state", "following a request", id=number)
        if not rows:
            return None
        status, examined, result, answer = rows[0]
        return RequestState(RequestStatus(status), examined, result, answer)

    def withdraw(self, number: int, why: str) -> bool:
        """Take a request back; False where a service that is alive has taken it up, or it was answered."""
        return bool(self._count("request_withdraw", "taking a request back", id=number, answer=why))

    def take(self, epoch: int) -> TakenRequest | None:
        """The oldest request that waits, taken up under the lease of this epoch; None where none waits."""
        rows = self._rows("request_take", "taking up a request", epoch=epoch)
        return TakenRequest(*rows[0]) if rows else None

    def advance(self, number: int, epoch: int, examined: int) -> None:
        """Tell whoever asked how far the sweep is."""
        self._count(
            "request_progress", "telling progress", id=number, epoch=epoch, examined=examined
        )

    def finish(
        self,
        number: int,
        epoch: int,
        sweep: int | None,
        examined: int,
        result: Mapping[str, object],
    ) -> None:
        """Answer a request with the whole report of its sweep."""
        self._count(
            "request_finish",
            "answering a request",
            id=number,
            epoch=epoch,
            sweep=sweep,
            examined=examined,
            result=json.dumps(result),
        )

    def refuse(self, number: int, epoch: int, why: str) -> None:
        """Answer that it will not be done; nothing happens where it has been answered already."""
        self._count("request_refuse", "refusing a request", id=number, epoch=epoch, answer=why)

    def reopen(self, epoch: int) -> int:
        """Let what an earlier holder of the lease left unfinished be taken up again; how many there are."""
        return self._count("requests_reopen", "taking over requests", epoch=epoch)

    def _rows(self, name: str, doing: str, **values: object) -> list[TupleRow]:
        parameters = {"account": self._account, **values}
        with self._database.connection(doing) as connection:
            return connection.execute(_SQL[name], parameters).fetchall()

    def _count(self, name: str, doing: str, **values: object) -> int:
        parameters = {"account": self._account, **values}
        with self._database.connection(doing) as connection:
            return connection.execute(_SQL[name], parameters).rowcount


class RequestBell:
    """Rings when somebody asks for a sweep of this account. It has a connection of its own; use it as a context manager."""

    def __init__(self, dsn: str, account: str) -> None:
        self._dsn = dsn
        self._account = account
        self._connection: Connection | None = None

    def wait(self, seconds: float) -> bool:
        """Wait for a ring; False where none came in time. Raises what a lost connection raises; the next call mends it."""
        if self._connection is None:
            self._connection = connect(self._dsn)
            with map_errors("listening for requests"):
                self._connection.execute(_SQL["requests_listen"])
            # somebody may have asked before we listened
            return True
        try:
            with map_errors("listening for requests"):
                notices = self._connection.notifies(timeout=seconds, stop_after=1)
                return any(notice.payload == self._account for notice in notices)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop listening."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
