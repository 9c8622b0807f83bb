"""What a page is made of, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeVar

from starlette.datastructures import QueryParams

from reconciler.clock import Clock
from reconciler.entrypoints.web.identity import Reader
from reconciler.entrypoints.web.tables import Table
from reconciler.errors import UsageError
from reconciler.settings import Settings
from reconciler.wiring.web_records import WebRecords

Choice = TypeVar("Choice", bound=Enum)
LONGEST_TEXT: Final = 400
_FIELDS: Final = {
    "q": "PaymentIntent, order, row key or number",
    "queue": "Waiting",
    "sort": "Order",
    "action": "What",
    "cutoff": "As of the end of",
}
"""The fields of the forms of which the label is not the name in the address."""


def field_name(name: str) -> str:
    """A field as a form shows it, by its name in the address."""
    label = _FIELDS.get(name, name.replace("_", " "))
    return f'"{label[:1].upper()}{label[1:]}"'


class WrongAddressError(UsageError):
    """The address has a filter or a place that is none."""


class NotFoundError(UsageError):
    """There is nothing at this address."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request for a page, by a person who has logged in."""

    records: WebRecords
    settings: Settings
    clock: Clock
    reader: Reader
    query: QueryParams
    path: Mapping[str, Any]

    def text(self, name: str) -> str | None:
        """A value of the address, None if it is empty. Raises WrongAddressError if it is too long or has a NUL."""
        value = self.query.get(name, "").strip()
        if len(value) > LONGEST_TEXT or "\0" in value:
            raise WrongAddressError(
                f"{field_name(name)} is too long, or contains a NUL character.", "Shorten it."
            )
        return value or None

    def number(self, name: str) -> int | None:
        """A positive number of the address. Raises WrongAddressError if it is none."""
        value = self.text(name)
        if value is None:
            return None
        if not value.isascii() or not value.isdecimal() or len(value) > 18:
            raise WrongAddressError(
                f'{field_name(name)} is "{value[:40]}", which is not a number.', ""
            )
        return int(value)

    def choices(self, name: str, of: type[Choice]) -> tuple[Choice, ...]:
        """Members of an enum that the address names. Raises WrongAddressError for another word."""
        return tuple(self._choice(name, value, of) for value in self.query.getlist(name) if value)

    def choice(self, name: str, of: type[Choice]) -> Choice | None:
        """One member of an enum. Raises WrongAddressError for another word."""
        value = self.text(name)
        return None if value is None else self._choice(name, value, of)

    def _choice(self, name: str, value: str, of: type[Choice]) -> Choice:
        words = {str(member.value): member for member in of}
        found = words.get(value)
        if found is None:
            raise WrongAddressError(
                f'{field_name(name)} cannot be "{value[:40]}".',
                f"Choose one of: {', '.join(words)}.",
            )
        return found

    def account(self, accounts: tuple[str, ...]) -> str | None:
        """The account of the page: the one that the address names, else the first; None if there is none yet.

        Raises NotFoundError for an account that has recorded nothing.
        """
        named = self.text("account")
        if named is None:
            return accounts[0] if accounts else None
        if named not in accounts:
            raise NotFoundError(f'There is no account "{named[:64]}".', "")
        return named


@dataclass(frozen=True)
class View:
    """A page: the template, its title, what it shows, and its tables by name."""

    template: str
    title: str
    values: Mapping[str, object] = field(default_factory=dict)
    tables: tuple[Table[Any], ...] = ()
    status: int = 200

    def table(self, name: str) -> Table[Any]:
        """A table by its name. Raises NotFoundError."""
        for table in self.tables:
            if table.name == name:
                return table
        raise NotFoundError(f'This page has no table "{name[:64]}".', "")


PageFunction = Callable[[Call], View]
