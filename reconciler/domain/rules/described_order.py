"""The order that an intent may name by its description, if its metadata name none and ``link_description`` is set.

A description is free text. It only links an intent that took or holds money to a row, and says nothing about the other
intents of an order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Rules
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import PAID_OR_HELD


def described_order(intent: Intent, rules: Rules) -> str | None:
    """The text that may be the order of an intent whose metadata name none; None if its description may not link it."""
    may_link = rules.link_description and intent.outcome in PAID_OR_HELD and rules.owns(intent)
    return intent.description if may_link else None


def described_order_of_rows(
    intent: Intent, rules: Rules, claimable: Mapping[str, Sequence[Payment]]
) -> str | None:
    """The described order if one of its rows without an intent has the intent's amount and currency, else None."""
    order = described_order(intent, rules)
    if order is None:
        return None
    money = (intent.amount, intent.currency)
    rows = claimable.get(order, ())
    return order if any((row.amount, row.currency) == money for row in rows) else None
