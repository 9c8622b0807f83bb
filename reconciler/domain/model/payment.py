"""The merchant's side: one row of the merchant's table, as it was read at one moment, and how the table is mapped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from reconciler.domain.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Payment:
    """A row of the merchant's table. ``excluded`` is whether it is outside the mapping or belongs to another account.

    ``key`` and ``order`` are the columns' values as text. ``payment_intent`` is None if the row holds no intent yet.
    ``amount`` is in minor units, None if the column is null or holds no whole number of them. ``currency`` is in lower
    case. ``stored_amount`` and ``stored_currency`` are the columns as the database prints them: a correction is written
    only if they are still the same. ``stored_id`` is the text of the PaymentIntent's column if that is another text than
    ``payment_intent``, such as a Checkout Session's id; of a client secret it holds only the id.
    """

    account: str
    key: str
    payment_intent: str | None
    status: str | None
    outcome: Outcome
    amount: int | None
    currency: str | None
    created: datetime | None = None
    order: str | None = None
    stored_amount: str | None = None
    stored_currency: str | None = None
    stored_id: str | None = None
    excluded: bool = False
    unreadable: str | None = None
    """The part of the mapping whose SQL text fails for the row, such as ``amount``. Its outcome is UNKNOWN then."""
    updated: datetime | None = field(default=None, compare=False)
    """When the row was changed last, for a row that reads as refunded; None if that is not mapped."""
    column_text: str | None = field(init=False, repr=False, compare=False)
    """The text of the PaymentIntent's column, as a write compares it."""

    def __post_init__(self) -> None:
        # the class is frozen, and the text follows from the other fields
        text = self.payment_intent if self.stored_id is None else self.stored_id
        object.__setattr__(self, "column_text", text)


@dataclass(frozen=True, slots=True)
class RowReference:
    """A row that a sweep asks Stripe about: its key, and the text of its PaymentIntent's column without any secret.

    ``holds_secret`` is whether the column holds a client secret.
    """

    key: str
    payment_intent: str
    holds_secret: bool = False


@dataclass(frozen=True, slots=True)
class StatusMap:
    """What the merchant's statuses mean, and which status is written for an outcome.

    Several statuses in ``read`` may mean the same outcome. ``write`` holds one status for an outcome; an outcome that
    it does not hold is never written. An outcome in ``kept``, failed or canceled, agrees with a row that is incomplete or
    failed.
    """

    read: Mapping[str, Outcome]
    write: Mapping[Outcome, str]
    kept: frozenset[Outcome] = frozenset()

    def outcome(self, status: str | None) -> Outcome:
        """What a status means: UNKNOWN for null and for a status that the configuration does not map."""
        if status is None:
            return Outcome.UNKNOWN
        return self.read.get(status, Outcome.UNKNOWN)

    def can_say(self, outcome: Outcome) -> bool:
        """Whether some status means this outcome."""
        return outcome in self.read.values()

    def values_of(self, *outcomes: Outcome) -> tuple[str, ...]:
        """Every status that means one of these outcomes, sorted."""
        return tuple(sorted(value for value, means in self.read.items() if means in outcomes))


@dataclass(frozen=True, slots=True)
class SqlText:
    """An SQL expression that stands in the place of a column. The owner of the configuration writes it; a row is ``t``."""

    sql: str


@dataclass(frozen=True, slots=True)
class AccountRows:
    """Which rows of a table with several accounts belong to one: those whose account column holds its ``value``.

    ``value`` is None if the column holds the account's ``name``. With ``holds_null`` the rows whose column is NULL
    belong to it too.
    """

    name: str
    value: str | None = None
    holds_null: bool = False

    @property
    def held(self) -> str:
        """What the account column holds for its rows."""
        return self.name if self.value is None else self.value


@dataclass(frozen=True, slots=True)
class TableMapping:
    """What the merchant's table and its columns are called, and what they hold. The PostgreSQL adapter checks it.

    Names are written as the database stores them, without quotes. ``table`` is ``schema.table``, or a table that the
    search_path finds. Exactly one of ``currency`` and ``currency_constant`` is set. ``amount_unit`` is "minor" if
    12.50 EUR is stored as 1250. ``created_unit`` says what a number in ``created`` (and in ``updated``) counts since
    1970; None for a timestamp or date. ``where`` is SQL: only rows for which it is true belong to the mapping. A part of
    the mapping that is read and never written may be an SQL text over the row ``t`` in place of a column's name.
    """

    table: str
    key: str
    payment_intent: str | SqlText
    status: str | SqlText
    amount: str | SqlText
    created: str | SqlText
    statuses: StatusMap
    amount_unit: Literal["minor", "major"] = "minor"
    currency: str | SqlText | None = None
    currency_constant: str | None = None
    created_unit: Literal["s", "ms"] | None = None
    updated: str | None = None
    order: str | SqlText | None = None
    account: str | SqlText | None = None
    where: str | None = None
    set: Mapping[Outcome, Mapping[str, str | SqlText]] = field(default_factory=dict)
    """What a correction to an outcome writes besides the status: a text in the column's form or an expression, by column."""


_SECRET: Final = re.compile(r"(pi_[A-Za-z0-9_]{1,252}?)_secret_.*", re.DOTALL)
_INTENT: Final = re.compile(r"pi_[A-Za-z0-9_]{1,252}")
_SESSION: Final = re.compile(r"cs_[A-Za-z0-9_]{1,252}")
_CHARGE: Final = re.compile(r"(?:ch|py)_[A-Za-z0-9_]{1,252}")


class StoredIdKind(StrEnum):
    """What sort of id a column holds."""

    INTENT = "payment_intent"
    CLIENT_SECRET = "client_secret"  # noqa: S105 - the name of a sort of id
    """A PaymentIntent's client secret: the id in front of it is used, the secret is never kept."""
    SESSION = "checkout_session"
    CHARGE = "charge"
    FOREIGN = "foreign"
    """Another gateway's id, another object of Stripe's, an order number: nothing is asked about it."""


@dataclass(frozen=True, slots=True)
class StoredId:
    """A column's text, understood. ``id`` is what may be read, joined, shown and stored; it holds no secret."""

    kind: StoredIdKind
    id: str


def stored_id(text: str) -> StoredId:
    """What a column's text is. Stripe's ids are up to 255 characters of letters, digits and underscores."""
    secret = _SECRET.fullmatch(text)
    if secret is not None:
        return StoredId(StoredIdKind.CLIENT_SECRET, secret[1])
    # a Checkout Session and a SetupIntent have client secrets too, and none may be sent as an id
    if "_secret_" in text:
        return StoredId(StoredIdKind.FOREIGN, text)
    for kind, pattern in (
        (StoredIdKind.INTENT, _INTENT),
        (StoredIdKind.SESSION, _SESSION),
        (StoredIdKind.CHARGE, _CHARGE),
    ):
        if pattern.fullmatch(text):
            return StoredId(kind, text)
    return StoredId(StoredIdKind.FOREIGN, text)


def is_intent_id(text: str) -> bool:
    """Whether a text can be the id of a PaymentIntent."""
    # asked for every row and intent, so it builds no object
    return "_secret_" not in text and _INTENT.fullmatch(text) is not None


def is_looked_up(text: str) -> bool:
    """Whether a text is a Checkout Session's or a charge's id, which Stripe is asked about to find the intent."""
    # asked for every row, and nearly every row holds an intent
    if text.startswith("pi_"):
        return False
    return stored_id(text).kind in (StoredIdKind.SESSION, StoredIdKind.CHARGE)
