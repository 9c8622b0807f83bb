"""Sweeps that a person asks the service for, and the service that serves an account."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from psycopg.rows import TupleRow

from reconciler.adapters.postgres.database import Connection, Database, connect, map_errors
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.clock import Clock
from reconciler.domain.model.sweep_request import (
    RequestState,
    RequestStatus,
    ServingProcess,
    TakenRequest,
)
from reconciler.errors import LeaseLostError
from reconciler.masking import map_texts, storable

_SQL: Final = STATEMENTS["coordination"]
_LISTENING: Final = "listening for requests for a sweep"

MOST_A_SECOND: Final = 20
"""Notifications of the channel. People ask for fewer sweeps than that."""
DEAF_SECONDS: Final = 30.0


class PostgresSweepRequests:
    """One account's requests, for the command that asks and for the service. Safe to share between threads."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account

    def at_work(self) -> ServingProcess | None:
        """The service that holds the account's lease now; None if no process or no service holds it."""
        rows = self._rows("service_at_work", "looking for the service")
        return ServingProcess(*rows[0]) if rows else None

    def ask(self, asked_by: str, options: Mapping[str, object]) -> int:
        """Store a request and notify the service; its number."""
        rows = self._rows(
            "request_ask",
            "asking the service for a sweep",
            asked_by=asked_by,
            options=json.dumps(options),
        )
        return int(rows[0][0])

    def state(self, number: int) -> RequestState | None:
        """The state of a request; None if there is none of that number."""
        rows = self._rows(
            "request_state", "waiting for the service's answer to a request", id=number
        )
        if not rows:
            return None
        status, *rest = rows[0]
        return RequestState(RequestStatus(status), *rest)

    def withdraw(self, number: int, why: str) -> bool:
        """Take a request back; False if a live service has taken it, or if it was answered."""
        return bool(
            self._count(
                "request_withdraw", "withdrawing a request for a sweep", id=number, answer=why
            )
        )

    def take(self, epoch: int) -> TakenRequest | None:
        """The oldest request that waits, taken under the lease of this epoch; None if none waits."""
        rows = self._rows("request_take", "taking a request for a sweep", epoch=epoch)
        return TakenRequest(*rows[0]) if rows else None

    def advance(self, number: int, epoch: int, examined: int) -> None:
        """Record how many intents the sweep has examined, for the command that waits for it."""
        self._count(
            "request_progress", "recording progress", id=number, epoch=epoch, examined=examined
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
            "answering a request for a sweep",
            id=number,
            epoch=epoch,
            sweep=sweep,
            examined=examined,
            result=json.dumps(map_texts(result, storable)),
        )

    def add_lines(
        self, number: int, epoch: int, page: int, lines: Sequence[Mapping[str, object]]
    ) -> None:
        """See ``LinesOfRequests``."""
        text = json.dumps([map_texts(line, storable) for line in lines])
        doing = "storing lines of a sweep's report"
        if not self._count(
            "request_add_lines", doing, id=number, epoch=epoch, page=page, lines=text
        ):
            raise LeaseLostError(
                f"Request {number} of account {self._account} belongs to another process now."
            )

    def take_lines(self, number: int, epoch: int, page: int) -> Sequence[Mapping[str, Any]] | None:
        """See ``LinesOfRequests``."""
        doing = "reading lines of a sweep's report"
        rows = self._rows("request_take_lines", doing, id=number, epoch=epoch, page=page)
        return cast("Sequence[Mapping[str, Any]]", rows[0][0]) if rows else None

    def refuse(self, number: int, epoch: int, why: str) -> None:
        """Answer that the request will not be done; does nothing if it was answered already."""
        self._count(
            "request_refuse", "refusing a request for a sweep", id=number, epoch=epoch, answer=why
        )

    def reopen(self, epoch: int) -> int:
        """Let requests that an earlier holder of the lease left unfinished wait again; how many there are."""
        return self._count(
            "requests_reopen", "taking over another process's requests for a sweep", epoch=epoch
        )

    def _rows(self, name: str, doing: str, **values: object) -> list[TupleRow]:
        parameters = {"account": self._account, **values}
        with self._database.connection(doing) as connection:
            return connection.execute(_SQL[name], parameters).fetchall()

    def _count(self, name: str, doing: str, **values: object) -> int:
        """Execute a statement; the number of rows that it wrote."""
        parameters = {"account": self._account, **values}
        with self._database.connection(doing) as connection:
            return connection.execute(_SQL[name], parameters).rowcount


class RequestListener:
    """Waits for a person's request for a sweep of this account, on a connection of its own.

    Every role of the database may notify the channel. So a notification only says when to look; if there are too many,
    none is listened for during ``DEAF_SECONDS``, and the caller's own interval decides when it looks.
    """

    def __init__(self, dsn: str, account: str, clock: Clock, stopping: threading.Event) -> None:
        self._dsn = dsn
        self._account = account
        self._clock = clock
        self._stopping = stopping
        self._connection: Connection | None = None
        self._second_began_at = 0.0
        self._in_this_second = 0
        self._deaf_until: float | None = None

    @property
    def is_deaf(self) -> bool:
        """Whether there were too many notifications, so that none is listened for at present."""
        return self._deaf_until is not None

    def wait(self, seconds: float) -> bool:
        """Wait for a notification; False if none came in time.

        Raises DatabaseUnavailableError and the like if the connection is lost; the next call connects anew.
        """
        if self._deaf_until is not None:
            if self._clock.monotonic() < self._deaf_until:
                self._clock.wait(self._stopping, seconds)
                return False
            self._deaf_until = None
        if self._connection is None:
            self._connection = connect(self._dsn)
            with map_errors(_LISTENING):
                self._connection.execute(_SQL["requests_listen"])
            # a request may have been stored before LISTEN took effect
            return True

        try:
            with map_errors(_LISTENING):
                payloads = self._payloads(seconds)
        except BaseException:
            self.close()
            raise
        if self._are_too_many(len(payloads)):
            self.close()
            self._deaf_until = self._clock.monotonic() + DEAF_SECONDS
        return self._account in payloads

    def _payloads(self, seconds: float) -> list[str]:
        """What came until the first packet with a notification, or until the time was over."""
        # the connection is idle, so all that is received is what came in one packet
        connection = cast(Connection, self._connection)
        try:
            return [notice.payload for notice in connection.notifies(timeout=seconds, stop_after=1)]
        except UnicodeDecodeError:
            # a database without an encoding forwards any bytes
            return [""]

    def _are_too_many(self, count: int) -> bool:
        now = self._clock.monotonic()
        if now - self._second_began_at > 1:
            self._second_began_at, self._in_this_second = now, 0
        self._in_this_second += count
        return self._in_this_second > MOST_A_SECOND

    def close(self) -> None:
        """Stop listening."""
        # forgotten first: the next wait connects anew, even if closing fails
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
