"""Amounts of money: whole minor units with their currency, never a float."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

ZERO_DECIMAL = frozenset(
    "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split()  # noqa: SIM905
)
"""Currencies without a smaller unit. Source: Stripe's docs, "Supported currencies", zero-decimal.
Stripe sends ISK and UGX with two decimals, although they have none, so they are not in this list."""

THREE_DECIMAL = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
"""Currencies with a thousandth as their minor unit. Source: the same page, three-decimal."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units of one currency (lower-case ISO 4217 code)."""

    amount: int
    currency: str

    def __str__(self) -> str:
        return f"{as_major(self.amount, self.currency)} {self.currency.upper()}"


def decimals(currency: str) -> int:
    """How many decimals Stripe uses for this currency; ISO 4217 sometimes says otherwise."""
    code = currency.lower()
    if code in ZERO_DECIMAL:
        return 0
    return 3 if code in THREE_DECIMAL else 2


def as_major(amount: int, currency: str) -> Decimal:
    """Minor units as a decimal number of the major unit, for a person to read."""
    # made from text, because arithmetic would round to the precision of the thread's decimal context
    return Decimal(f"{amount}e-{decimals(currency)}")


def to_minor(amount: Decimal, currency: str) -> int | None:
    """A major amount in minor units, or None if it is not a whole number of them. Nothing is rounded."""
    if not amount.is_finite():
        return None

    # in integers, because decimal arithmetic would round to the precision of the thread's context
    numerator, denominator = amount.as_integer_ratio()
    minor, rest = divmod(numerator * 10 ** decimals(currency), denominator)
    return None if rest else minor
