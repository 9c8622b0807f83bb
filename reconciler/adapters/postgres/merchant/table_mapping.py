"""The merchant's table as the configuration names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reconciler.domain.model.payment import StatusMap


@dataclass(frozen=True, slots=True)
class TableMapping:
    """Names as the database stores them, without quotes. Nothing is checked here: ``inspect`` does that.

    ``table`` is ``schema.table``, or a table that the search_path finds. Exactly one of ``currency`` and
    ``currency_constant`` is set. ``amount_unit`` is "minor" where 12.50 EUR is stored as 1250. ``created_unit`` says
    what a number in ``created`` (and in ``updated``) counts since 1970; None for a timestamp or date.
    """

    table: str
    key: str
    payment_intent: str
    status: str
    amount: str
    created: str
    statuses: StatusMap
    amount_unit: Literal["minor", "major"] = "minor"
    currency: str | None = None
    currency_constant: str | None = None
    created_unit: Literal["s", "ms"] | None = None
    updated: str | None = None
    order: str | None = None
    account: str | None = None
