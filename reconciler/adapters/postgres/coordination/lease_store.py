"""Leases on accounts, by the database's clock."""

from __future__ import annotations

from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.statements import statements
from reconciler.adapters.postgres.transactions import Cursor, begin, ending

_SQL: Final = statements("coordination")


class PostgresLeaseStore:
    """One account's lease, as ``engine.ports.LeaseStore`` has it. Safe to share between threads."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account

    def acquire(self, holder: str, seconds: float) -> int | None:
        """Take the lease if it is free or expired; its epoch, or None where another holds it.

        Waits for a page that is being written under it, a second at most: then DatabaseBusyError.
        """
        answer = self._run("taking a lease", "lease_acquire", holder=holder, seconds=seconds)
        row = answer.fetchone()
        return None if row is None else int(row[0])

    def renew(self, holder: str, epoch: int, seconds: float) -> bool:
        """Extend it; False where it is no longer ours."""
        return bool(
            self._run(
                "renewing a lease", "lease_renew", holder=holder, epoch=epoch, seconds=seconds
            ).rowcount
        )

    def release(self, holder: str, epoch: int, last_second: int = 0) -> None:
        """Give it back, with the reads of our last second; nothing happens where it is no longer ours."""
        self._run(
            "releasing a lease",
            "lease_release",
            holder=holder,
            epoch=epoch,
            last_second=last_second,
        )

    def last_second(self) -> int:
        """Reads that an earlier holder sent in its last second, 0 where that is longer ago than a second."""
        row = self._run("looking at a lease", "lease_last_second").fetchone()
        return 0 if row is None else int(row[0])

    def holder(self) -> str | None:
        """Who has it now, None where nobody does."""
        row = self._run("looking at a lease", "lease_holder").fetchone()
        return None if row is None else str(row[0])

    def _run(self, doing: str, name: str, **parameters: object) -> Cursor:
        with (
            self._database.connection(doing) as connection,
            ending(connection),
            connection.pipeline(),
        ):
            begin(connection)
            values = {"account": self._account, **parameters}
            return connection.execute(_SQL[name], values)
