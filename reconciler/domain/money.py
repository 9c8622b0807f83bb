"""Amounts: whole minor units with their currency, never a float."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

ZERO_DECIMAL = frozenset(
    "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split()  # noqa: SIM905
)
"""Currencies whose minor unit is the unit itself. Stripe: docs, "Supported currencies", zero-decimal.
ISK and UGX are sent with two decimals by Stripe although they have none, so they are not here."""

THREE_DECIMAL = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
"""Currencies with a thousandth as minor unit. Stripe: the same page, three-decimal."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units of one currency (lower-case ISO 4217 code)."""

    amount: int
    currency: str

    def __str__(self) -> str:
        return f"{as_major(self.amount, self.currency)} {self.currency.upper()}"


def decimals(currency: str) -> int:
    """How many decimals Stripe's minor unit of this currency has (not always those of ISO 4217)."""
    code = currency.lower()
    if code in ZERO_DECIMAL:
        return 0
    return 3 if code in THREE_DECIMAL else 2


def as_major(amount: int, currency: str) -> Decimal:
    """Minor units as a decimal number of the major unit, for a person to read."""
    # read from text, for arithmetic rounds to the context's precision
    return Decimal(f"{amount}e-{decimals(currency)}")


def to_minor(amount: Decimal, currency: str) -> int | None:
    """A major amount in minor units, or None where it is not a whole number of them.

    There is no rounding: an amount that the currency cannot hold is not an amount we understand.
    """
    if not amount.is_finite():
        return None
    # in integers, for decimal arithmetic rounds to the context's precision
    numerator, denominator = amount.as_integer_ratio()
    minor, rest = divmod(numerator * 10 ** decimals(currency), denominator)
    return None if rest else minor
