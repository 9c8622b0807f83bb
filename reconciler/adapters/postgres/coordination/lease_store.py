"""Who may read and write an account: its lease, and the share of its reads reserved for one process beside the holder.

Both are measured by the database's clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from reconciler.adapters.postgres.database import Connection, Cursor, Database, begin
from reconciler.adapters.postgres.statements import STATEMENTS

_SQL: Final = STATEMENTS["coordination"]
_TRANSACTIONS: Final = STATEMENTS["transactions"]


class PostgresLeaseStore:
    """One account's lease; see ``engine.ports.LeaseStore``. Safe to share between threads."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account

    def acquire(self, holder: str, seconds: float) -> int | None:
        """Take the lease if it is free or expired; its epoch, or None if another process holds it.

        Waits at most a second for a page that is being written under the lease, then raises DatabaseBusyError.
        """
        answer = self._run("taking a lease", "lease_acquire", holder=holder, seconds=seconds)
        row = answer.fetchone()
        return None if row is None else int(row[0])

    def renew(self, holder: str, epoch: int, seconds: float) -> bool:
        """Extend the lease; False if this holder has lost it."""
        renewed = self._run(
            "renewing a lease", "lease_renew", holder=holder, epoch=epoch, seconds=seconds
        )
        return bool(renewed.rowcount)

    def release(self, holder: str, epoch: int, last_second: int = 0) -> None:
        """Give the lease back, with the reads of the holder's last second; does nothing if it is lost."""
        self._run(
            "releasing a lease",
            "lease_release",
            holder=holder,
            epoch=epoch,
            last_second=last_second,
        )

    def last_second(self) -> int:
        """Reads that an earlier holder sent in its last second; 0 if it ended more than a second ago."""
        row = self._run("reading a lease", "lease_last_second").fetchone()
        return 0 if row is None else int(row[0])

    def holder(self) -> str | None:
        """The process that holds the lease now, or None."""
        row = self._run("reading a lease", "lease_holder").fetchone()
        return None if row is None else str(row[0])

    def _run(self, doing: str, name: str, **parameters: object) -> Cursor:
        with self._database.transaction(doing) as connection, connection.pipeline():
            begin(connection)
            return connection.execute(_SQL[name], {"account": self._account, **parameters})


class PostgresReservedShare:
    """Reading an account beside its holder, one process at a time; see ``engine.limits.reserved_share``."""

    def __init__(self, database: Database, account: str, *, readable: bool) -> None:
        """``readable`` is whether this role may read the schema reconciler, and so who holds the account."""
        self._database = database
        self._account = account
        self._readable = readable

    @contextmanager
    def entered(self) -> Iterator[bool]:
        """Read beside the holder for the length of the block; yields whether another process holds the account.

        Waits at most a minute for other processes that read beside it, then raises DatabaseBusyError.
        """
        values = {"account": self._account}
        with self._database.transaction(
            "waiting for its turn to use the reserved share"
        ) as connection:
            # not the usual timeouts: processes wait here for each other, and idle while they read Stripe
            connection.execute(_TRANSACTIONS["begin"])
            connection.execute(_SQL["reserved_share_timeouts"])
            connection.execute(_SQL["reserved_share_enter"], values)
            yield self._readable and self._is_held(connection)

    def _is_held(self, connection: Connection) -> bool:
        values = {"account": self._account}
        return connection.execute(_SQL["lease_holder"], values).fetchone() is not None
