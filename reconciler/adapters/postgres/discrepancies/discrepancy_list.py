"""Stored discrepancies of all accounts, for lists and exports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.findings.discrepancy import Kind, Severity, State
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.money import Money

_SQL: Final = STATEMENTS["discrepancies"]


@dataclass(frozen=True, slots=True)
class DiscrepancyFilter:
    """Which discrepancies are wanted. A field that is not set selects all; ``since`` is about the time last seen."""

    id: int | None = None
    account: str | None = None
    states: tuple[State, ...] = ()
    kinds: tuple[Kind, ...] = ()
    severities: tuple[Severity, ...] = ()
    since: datetime | None = None
    payment_intent: str | None = None

    def parameters(self, limit: int | None) -> dict[str, object]:
        """The statement's parameters; an empty tuple selects all."""
        return {
            "id": self.id,
            "account": self.account,
            "states": [state.value for state in self.states] or None,
            "kinds": [kind.value for kind in self.kinds] or None,
            "severities": [severity.value for severity in self.severities] or None,
            "since": self.since,
            "payment_intent": self.payment_intent,
            "limit": limit,
        }


class PostgresDiscrepancyList:
    """The discrepancies of all accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, wanted: DiscrepancyFilter, limit: int | None = None) -> tuple[Discrepancy, ...]:
        """Those that the filter selects, the last seen first."""
        with self._database.connection("listing discrepancies") as connection:
            rows = connection.execute(
                _SQL["discrepancies_find"], wanted.parameters(limit)
            ).fetchall()
        return tuple(discrepancy_of_row(*row) for row in rows)

    def account_of(self, discrepancy_id: int) -> str | None:
        """The account that has this discrepancy, None if there is no such discrepancy."""
        return self._text("account_of_discrepancy", discrepancy_id)

    def account_of_sweep(self, sweep: int) -> str | None:
        """The account that made this sweep, None if there is no such sweep."""
        return self._text("account_of_sweep", sweep)

    def _text(self, name: str, number: int) -> str | None:
        with self._database.connection("looking for an account") as connection:
            row = connection.execute(_SQL[name], {"id": number}).fetchone()
        return None if row is None else str(row[0])

    @contextmanager
    def reading(self, wanted: DiscrepancyFilter) -> Iterator[Iterator[Discrepancy]]:
        """The same, one at a time from one snapshot, for an export of any size.

        The rows come from a cursor on the server. Read them inside the block.
        """
        with (
            self._database.snapshot("reading discrepancies") as connection,
            connection.cursor("discrepancies") as rows,
        ):
            rows.execute(_SQL["discrepancies_find"], wanted.parameters(None))
            yield (discrepancy_of_row(*row) for row in rows)


def discrepancy_of_row(
    number: int,
    account: str,
    kind: str,
    severity: str,
    state: str,
    payment_intent: str | None,
    keys: list[str],
    stake_amount: int,
    currency: str,
    reason: str | None,
    cause: str | None,
    closing: str | None,
    note: str | None,
    resolved_by: str | None,
    first_seen: datetime,
    last_seen: datetime,
    fingerprint: str,
    local: dict[str, object],
    stripe: dict[str, object],
    evidence: dict[str, object],
) -> Discrepancy:
    """A row of the statement ``discrepancies_find``."""
    return Discrepancy(
        id=number,
        account=account,
        kind=Kind(kind),
        severity=Severity(severity),
        state=State(state),
        payment_intent=payment_intent,
        keys=tuple(keys),
        stake=Money(stake_amount, currency),
        reason=reason,
        cause=cause,
        closing=closing,
        note=note,
        resolved_by=resolved_by,
        first_seen=first_seen,
        last_seen=last_seen,
        fingerprint=fingerprint,
        local=local,
        stripe=stripe,
        evidence=evidence,
    )
