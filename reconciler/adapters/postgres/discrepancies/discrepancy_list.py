"""Stored discrepancies of all accounts, for lists and exports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import Enum
from typing import Any, Final

from psycopg import sql
from psycopg.types.json import set_json_loads

from reconciler.adapters.postgres.database import Connection, Cursor, Database
from reconciler.adapters.postgres.discrepancies.stored_discrepancy import (
    StoredDiscrepancy,
    stored_discrepancies,
    text_cursor,
)
from reconciler.adapters.postgres.discrepancies.stored_object import stored_value
from reconciler.adapters.postgres.read_ahead import reading_ahead
from reconciler.adapters.postgres.statements import STATEMENTS, TEMPLATES
from reconciler.domain.findings.discrepancy import Kind, Severity, State
from reconciler.domain.findings.listed_discrepancy import Corrected, Discrepancy
from reconciler.domain.money import THREE_DECIMAL, ZERO_DECIMAL, Money
from reconciler.domain.review.ageing import AgedMoney, aged, bucket_starts
from reconciler.domain.review.due_date import DueRules

_SQL: Final = STATEMENTS["discrepancies"]
_TEMPLATES: Final = TEMPLATES["discrepancies"]
_DECIMALS: Final = (0, 2, 3)
_MOST_AMOUNT: Final = 2**63 - 1
_ROWS_AT_ONCE: Final = 100


class Sort(Enum):
    """The order of a list: the column, and whether the greatest comes first."""

    AMOUNT = ("stake_amount", True)
    """Amounts of different currencies are compared by their minor units, without conversion."""
    AGE = ("opened_at", False)
    DUE = ("due_at", False)
    LAST_SEEN = ("last_seen", True)
    PAID = ("payment_created", True)
    ID = ("id", False)

    @property
    def column(self) -> str:
        """The column of the list's statement."""
        return self.value[0]

    def direction(self, *, reverse: bool) -> sql.SQL:
        """ASC or DESC. ``reverse`` turns the usual direction round."""
        return sql.SQL("DESC") if self.value[1] is not reverse else sql.SQL("ASC")


@dataclass(frozen=True, slots=True)
class DiscrepancyFilter:
    """Which discrepancies are wanted. A field that is not set selects all; ``since`` is about the time last seen.

    ``paid_since`` (included) and ``paid_until`` (not included) are about the payment's creation. The amounts are in the
    major unit of each discrepancy's own currency. ``search`` is a PaymentIntent, an order, a row's key or a number.
    """

    ids: tuple[int, ...] | None = None
    account: str | None = None
    states: tuple[State, ...] = ()
    kinds: tuple[Kind, ...] = ()
    severities: tuple[Severity, ...] = ()
    since: datetime | None = None
    payment_intent: str | None = None
    order: str | None = None
    search: str | None = None
    currency: str | None = None
    paid_since: datetime | None = None
    paid_until: datetime | None = None
    opened_before: datetime | None = None
    due_before: datetime | None = None
    owner: str | None = None
    without_owner: bool = False
    unseen: bool = False
    min_amount: Decimal | None = None
    max_amount: Decimal | None = None
    sort: Sort = Sort.AMOUNT
    reverse: bool = False
    due: DueRules = field(default_factory=DueRules)

    def parameters(self, limit: int | None, offset: int = 0) -> dict[str, object]:
        """The statement's parameters; None selects all."""
        return {
            "ids": None if self.ids is None else list(self.ids),
            "account": self.account,
            "states": [state.value for state in self.states] or None,
            "kinds": [kind.value for kind in self.kinds] or None,
            "severities": [severity.value for severity in self.severities] or None,
            "since": self.since,
            "payment_intent": self.payment_intent,
            "order": self.order,
            "search": self.search,
            "currency": self.currency,
            "paid_since": self.paid_since,
            "paid_until": self.paid_until,
            "opened_before": self.opened_before,
            "due_before": self.due_before,
            "owner": self.owner,
            "without_owner": self.without_owner,
            "unseen": self.unseen,
            "least_amounts": _amounts(self.min_amount, ROUND_CEILING),
            "most_amounts": _amounts(self.max_amount, ROUND_FLOOR),
            "zero_decimal": sorted(ZERO_DECIMAL),
            "three_decimal": sorted(THREE_DECIMAL),
            "limit": limit,
            "offset": offset,
            **_due(self.due),
        }

    def statement(self) -> sql.Composed:
        """The statement in this order."""
        return _TEMPLATES["discrepancies_find"].format(
            column=sql.Identifier(self.sort.column),
            direction=self.sort.direction(reverse=self.reverse),
        )


