"""Reads the rows that the merchant's table returns as payments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from reconciler.domain.model.payment import Payment, TableMapping
from reconciler.domain.money import to_minor

Row = tuple[
    str,
    str | None,
    str | None,
    str | None,
    str | None,
    datetime | None,
    str | None,
    str | None,
    datetime | None,
]
"""key, payment_intent, status, amount, currency, created, order, stored_id, refunded_at: as the statement ``row`` selects
them. All but the times are text."""

LARGEST_AMOUNT: Final = 2**63 - 1
"""What Reconciler's own tables can hold; a larger amount is read as none."""


class RowReader:
    """Turns one account's rows of a mapped table into payments."""

    def __init__(
        self,
        mapping: TableMapping,
        account: str,
        intent_of: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        """``intent_of`` is the intent of a Checkout Session or a charge, None if it is not known."""
        self._intent_of = intent_of
        self._account = account
        self._statuses = mapping.statuses
        self._is_minor = mapping.amount_unit == "minor"
        self._constant = mapping.currency_constant and mapping.currency_constant.lower()

    def payments(self, rows: Sequence[Row]) -> tuple[Payment, ...]:
        """The payments that rows stand for, in their order."""
        return tuple(self._payment(*row) for row in rows)

    def _payment(
        self,
        key: str,
        payment_intent: str | None,
        status: str | None,
        amount: str | None,
        stored_currency: str | None,
        created: datetime | None,
        order: str | None,
        stored_id: str | None,
        refunded_at: datetime | None,
    ) -> Payment:
        intent = payment_intent and (self._intent_of(payment_intent) or payment_intent)
        # a padded column has blanks, and merchants write EUR as often as eur
        currency = self._constant
        if currency is None and stored_currency is not None:
            currency = stored_currency.strip().lower() or None
        return Payment(
            account=self._account,
            key=key,
            payment_intent=intent,
            status=status,
            amount=self._minor(amount, currency),
            outcome=self._statuses.outcome(status),
            currency=currency,
            created=created,
            order=order,
            stored_amount=amount,
            stored_currency=stored_currency,
            stored_id=None if stored_id == intent else stored_id,
            updated=refunded_at,
        )

    def _minor(self, stored: str | None, currency: str | None) -> int | None:
        """The amount in minor units; None for null, a fraction of a minor unit, or no known currency."""
        if stored is None:
            return None
        if self._is_minor:
            # a numeric column prints 1250 as 1250.00; a whole number has the minor units of a zero-decimal currency
            minor = (
                int(stored) if stored.lstrip("-").isdecimal() else to_minor(Decimal(stored), "jpy")
            )
        elif currency is None:
            return None
        else:
            minor = to_minor(Decimal(stored), currency)
        return minor if minor is not None and abs(minor) <= LARGEST_AMOUNT else None
