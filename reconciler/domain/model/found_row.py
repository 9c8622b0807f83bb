"""Rows of the merchant's table that a person's text names, whichever account they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.domain.model.payment import Payment


class ReadAs(StrEnum):
    """What a text was taken for."""

    INTENT = "PaymentIntent"
    SESSION = "Checkout Session"
    CHARGE = "charge"
    KEY = "row key"
    ORDER = "order"


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A row, and the account that it belongs to by the configuration; None if it belongs to none.

    ``account_text`` is what its account column holds, None without such a column. A row of no account, or outside the
    mapping's condition, has an excluded payment.
    """

    payment: Payment
    account: str | None
    account_text: str | None = None
