"""One part of the list of discrepancies, in the order that a reader wants, from a place in that order on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from psycopg import sql

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.discrepancies.discrepancy_list import discrepancy_of_row
from reconciler.adapters.postgres.statements import TEMPLATES
from reconciler.domain.findings.discrepancy import Cause, Kind, Severity, State
from reconciler.domain.findings.listed_discrepancy import Discrepancy

_WANTED: Final = TEMPLATES["web"]["web_discrepancies_wanted"]
_TEMPLATE: Final = TEMPLATES["web"]["web_discrepancies"]
_COUNT: Final = TEMPLATES["web"]["web_discrepancy_count"]


class Order(Enum):
    """The order of a list: the column, its type, and whether the largest value comes first."""

    LAST_SEEN = ("last_seen", "timestamptz", True)
    OLDEST = ("opened_at", "timestamptz", False)
    """An age counts from the time at which a discrepancy was opened last, as at the terminal; an index has this order."""
    NEWEST = ("opened_at", "timestamptz", True)
    AMOUNT = ("stake_amount", "int8", True)

    def value_of(self, found: Discrepancy) -> datetime | int:
        """The value of a discrepancy by which the list is ordered."""
        match self:
            case Order.LAST_SEEN:
                return found.last_seen
            case Order.OLDEST | Order.NEWEST:
                return found.opened_at
            case Order.AMOUNT:
                return found.stake.amount


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a list: the value by which it is ordered and the number of the last discrepancy before it."""

    value: datetime | int
    id: int


@dataclass(frozen=True, slots=True)
class DiscrepancySearch:
    """Which discrepancies a reader wants, and in which order. ``text`` is a PaymentIntent, an order,
    the key of a row or a number. ``paid_since`` (included) and ``paid_until`` (not included) bound the payment's creation.
    """

    account: str | None = None
    states: tuple[State, ...] = ()
    kinds: tuple[Kind, ...] = ()
    severities: tuple[Severity, ...] = ()
    causes: tuple[Cause, ...] = ()
    paid_since: datetime | None = None
    paid_until: datetime | None = None
    currency: str | None = None
    text: str | None = None
    ids: tuple[int, ...] | None = None
    owner: str | None = None
    without_owner: bool = False
    unseen: bool = False
    order: Order = Order.LAST_SEEN

    def statement(self) -> sql.Composed:
        """The statement of this order."""
        column, _, is_descending = self.order.value
        # no value is null, but PostgreSQL reads an index backwards only for an order that has nulls at the other end
        is_backwards = self.order is Order.NEWEST
        return _TEMPLATE.format(
            wanted=self.wanted(),
            column=sql.Identifier(column),
            nulls=sql.SQL("FIRST" if is_backwards else "LAST"),
            direction=sql.SQL("DESC" if is_descending else "ASC"),
        )

    def wanted(self) -> sql.Composed:
        """The part of the statement that selects them, in no order."""
        column, type_name, is_descending = self.order.value
        return _WANTED.format(
            column=sql.Identifier(column),
            type=sql.SQL(type_name),
            beyond=sql.SQL("<" if is_descending else ">"),
        )

    def parameters(self, after: Place | None, limit: int | None) -> dict[str, object]:
        """The statement's parameters; None selects all."""
        return {
            "account": self.account,
            "states": [state.value for state in self.states] or None,
            "kinds": [kind.value for kind in self.kinds] or None,
            "severities": [severity.value for severity in self.severities] or None,
            "causes": [cause.value for cause in self.causes] or None,
            "paid_since": self.paid_since,
            "paid_until": self.paid_until,
            "currency": self.currency,
            "text": self.text,
            "ids": None if self.ids is None else list(self.ids),
            "owner": self.owner,
            "without_owner": self.without_owner,
            "unseen": self.unseen,
            "after": None if after is None else after.value,
            "after_id": None if after is None else after.id,
            "limit": limit,
        }


def search_discrepancies(
    database: Database, wanted: DiscrepancySearch, after: Place | None, limit: int
) -> tuple[Discrepancy, ...]:
    """At most ``limit`` discrepancies behind ``after``; from the first one on if that is None."""
    with database.connection("listing discrepancies") as connection:
        rows = connection.execute(
            wanted.statement(), wanted.parameters(after, limit), prepare=False
        ).fetchall()
    return tuple(discrepancy_of_row(*row) for row in rows)


def count_discrepancies(database: Database, wanted: DiscrepancySearch, most: int) -> int:
    """How many there are; ``most`` if there are more."""
    with database.connection("counting discrepancies") as connection:
        row = connection.execute(
            _COUNT.format(wanted=wanted.wanted()), wanted.parameters(None, most), prepare=False
        ).fetchone()
    return 0 if row is None else int(row[0])


@contextmanager
def reading_discrepancies(
    database: Database, wanted: DiscrepancySearch
) -> Iterator[Iterator[Discrepancy]]:
    """All of them from one snapshot, one at a time from a cursor on the server. Read them inside the block."""
    with (
        database.snapshot("reading discrepancies") as connection,
        connection.cursor("web_discrepancies") as rows,
    ):
        rows.execute(wanted.statement(), wanted.parameters(None, None))
        yield (discrepancy_of_row(*row) for row in rows)
