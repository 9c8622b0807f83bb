"""Stripe's currencies, and the amounts that it charges in each. Source: docs, "Supported currencies"."""

from __future__ import annotations

from typing import Final

from reconciler.sandbox.objects.answers import ApiRefusal

_ZERO_DECIMAL: Final = frozenset(
    [
        "bif",
        "clp",
        "djf",
        "gnf",
        "jpy",
        "kmf",
        "krw",
        "mga",
        "pyg",
        "rwf",
        "vnd",
        "vuv",
        "xaf",
        "xof",
        "xpf",
    ]
)
_THREE_DECIMAL: Final = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
_WHOLE_ONLY: Final = frozenset({"isk", "ugx"})
"""Sent with two decimals, which are always 00."""
_TWO_DECIMAL: Final = frozenset(
    [
        "usd",
        "aed",
        "afn",
        "all",
        "amd",
        "ang",
        "aoa",
        "ars",
        "aud",
        "awg",
        "azn",
        "bam",
        "bbd",
        "bdt",
        "bgn",
        "bmd",
        "bnd",
        "bob",
        "brl",
        "bsd",
        "bwp",
        "byn",
        "bzd",
        "cad",
        "cdf",
        "chf",
        "cny",
        "cop",
        "crc",
        "cve",
        "czk",
        "dkk",
        "dop",
        "dzd",
        "egp",
        "etb",
        "eur",
        "fjd",
        "fkp",
        "gbp",
        "gel",
        "gip",
        "gmd",
        "gtq",
        "gyd",
        "hkd",
        "hnl",
        "htg",
        "huf",
        "idr",
        "ils",
        "inr",
        "isk",
        "jmd",
        "kes",
        "kgs",
        "khr",
        "kyd",
        "kzt",
        "lak",
        "lbp",
        "lkr",
        "lrd",
        "lsl",
        "mad",
        "mdl",
        "mkd",
        "mmk",
        "mnt",
        "mop",
        "mur",
        "mvr",
        "mwk",
        "mxn",
        "myr",
        "mzn",
        "nad",
        "ngn",
        "nio",
        "nok",
        "npr",
        "nzd",
        "pab",
        "pen",
        "pgk",
        "php",
        "pkr",
        "pln",
        "qar",
        "ron",
        "rsd",
        "rub",
        "sar",
        "sbd",
        "scr",
        "sek",
        "sgd",
        "shp",
        "sle",
        "sos",
        "srd",
        "std",
        "szl",
        "thb",
        "tjs",
        "top",
        "try",
        "ttd",
        "twd",
        "tzs",
        "uah",
        "ugx",
        "uyu",
        "uzs",
        "wst",
        "xcd",
        "yer",
        "zar",
        "zmw",
    ]
)
CURRENCIES: Final = _ZERO_DECIMAL | _THREE_DECIMAL | _TWO_DECIMAL
MINIMUM: Final = {
    "usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50,
    "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50,
    "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip
"""Minor units. The other currencies have to be worth half a dollar, which the sandbox does not calculate."""
_MOST_DIGITS_OF_CARD: Final = 12
_MOST_DIGITS: Final = 8


def raise_if_not_chargeable(amount: int, currency: str, method: str) -> None:
    """Raise Stripe's 400 for an unknown currency, or an amount that Stripe does not charge in it."""
    if currency not in CURRENCIES:
        raise ApiRefusal(
            400,
            f"Invalid currency: {currency}. Stripe currently supports these currencies: {', '.join(sorted(CURRENCIES))}",
            param="currency",
        )
    if amount < MINIMUM.get(currency, 1):
        least = amount_text(MINIMUM.get(currency, 1), currency)
        raise ApiRefusal(
            400, f"Amount must be at least {least}", code="amount_too_small", param="amount"
        )
    digits = _MOST_DIGITS_OF_CARD if method.startswith("card") else _MOST_DIGITS
    if amount >= 10**digits:
        most = amount_text(10**digits - 1, currency)
        raise ApiRefusal(
            400, f"Amount must be no more than {most}", code="amount_too_large", param="amount"
        )
    if (currency in _THREE_DECIMAL and amount % 10) or (currency in _WHOLE_ONLY and amount % 100):
        raise ApiRefusal(
            400,
            f"Invalid amount: {amount} has more decimals than Stripe charges in {currency}.",
            code="parameter_invalid_integer",
            param="amount",
        )


def amount_text(amount: int, currency: str) -> str:
    """An amount as Stripe's messages show it."""
    if currency in _ZERO_DECIMAL:
        return f"{amount} {currency}"
    decimals = 3 if currency in _THREE_DECIMAL else 2
    return f"{amount // 10**decimals}.{amount % 10**decimals:0{decimals}d} {currency}"
