"""Services that are alive, and who reads beside them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from reconciler.adapters.postgres.database import Connection, Database
from reconciler.adapters.postgres.statements import statements
from reconciler.adapters.postgres.transactions import begin, ending

_SQL: Final = statements("coordination")
_TRANSACTIONS: Final = statements("transactions")


@dataclass(frozen=True, slots=True)
class GroupView:
    """Who holds each account now, and the live replicas that are able to work on it."""

    holders: Mapping[str, str | None]
    eligible: Mapping[str, Collection[str]]


class PostgresReplicas:
    """One replica's part in the team, over all its accounts; by the database's clock."""

    def __init__(self, database: Database, replica: str) -> None:
        self._database = database
        self._replica = replica

    def renew(
        self, eligible: Sequence[str], ineligible: Sequence[str], seconds: float
    ) -> GroupView:
        """Say that we are alive and on which accounts we are able to work; how things stand then."""
        parameters = {"replica": self._replica, "seconds": seconds}
        with (
            self._database.connection("sharing the accounts") as connection,
            ending(connection),
            connection.pipeline(),
        ):
            begin(connection)
            connection.execute(_SQL["replicas_renew"], {**parameters, "accounts": list(eligible)})
            connection.execute(
                _SQL["replicas_withdraw"], {**parameters, "accounts": list(ineligible)}
            )
            seen = connection.execute(
                _SQL["replicas_view"], {"accounts": [*eligible, *ineligible]}
            ).fetchall()
        return GroupView(
            {account: holder for account, holder, _ in seen},
            {account: frozenset(names) for account, _, names in seen},
        )

    def withdraw(self, accounts: Sequence[str]) -> None:
        """We work on them no longer: whoever is alive may have them at once."""
        parameters = {"replica": self._replica, "accounts": list(accounts)}
        with self._database.connection("leaving the other replicas") as connection:
            connection.execute(_SQL["replicas_withdraw"], parameters)

    def reserved_shares(self, accounts: Sequence[str]) -> frozenset[str]:
        """Which of these accounts somebody reads beside their holder."""
        with self._database.connection("looking for guests") as connection:
            rows = connection.execute(
                _SQL["reserved_share_in_use"], {"accounts": list(accounts)}
            ).fetchall()
        return frozenset(row[0] for row in rows)


class PostgresReservedShare:
    """Reading an account beside its holder, one guest at a time. As ``engine.guest.GuestBook`` has it."""

    def __init__(self, database: Database, account: str, *, readable: bool) -> None:
        """``readable`` is whether this role may look at our schema, and so at who holds the account."""
        self._database = database
        self._account = account
        self._readable = readable

    @contextmanager
    def entered(self) -> Iterator[bool]:
        """Be the account's guest for the length of the block; whether another process holds the account.

        Waits for other guests, a minute at most: then DatabaseBusyError.
        """
        values = {"account": self._account}
        with (
            self._database.connection("reading beside the service") as connection,
            ending(connection),
        ):
            connection.execute(_TRANSACTIONS["begin"])
            connection.execute(_SQL["reserved_share_timeouts"])
            connection.execute(_SQL["reserved_share_enter"], values)
            yield self._readable and self._is_held(connection)

    def _is_held(self, connection: Connection) -> bool:
        values = {"account": self._account}
        return connection.execute(_SQL["lease_holder"], values).fetchone() is not None
