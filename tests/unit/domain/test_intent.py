"""The facts of a PaymentIntent and its charge."""

from __future__ import annotations

from tests.unit.domain.samples import AMOUNT, charge


def test_a_charge_has_a_refund_if_its_flag_or_its_amount_says_so() -> None:
    """A part of the amount is a refund too."""
    assert not charge().has_refund
    assert charge(amount_refunded=1).has_refund
    assert charge(refunded=True, amount_refunded=AMOUNT).has_refund
    assert charge(refunded=True).has_refund