def _amounts(amount: Decimal | None, rounding: str) -> list[int] | None:
    """The amount in minor units of a currency without decimals, with two, and with three."""
    if amount is None:
        return None
    minor = (int(amount.scaleb(places).to_integral_value(rounding)) for places in _DECIMALS)
    return [max(-_MOST_AMOUNT, min(_MOST_AMOUNT, one)) for one in minor]


def _due(rules: DueRules) -> dict[str, object]:
    seconds = {severity: span.total_seconds() for severity, span in rules.by_severity.items()}
    amounts = rules.by_amount
    return {
        **{f"due_{severity.value}": seconds.get(severity) for severity in Severity},
        "due_currencies": [money.currency for money, _ in amounts] or None,
        "due_amounts": [money.amount for money, _ in amounts] or None,
        "due_seconds": [span.total_seconds() for _, span in amounts] or None,
    }


class PostgresDiscrepancyList:
    """The discrepancies of all accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(
        self, wanted: DiscrepancyFilter, limit: int | None = None, offset: int = 0
    ) -> tuple[Discrepancy, ...]:
        """Those that the filter selects, in its order; a page of them with ``limit`` and ``offset``."""
        with self._database.connection("listing discrepancies") as connection:
            return found_discrepancies(connection, wanted, limit, offset)

    def account_of(self, discrepancy_id: int) -> str | None:
        """The account that has this discrepancy, None if there is no such discrepancy."""
        return self._text("account_of_discrepancy", discrepancy_id)

    def account_of_sweep(self, sweep: int) -> str | None:
        """The account that made this sweep, None if there is no such sweep."""
        return self._text("account_of_sweep", sweep)

    def aged(self, account: str | None, now: datetime) -> tuple[AgedMoney, ...]:
        """The open money by currency and age. A payment with several findings counts once."""
        parameters = {"account": account, "starts": list(bucket_starts(now))}
        with self._database.connection("adding up the open discrepancies") as connection:
            return aged(connection.execute(_SQL["discrepancies_aged"], parameters).fetchall())

    def _text(self, name: str, number: int) -> str | None:
        with self._database.connection("looking for an account") as connection:
            row = connection.execute(_SQL[name], {"id": number}).fetchone()
        return None if row is None else str(row[0])

    @contextmanager
    def reading(
        self, wanted: DiscrepancyFilter, limit: int | None = None
    ) -> Iterator[Iterator[Discrepancy]]:
        """The same, one at a time from one snapshot, for an export of any size.

        The rows come from a cursor on the server. Read them inside the block. Their objects are ``StoredObject``.
        """
        with self._database.snapshot("reading discrepancies") as connection:
            cursors = connection.cursor(), connection.cursor()
            for cursor in cursors:
                set_json_loads(stored_value, cursor)
            with reading_ahead(
                connection, wanted.statement(), wanted.parameters(limit), _ROWS_AT_ONCE, cursors
            ) as rows:
                yield (discrepancy_of_row(*row) for row in rows)

    @contextmanager
    def reading_stored(self, wanted: DiscrepancyFilter) -> Iterator[Iterator[StoredDiscrepancy]]:
        """The same as they are stored, which is several times as fast. Read them inside the block."""
        with self._database.snapshot("reading discrepancies") as connection:
            cursors = text_cursor(connection), text_cursor(connection)
            with reading_ahead(
                connection, wanted.statement(), wanted.parameters(None), _ROWS_AT_ONCE, cursors
            ) as rows:
                yield stored_discrepancies(rows)


def found_discrepancies(
    connection: Connection, wanted: DiscrepancyFilter, limit: int | None = None, offset: int = 0
) -> tuple[Discrepancy, ...]:
    """Those that the filter selects, inside a transaction of the caller's or without one."""
    # not prepared, so that PostgreSQL plans it for the filters that are set
    rows: Cursor = connection.execute(
        wanted.statement(), wanted.parameters(limit, offset), prepare=False
    )
    return tuple(discrepancy_of_row(*row) for row in rows.fetchall())


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
    *queue: Any,
) -> Discrepancy:
    """A row of the statement ``discrepancies_find``."""
    order, payment_created, opened_at, owner, due_at, seen_at, changed_at, *corrected = queue
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
        order=order,
        payment_created=payment_created,
        opened_at=opened_at,
        changed_at=changed_at,
        owner=owner,
        due_at=due_at,
        seen_at=seen_at,
        corrected=None if corrected[0] is None else Corrected(*corrected),
    )
