"""From rows to payments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from reconciler.adapters.postgres.merchant.table_mapping import TableMapping
from reconciler.domain.model.payment import Payment
from reconciler.domain.money import to_minor

LARGEST_AMOUNT: Final = 2**63 - 1
"""What our own tables can hold; a larger amount is none that we understand."""

Row = tuple[str, str | None, str | None, str | None, str | None, datetime | None, str | None]
"""key, payment_intent, status, amount, currency, created, order: as row.sql selects them, all but the time as text."""


class RowReader:
    """Reads one account's rows of a mapped table."""

    def __init__(self, mapping: TableMapping, account: str) -> None:
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
    ) -> Payment:
        currency = self._constant
        if currency is None and stored_currency is not None:
            currency = stored_currency.strip().lower() or None
        return Payment(
            account=self._account,
            key=key,
            payment_intent=payment_intent,
            status=status,
            outcome=self._statuses.outcome(status),
            amount=self._minor(amount, currency),
            currency=currency,
            created=created,
            order=order,
            stored_amount=amount,
            stored_currency=stored_currency,
        )

    def _minor(self, stored: str | None, currency: str | None) -> int | None:
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
