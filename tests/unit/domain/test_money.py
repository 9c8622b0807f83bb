"""Amounts are whole minor units as Stripe counts them, and nothing is rounded."""

from __future__ import annotations

import decimal
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.money import Money, as_major, decimals, to_minor

ZERO = [
    "BIF",
    "CLP",
    "DJF",
    "GNF",
    "JPY",
    "KMF",
    "KRW",
    "MGA",
    "PYG",
    "RWF",
    "VND",
    "VUV",
    "XAF",
    "XOF",
    "XPF",
]
THREE = ["BHD", "JOD", "KWD", "OMR", "TND"]
TWO = ["EUR", "USD", "GBP", "HUF", "TWD", "ISK", "UGX", "CHF"]
"""HUF and TWD are zero-decimal for payouts only; ISK and UGX have no decimals and are sent with two."""
DECIMALS = dict.fromkeys(ZERO, 0) | dict.fromkeys(TWO, 2) | dict.fromkeys(THREE, 3)

currencies = st.sampled_from(sorted(DECIMALS))


@pytest.mark.parametrize(("currency", "places"), DECIMALS.items())
def test_decimals_are_stripes(currency: str, places: int) -> None:
    """Stripe's lists, not ISO 4217, say how many decimals an amount has, in upper and lower case."""
    assert decimals(currency) == places
    assert decimals(currency.lower()) == places


@given(st.integers(min_value=-(10**25), max_value=10**25), currencies)
def test_minor_units_are_the_same_after_a_way_to_major_units_and_back(
    amount: int, currency: str
) -> None:
    """No amount that a database can hold changes if it is shown and read again."""
    assert to_minor(as_major(amount, currency), currency) == amount


@given(st.decimals(allow_nan=False, allow_infinity=False, places=None), currencies)
def test_a_major_amount_is_converted_exactly_or_not_at_all(amount: Decimal, currency: str) -> None:
    """The result is exactly the same amount, or None; a long number is not rounded."""
    numerator, denominator = amount.as_integer_ratio()
    scaled = numerator * 10 ** DECIMALS[currency]
    expected = scaled // denominator if scaled % denominator == 0 else None
    assert to_minor(amount, currency) == expected


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("42.00", "eur", 4200),
        ("42", "eur", 4200),
        ("42.0000000", "eur", 4200),
        ("4.2E+1", "eur", 4200),
        ("42.005", "eur", None),
        ("0", "eur", 0),
        ("-0.00", "eur", 0),
        ("-13.37", "eur", -1337),
        ("500", "jpy", 500),
        ("500.5", "jpy", None),
        ("1.234", "kwd", 1234),
        ("1.2345", "kwd", None),
        ("5", "ugx", 500),
        ("5", "isk", 500),
        ("0.1", "usd", 10),
        ("92233720368547758.07", "usd", 2**63 - 1),
        ("1.00000000000000000000000000000000000001", "eur", None),
        ("1.99999999999999999999999999999999999999", "eur", None),
        ("123456789012345678901234567890.12", "eur", 12345678901234567890123456789012),
        ("NaN", "eur", None),
        ("sNaN", "eur", None),
        ("Infinity", "eur", None),
        ("-Infinity", "eur", None),
    ],
)
def test_known_amounts(amount: str, currency: str, minor: int | None) -> None:
    """Values that numeric columns hold, PostgreSQL's NaN and infinities included."""
    assert to_minor(Decimal(amount), currency) == minor


def test_the_precision_of_the_thread_does_not_matter() -> None:
    """Another library may have set a short decimal context, and amounts do not change."""
    with decimal.localcontext(decimal.Context(prec=3)):
        assert to_minor(Decimal("12345.67"), "eur") == 1234567
        assert str(as_major(1234567, "eur")) == "12345.67"


@pytest.mark.parametrize(
    ("money", "shown"),
    [
        (Money(4200, "eur"), "42.00 EUR"),
        (Money(5, "eur"), "0.05 EUR"),
        (Money(0, "eur"), "0.00 EUR"),
        (Money(-1337, "eur"), "-13.37 EUR"),
        (Money(500, "jpy"), "500 JPY"),
        (Money(1234, "kwd"), "1.234 KWD"),
    ],
)
def test_money_is_shown_in_its_major_unit(money: Money, shown: str) -> None:
    """An amount is shown with all decimals of its currency and the code in capitals."""
    assert str(money) == shown
