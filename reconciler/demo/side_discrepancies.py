"""Planted discrepancies that may stand beside a correction: deadlines, and orders paid twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from reconciler.demo.row_discrepancies import DAY, HOUR, STEP, SUCCEEDED, create_in_state
from reconciler.demo.simulation import Simulation
from reconciler.domain.findings.discrepancy import Kind
from reconciler.sandbox.objects.records import IntentRecord

PlantFunction = Callable[[Simulation], None]


def paid_twice(simulation: Simulation) -> None:
    """The customer did not trust the first page and paid again in another tab."""
    _, later = _pair(simulation)
    simulation.expect(Kind.DUPLICATE_PAYMENT, later)


def paid_twice_with_lost_webhook(simulation: Simulation) -> None:
    """Paid twice, and the webhook of the first payment, of the second or of both was lost."""
    rows = simulation.random.choice(
        (("pending", "paid"), ("paid", "pending"), ("pending", "pending"))
    )
    _, later = _pair(simulation, *rows)
    simulation.expect(Kind.DUPLICATE_PAYMENT, later)


def paid_twice_without_row(simulation: Simulation) -> None:
    """Paid twice, and the second checkout crashed before it wrote the row."""
    first, second = _intents(simulation)
    simulation.add_row("paid", first)
    simulation.expect(Kind.MISSING_LOCALLY, second)
    simulation.expect(Kind.DUPLICATE_PAYMENT, second)


def paid_twice_without_rows(simulation: Simulation) -> None:
    """Paid twice, and both checkouts crashed before they wrote the row."""
    first, second = _intents(simulation)
    simulation.expect(Kind.MISSING_LOCALLY, first)
    simulation.expect(Kind.MISSING_LOCALLY, second)
    simulation.expect(Kind.DUPLICATE_PAYMENT, second)


def paid_twice_for_one_row(simulation: Simulation) -> None:
    """Paid twice, and the one row has no intent yet: either of the two may be its own."""
    first, second = _intents(simulation)
    simulation.add_row("pending", first, holds=False)
    simulation.expect(Kind.AMBIGUOUS_ROW, first)
    simulation.expect(Kind.AMBIGUOUS_ROW, second)
    simulation.expect(Kind.DUPLICATE_PAYMENT, second)


def _pair(
    simulation: Simulation, first: str = "paid", second: str = "paid"
) -> tuple[IntentRecord, IntentRecord]:
    intents = _intents(simulation)
    for intent, status in zip(intents, (first, second), strict=True):
        simulation.add_row(status, intent, end="paid")
    return intents


def _intents(simulation: Simulation) -> tuple[IntentRecord, IntentRecord]:
    """Two intents of one order and one amount, both paid, the earlier one first."""
    order, amount = simulation.new_order(), simulation.random_amount()
    one, other = (
        create_in_state(simulation, SUCCEEDED, amount=amount, order=order) for _ in range(2)
    )
    return (one, other) if (one.created, one.id) < (other.created, other.id) else (other, one)


def hold_expires(simulation: Simulation) -> None:
    """The held money was not captured, and tomorrow the hold expires."""
    simulation.expect(Kind.CAPTURE_EXPIRING, _short_hold(simulation, "authorized"))


def hold_expires_with_lost_webhook(simulation: Simulation) -> None:
    """The hold expires, and its webhook was lost: the row does not say that money is held."""
    simulation.expect(Kind.CAPTURE_EXPIRING, _short_hold(simulation, "pending"))


def _short_hold(simulation: Simulation, status: str) -> IntentRecord:
    began = simulation.ago(6 * DAY + 3 * HOUR, 6 * DAY + 20 * HOUR)
    intent = simulation.open_intent(began, manual=True)
    intent = simulation.sandbox.authorize(intent.id, at=began + STEP)
    simulation.add_row(status, intent, end="authorized")
    return intent


def bank_is_late(simulation: Simulation) -> None:
    """The bank should have answered days ago."""
    simulation.expect(Kind.OVERDUE, _late(simulation, "processing"))


def bank_is_late_with_lost_webhook(simulation: Simulation) -> None:
    """The bank is late, and the webhook was lost: the row still waits for the customer."""
    simulation.expect(Kind.OVERDUE, _late(simulation, "pending"))


def _late(simulation: Simulation, status: str) -> IntentRecord:
    method, days = simulation.random.choice(
        (("nz_bank_account", 8), ("us_bank_account", 12), ("au_becs_debit", 9), ("card", 1))
    )
    began = simulation.ago(days * DAY, (days + 6) * DAY)
    intent = simulation.open_intent(began, method=method)
    intent = simulation.sandbox.process(intent.id, at=began + STEP)
    simulation.add_row(status, intent, end="processing")
    return intent


def voucher_is_late(simulation: Simulation) -> None:
    """The voucher expired a week ago, and Stripe has not said whether it was paid."""
    began = simulation.ago(14 * DAY, 18 * DAY)
    intent = simulation.open_intent(began, method="boleto")
    intent = simulation.sandbox.require_action(intent.id, at=began + STEP)
    simulation.add_row("pending", intent)
    simulation.expect(Kind.OVERDUE, intent)


def processing_for_a_month(simulation: Simulation) -> None:
    """Both sides have been processing for more than a month: a person has to act."""
    began = _over_a_month_ago(simulation)
    intent = simulation.open_intent(began, method="sepa_debit")
    intent = simulation.sandbox.process(intent.id, at=began + STEP)
    simulation.add_row("processing", intent)
    simulation.expect(Kind.EXHAUSTED, intent)
    simulation.expect(Kind.OVERDUE, intent)


def held_for_a_month(simulation: Simulation) -> None:
    """Money has been held for longer than the method allows: both sides wait, and Stripe has not ended the hold."""
    began = _over_a_month_ago(simulation)
    intent = simulation.open_intent(began, method="klarna", manual=True)
    intent = simulation.sandbox.authorize(intent.id, at=began + STEP)
    simulation.add_row("authorized", intent)
    simulation.expect(Kind.EXHAUSTED, intent)
    simulation.expect(Kind.CAPTURE_EXPIRING, intent)


def _over_a_month_ago(simulation: Simulation) -> datetime:
    return simulation.ago(32 * DAY, 50 * DAY)


SIDE_DISCREPANCIES: Final[Mapping[Kind, tuple[PlantFunction, ...]]] = {
    Kind.DUPLICATE_PAYMENT: (
        paid_twice,
        paid_twice_without_row,
        paid_twice_for_one_row,
        paid_twice_without_rows,
    ),
    Kind.CAPTURE_EXPIRING: (hold_expires,),
    Kind.OVERDUE: (bank_is_late, voucher_is_late),
    Kind.EXHAUSTED: (processing_for_a_month, held_for_a_month),
}

BESIDE_A_CORRECTION: Final[Mapping[Kind, tuple[PlantFunction, ...]]] = {
    Kind.DUPLICATE_PAYMENT: (paid_twice_with_lost_webhook,),
    Kind.CAPTURE_EXPIRING: (hold_expires_with_lost_webhook,),
    Kind.OVERDUE: (bank_is_late_with_lost_webhook,),
}
"""These need a correction beside the discrepancy, so they are planted only if webhooks are lost."""
