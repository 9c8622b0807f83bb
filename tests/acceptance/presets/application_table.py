"""How the tables of an application are made, as far as a mapping needs them: written down from the application's migrations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from psycopg import sql

CREATED = "2026-10-31 12:00:00"
"""When every row was created, without a zone; Stripe's clock is two days later."""


@dataclass(frozen=True)
class ApplicationTable:
    """How an application stores its payments."""

    tables: str
    """The statements that make the tables, with the rows that they refer to."""
    payment: str
    """The statement that adds a payment of Stripe's over 12.50 EUR, with {key}, {intent}, {status} and {created}."""
    open_status: str | None
    """The status of a payment that waits for its webhook; None if the application adds the row only with the webhook."""
    lost: Mapping[str, str]
    """What happened at Stripe, as a method of the sandbox, and the status that the application would have written."""
    agrees: Mapping[str, str] = field(default_factory=dict)
    """Further statuses that the application writes, and that have to agree, by what happened at Stripe."""
    schema: str = "of the application"
    """The schema of the tables. It is not on the search_path, as that of an application need not be."""
    of_others: str = ""
    """The statement that adds rows that are none of Stripe's PaymentIntents, to the same table."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The metadata that the application gives a PaymentIntent; {key} is the payment's key."""
    written: Mapping[str, str] = field(default_factory=dict)
    """The further columns that a correction writes, and what they hold afterwards, as SQL conditions."""

    @property
    def lost_kind(self) -> str:
        """The kind of finding that a lost webhook leaves."""
        return "missing_locally" if self.open_status is None else "missed_outcome"

    def statement(self, text: str) -> sql.Composed:
        """A statement of the application, with its schema on the search_path."""
        schema = sql.Identifier(self.schema)
        head = sql.SQL("CREATE SCHEMA IF NOT EXISTS {}; SET search_path TO {};").format(
            schema, schema
        )
        return head + sql.SQL(text)

    def add(self, key: int, intent: str, status: str) -> sql.Composed:
        """The statement that adds one payment."""
        head = self.statement("")
        return head + sql.SQL(self.payment).format(
            key=sql.Literal(key),
            intent=sql.Literal(intent),
            status=sql.Literal(status),
            created=sql.Literal(CREATED),
        )
