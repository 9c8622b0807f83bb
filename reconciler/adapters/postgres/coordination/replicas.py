"""The services that are alive, so that they can share the accounts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.adapters.postgres.database import Database, begin
from reconciler.adapters.postgres.statements import STATEMENTS

_SQL: Final = STATEMENTS["coordination"]


@dataclass(frozen=True, slots=True)
class GroupView:
    """Who holds each account now, and the live replicas that are able to work on it."""

    holders: Mapping[str, str | None]
    eligible: Mapping[str, Collection[str]]


class PostgresReplicas:
    """One replica's row for each of its accounts; by the database's clock."""

    def __init__(self, database: Database, replica: str) -> None:
        self._database = database
        self._replica = replica

    def renew(
        self, eligible: Sequence[str], ineligible: Sequence[str], seconds: float
    ) -> GroupView:
        """Record that this replica is alive and which accounts it is able to work on; returns the view after that."""
        parameters = {"replica": self._replica, "seconds": seconds}
        with (
            self._database.transaction("sharing the accounts among the replicas") as connection,
            connection.pipeline(),
        ):
            # renewed before the view is read, so that a replica sees itself
            begin(connection)
            connection.execute(_SQL["replicas_renew"], {**parameters, "accounts": list(eligible)})
            connection.execute(
                _SQL["replicas_withdraw"], {**parameters, "accounts": list(ineligible)}
            )
            rows = connection.execute(
                _SQL["replicas_view"], {"accounts": [*eligible, *ineligible]}
            ).fetchall()
        return GroupView(
            {account: holder for account, holder, _ in rows},
            {account: frozenset(names) for account, _, names in rows},
        )

    def withdraw(self, accounts: Sequence[str]) -> None:
        """Record that this replica no longer works on these accounts: another may take them at once."""
        parameters = {"replica": self._replica, "accounts": list(accounts)}
        with self._database.connection("withdrawing from the group of replicas") as connection:
            connection.execute(_SQL["replicas_withdraw"], parameters)

    def reserved_shares(self, accounts: Sequence[str]) -> frozenset[str]:
        """Those of the accounts that another process reads beside their holder."""
        parameters = {"accounts": list(accounts)}
        with self._database.connection(
            "checking whether another process is using part of the account's rate limits"
        ) as connection:
            rows = connection.execute(_SQL["reserved_share_in_use"], parameters).fetchall()
        return frozenset(row[0] for row in rows)
