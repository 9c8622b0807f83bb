"""How much of a charge went back to the customer: a refund is told from the part that a smaller capture released.

Since Stripe's API version 2025-03-31.basil a capture for less leaves ``amount_refunded`` alone. A charge captured under
an older version counts the released rest into it, and the version of the request that captured decides. Both shapes are
met in one account, so the difference is found out from the refunds themselves.
"""

from __future__ import annotations

from enum import Enum, auto

from reconciler.domain.model.intent import Charge
from reconciler.domain.model.money_back import RefundFacts


class Unclear(Enum):
    """Why the amount cannot be said yet."""

    NEEDS_REFUNDS = auto()
    """The list of the charge's refunds decides."""
    NEEDS_BALANCE = auto()
    """The charge's balance transaction decides."""
    RELEASE_OR_REFUND = auto()
    """Nothing that Stripe shows decides: a person has to look."""


def refunded_amount(charge: Charge, currency: str, facts: RefundFacts) -> int | Unclear:
    """Minor units that went back by refunds, from 0 to ``amount_captured``; ``currency`` is the charge's."""
    # a canceled authorization counts as refunded before basil, though no money was taken
    if charge.amount_refunded == 0 or charge.amount_captured == 0:
        return 0
    # nothing was released, so nothing has to be read
    if charge.amount_captured >= charge.amount:
        return _within(charge.amount_refunded, charge)
    if facts.refunds is None:
        return Unclear.NEEDS_REFUNDS

    # the old shape counts the released part, the new one does not; a total that fits neither decides nothing
    released = charge.amount - charge.amount_captured
    counted = [refund.amount for refund in facts.refunds if refund.counts]
    total = sum(counted)
    if total == charge.amount_refunded - released:
        return _within(total, charge)
    if total != charge.amount_refunded:
        return Unclear.RELEASE_OR_REFUND
    # in the old shape the release may be a refund of its own, of exactly the released amount
    if released not in counted:
        return _within(total, charge)
    return _by_balance(charge, currency, facts, total, released)


def _by_balance(
    charge: Charge, currency: str, facts: RefundFacts, total: int, released: int
) -> int | Unclear:
    """One refund is exactly the released part: before basil the release was a refund object of its own."""
    if not facts.balance_was_read:
        return Unclear.NEEDS_BALANCE
    if facts.balance is None or facts.balance.currency != currency:
        return Unclear.RELEASE_OR_REFUND
    if facts.balance.amount == charge.amount_captured:
        return _within(total, charge)
    if facts.balance.amount == charge.amount:
        return _within(total - released, charge)
    return Unclear.RELEASE_OR_REFUND


def _within(amount: int, charge: Charge) -> int:
    return max(0, min(amount, charge.amount_captured))
