"""Cuts a sweep off at any statement: its connection is lost, and its process may die."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from unittest.mock import patch

import psycopg


class Connecting(Protocol):
    """A server to which an administrator can connect."""

    def connect(self) -> psycopg.Connection: ...


class Killed(BaseException):
    """The process is dead: nothing of the program goes on."""


@dataclass
class CutOff:
    """Ends the program's connection at its n-th statement, counted from the lease on. The statements before it are done.

    ``kills`` is whether the process dies too; a dead process makes no further statement, from any thread. If it does
    not die, it meets a lost connection and goes on. With ``after_commit`` only COMMITs are counted: the n-th is done, and
    its answer lost.
    """

    server: Connecting
    at: int
    kills: bool
    after_commit: bool = False
    count: int = 0
    has_begun: bool = False
    happened: bool = False

    def happens_at(self, connection: psycopg.Connection) -> bool:
        """Count a statement, and cut the program off if it is the n-th; whether this has happened now."""
        if connection.info.parameter_status("application_name") != "reconciler":
            return False
        if self.happened and self.kills:
            raise Killed
        if self.happened or not self.has_begun:
            return False
        self.count += 1
        if self.count != self.at:
            return False
        self.happened = True
        if connection.info.transaction_status is psycopg.pq.TransactionStatus.ACTIVE:
            with connection.pipeline():
                pass  # a pipeline within a pipeline waits until the queued statements are done
        with self.server.connect() as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])
        if self.kills:
            raise Killed
        return True


@contextmanager
def cutting_off(cut_off: CutOff) -> Iterator[None]:
    """Cut off what the program does in the block."""
    execute, commit = psycopg.Connection.execute, psycopg.Connection.commit

    def execute_or_cut_off(self: psycopg.Connection, query: Any, *args: Any, **kwargs: Any) -> Any:
        cut_off.has_begun = cut_off.has_begun or "reconciler.leases" in str(query)
        if not cut_off.after_commit or cut_off.happened:
            cut_off.happens_at(self)
        return execute(self, query, *args, **kwargs)

    def commit_or_cut_off(self: psycopg.Connection) -> None:
        if cut_off.after_commit:
            commit(self)
            if cut_off.happens_at(self):
                raise psycopg.OperationalError("the server closed the connection unexpectedly")
            return
        cut_off.happens_at(self)
        commit(self)

    with (
        patch.object(psycopg.Connection, "execute", execute_or_cut_off),
        patch.object(psycopg.Connection, "commit", commit_or_cut_off),
    ):
        yield
