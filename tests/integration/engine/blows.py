"""Cutting a sweep off at any moment: its connection ends, and it may die with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from unittest.mock import patch

import psycopg


class Connecting(Protocol):
    """A server that can be connected to as its administrator."""

    def connect(self) -> psycopg.Connection: ...


class Killed(BaseException):
    """The process is gone: nothing of ours goes on."""


@dataclass
class Blow:
    """Ends the program's connection at its n-th statement from the lease on, after all before it were carried out.

    ``kills`` is whether the program dies too; else it meets a lost connection and goes on as it can. Who is dead makes
    no further statement, from whatever thread.
    """

    server: Connecting
    at: int
    kills: bool
    after_commit: bool = False
    count: int = 0
    has_begun: bool = False
    fell: bool = False

    def strike(self, connection: psycopg.Connection) -> bool:
        """Count a statement, and strike at the one that is meant; returns whether it fell now."""
        if connection.info.parameter_status("application_name") != "reconciler":
            return False
        if self.fell and self.kills:
            raise Killed
        if self.fell or not self.has_begun:
            return False
        self.count += 1
        if self.count != self.at:
            return False
        self.fell = True
        if connection.info.transaction_status is psycopg.pq.TransactionStatus.ACTIVE:
            with connection.pipeline():
                pass  # what is queued is carried out: a pipeline within a pipeline is a synchronization
        with self.server.connect() as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])
        if self.kills:
            raise Killed
        return True


@contextmanager
def struck(blow: Blow) -> Iterator[None]:
    """Let it fall on whatever the program does in the block."""
    execute, commit = psycopg.Connection.execute, psycopg.Connection.commit

    def executing(self: psycopg.Connection, query: Any, *args: Any, **kwargs: Any) -> Any:
        blow.has_begun = blow.has_begun or "reconciler.leases" in str(query)
        blow.strike(self)
        return execute(self, query, *args, **kwargs)

    def committing(self: psycopg.Connection) -> None:
        if blow.after_commit:
            commit(self)
            if blow.strike(self):
                raise psycopg.OperationalError("the server closed the connection unexpectedly")
            return
        blow.strike(self)
        commit(self)

    with (
        patch.object(psycopg.Connection, "execute", executing),
        patch.object(psycopg.Connection, "commit", committing),
    ):
        yield
