"""A refund is told from the part of an authorization that a smaller capture released, in both of Stripe's shapes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.model.intent import Charge
from reconciler.domain.model.money_back import ChargeBalance, Refund, RefundFacts
from reconciler.domain.rules.refunded_amount import Unclear, refunded_amount
from tests.unit.domain.samples import charge

NOTHING_READ = RefundFacts()


def read(*amounts: int, balance: int | None = None, currency: str = "eur") -> RefundFacts:
    refunds = tuple(Refund(f"re_{n}", amount, "succeeded") for n, amount in enumerate(amounts))
    found = None if balance is None else ChargeBalance(balance, currency)
    return RefundFacts(refunds, found, balance_was_read=balance is not None)


def captured(amount: int, captured: int, refunded: int) -> Charge:
    return charge(amount=amount, amount_captured=captured, amount_refunded=refunded)


def test_without_amount_refunded_nothing_went_back() -> None:
    """A capture for less since basil leaves amount_refunded alone: no read is needed."""
    assert refunded_amount(captured(20675, 20300, 0), "eur", NOTHING_READ) == 0


def test_a_whole_capture_needs_no_read() -> None:
    """Nothing was released, so everything in amount_refunded is a refund."""
    assert refunded_amount(captured(1000, 1000, 400), "eur", NOTHING_READ) == 400


def test_an_authorization_that_was_given_up_has_nothing_to_refund() -> None:
    """Before basil a cancel counted the whole authorization as refunded, though no money was taken."""
    assert refunded_amount(captured(1000, 0, 1000), "eur", NOTHING_READ) == 0


def test_a_smaller_capture_asks_for_the_refunds() -> None:
    """Whether 375 were released or refunded cannot be seen on the charge."""
    held = captured(20675, 20300, 375)
    assert refunded_amount(held, "eur", NOTHING_READ) is Unclear.NEEDS_REFUNDS


def test_the_old_shape_without_a_refund() -> None:
    """Before basil the released rest counts into amount_refunded, and no refund exists."""
    assert refunded_amount(captured(20675, 20300, 375), "eur", read()) == 0


def test_the_old_shape_with_a_refund() -> None:
    """What is left beside the released rest was refunded."""
    assert refunded_amount(captured(1000, 800, 300), "eur", read(100)) == 100


def test_the_new_shape_with_a_refund() -> None:
    """Since basil the refunds alone add up to amount_refunded."""
    assert refunded_amount(captured(1000, 800, 300), "eur", read(300)) == 300


def test_a_refund_of_exactly_the_released_rest_asks_for_the_balance() -> None:
    """It may be the release itself or a refund of the same amount."""
    assert refunded_amount(captured(1000, 800, 200), "eur", read(200)) is Unclear.NEEDS_BALANCE


def test_the_balance_decides() -> None:
    """The new shape books the captured amount, the old one the whole authorization."""
    held = captured(1000, 800, 200)
    assert refunded_amount(held, "eur", read(200, balance=800)) == 200
    assert refunded_amount(held, "eur", read(200, balance=1000)) == 0


def test_a_balance_that_does_not_tell_leaves_it_to_a_person() -> None:
    """Another currency, no balance transaction, or an amount that fits neither shape."""
    held = captured(1000, 800, 200)
    for facts in (
        read(200, balance=800, currency="usd"),
        read(200, balance=999),
        RefundFacts((Refund("re_1", 200, "succeeded"),), None, balance_was_read=True),
    ):
        assert refunded_amount(held, "eur", facts) is Unclear.RELEASE_OR_REFUND


def test_refunds_that_fit_neither_shape_leave_it_to_a_person() -> None:
    """A list that contradicts the charge decides nothing."""
    held = captured(1000, 800, 300)
    assert refunded_amount(held, "eur", read(50)) is Unclear.RELEASE_OR_REFUND


def test_a_failed_refund_does_not_count() -> None:
    """The money did not go back."""
    facts = RefundFacts((Refund("re_1", 100, "failed"), Refund("re_2", 100, "succeeded")))
    assert refunded_amount(captured(1000, 800, 300), "eur", facts) == 100


@given(
    captured_amount=st.integers(1, 1000),
    rest=st.integers(0, 1000),
    refunds=st.lists(st.integers(1, 400), max_size=4),
    new_shape=st.booleans(),
)
def test_both_shapes_give_the_true_amount(
    captured_amount: int, rest: int, refunds: list[int], new_shape: bool
) -> None:
    """For every captured, released and refunded amount, what Stripe shows leads to what was refunded."""
    true = sum(refunds)
    if true > captured_amount:
        return
    amount = captured_amount + rest
    shown = captured(amount, captured_amount, true if new_shape else true + rest)
    facts = read(*refunds, balance=captured_amount if new_shape else amount)
    assert refunded_amount(shown, "eur", facts) in {true, Unclear.RELEASE_OR_REFUND}
    if rest == 0 or rest not in refunds:
        assert refunded_amount(shown, "eur", facts) == true
