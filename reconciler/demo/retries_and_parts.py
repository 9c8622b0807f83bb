"""Payments that are spread over several rows, several intents, or ids that are no PaymentIntent's.

Nothing is to be found about any of them. Some have lost their last webhook: these rows have to be corrected.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from reconciler.demo.row_discrepancies import (
    CANCELED,
    DAY,
    FAILED,
    HOUR,
    STEP,
    SUCCEEDED,
    PlantFunction,
    create_in_state,
)
from reconciler.demo.simulation import APP, Simulation
from reconciler.sandbox import Checkout
from reconciler.sandbox.objects.records import SessionRecord


def attempts(simulation: Simulation) -> None:
    """Declined, then paid, with a row for each attempt: the first row is history."""
    _attempts(simulation, "paid")


def attempts_with_lost_webhook(simulation: Simulation) -> None:
    """Declined, then paid, with a row for each attempt, and the webhook of the last one was lost."""
    _attempts(simulation, "pending")


def _attempts(simulation: Simulation, last: str) -> None:
    intent = create_in_state(simulation, SUCCEEDED)
    for _ in range(simulation.random.choice((1, 2))):
        simulation.add_row(simulation.random.choice(("failed", "canceled")), intent)
    simulation.add_row(last, intent, end="paid")


def parts(simulation: Simulation) -> None:
    """A row for each part of the order, paid with one intent."""
    _parts(simulation, "paid")


def parts_with_lost_webhook(simulation: Simulation) -> None:
    """A row for each part of the order, and the webhook of their payment was lost."""
    _parts(simulation, simulation.random.choice(("pending", "failed", "processing")))


def _parts(simulation: Simulation, status: str) -> None:
    intent = create_in_state(simulation, SUCCEEDED)
    first = simulation.random.randint(1, intent.amount - 1)
    for amount in (first, intent.amount - first):
        simulation.add_row(status, intent, amount=amount, end="paid")


def parts_refunded(simulation: Simulation) -> None:
    """One of two parts was sent back and refunded; the rows say so."""
    intent = create_in_state(simulation, SUCCEEDED)
    back = simulation.random.randint(1, intent.amount - 1)
    simulation.sandbox.refund(intent.id, back, at=simulation.present - 2 * HOUR)
    simulation.add_row("refunded", intent, amount=back)
    simulation.add_row("paid", intent, amount=intent.amount - back)


def retried_under_another_intent(simulation: Simulation) -> None:
    """The first payment of the order failed, the second one under another intent was paid, and both have their row."""
    order, amount = simulation.new_order(), simulation.random_amount()
    state = simulation.random.choice((FAILED, CANCELED))
    first = create_in_state(simulation, state, order=order, amount=amount)
    simulation.add_row(state, first)
    simulation.add_row("paid", create_in_state(simulation, SUCCEEDED, order=order, amount=amount))


def refunded_step_by_step(simulation: Simulation) -> None:
    """The money went back in two refunds, and the row says refunded or canceled."""
    intent = create_in_state(simulation, SUCCEEDED)
    part = simulation.random.randint(1, intent.amount - 1)
    simulation.sandbox.refund(intent.id, part, at=simulation.present - 3 * HOUR)
    simulation.sandbox.refund(intent.id, at=simulation.present - 2 * HOUR)
    simulation.add_row(simulation.random.choice(("refunded", "canceled")), intent)


def won_dispute(simulation: Simulation) -> None:
    """The merchant won the dispute: the money stayed, and "paid" is right."""
    _dispute(simulation, "won", "paid")


def won_dispute_with_lost_webhook(simulation: Simulation) -> None:
    """The merchant won the dispute of a payment whose first webhook was lost."""
    _dispute(simulation, "won", "pending")


def lost_dispute(simulation: Simulation) -> None:
    """The merchant lost the dispute, and the row says disputed or refunded: the money is gone either way."""
    _dispute(simulation, "lost", simulation.random.choice(("disputed", "refunded")))


def _dispute(simulation: Simulation, ends: str, local: str) -> None:
    stripe = simulation.sandbox
    intent = create_in_state(simulation, SUCCEEDED)
    intent = stripe.dispute(intent.id, at=simulation.present - 4 * HOUR)
    (dispute,) = stripe.disputes(intent.id)
    stripe.change_dispute(dispute.id, ends, at=simulation.present - 2 * HOUR)
    simulation.add_row(local, intent, end="paid" if local == "pending" else None)


def of_another_gateway(simulation: Simulation) -> None:
    """A payment with another gateway, in the same table: Stripe is not asked about its id."""
    number = f"PAYID-{simulation.random.getrandbits(64):X}"
    status = simulation.random.choice(("pending", "paid", "refunded"))
    simulation.add_lone_row(status, number, simulation.ago(5 * HOUR, 20 * DAY))


def client_secret_in_the_column(simulation: Simulation) -> None:
    """The checkout stored the client secret in the place of the id."""
    _client_secret(simulation, "paid")


def client_secret_with_lost_webhook(simulation: Simulation) -> None:
    """The checkout stored the client secret, and the webhook was lost: the secret stays in the column."""
    _client_secret(simulation, "pending")


def _client_secret(simulation: Simulation, status: str) -> None:
    intent = create_in_state(simulation, SUCCEEDED)
    secret = f"{intent.id}_secret_{simulation.random.getrandbits(80):x}"
    simulation.add_row(status, intent, text=secret, end="paid")


def session_in_the_column(simulation: Simulation) -> None:
    """The column holds the id of the Checkout Session, which was paid."""
    _session(simulation, "paid")


def session_with_lost_webhook(simulation: Simulation) -> None:
    """The column holds the id of the Checkout Session, and the webhook was lost: the id stays in the column."""
    _session(simulation, "pending")


def _session(simulation: Simulation, status: str) -> None:
    began = simulation.ago(5 * HOUR, 20 * DAY)
    made = Checkout(simulation.sandbox).complete(
        _open_session(simulation, began).id, at=began + STEP
    )
    if made.payment_intent is None:
        raise AssertionError("a completed session has its payment")
    intent = simulation.sandbox.intent(made.payment_intent)
    simulation.add_row(status, intent, text=made.id, end="paid")


def expired_session(simulation: Simulation) -> None:
    """The Checkout Session expired unpaid: that says nothing about money, and the row stays as it is."""
    session = _open_session(simulation, simulation.ago(2 * DAY, 20 * DAY))
    Checkout(simulation.sandbox).expire(session.id, at=simulation.present - 5 * HOUR)
    simulation.add_lone_row(
        simulation.random.choice(("pending", "canceled")),
        session.id,
        simulation.ago(2 * DAY, 20 * DAY),
    )


def _open_session(simulation: Simulation, began: datetime) -> SessionRecord:
    simulation.expected.payments += 1
    return Checkout(simulation.sandbox).create(
        simulation.random_amount(),
        "eur",
        intent_metadata={"app": APP, "order_id": simulation.new_order()},
        at=began,
    )


SEVERAL_ROWS: Final[tuple[PlantFunction, ...]] = (
    attempts,
    parts,
    parts_refunded,
    retried_under_another_intent,
)
MONEY_BACK: Final[tuple[PlantFunction, ...]] = (refunded_step_by_step, won_dispute, lost_dispute)
OTHER_IDS: Final[tuple[PlantFunction, ...]] = (
    of_another_gateway,
    client_secret_in_the_column,
    session_in_the_column,
    expired_session,
)
WITH_LOST_WEBHOOK: Final[tuple[PlantFunction, ...]] = (
    attempts_with_lost_webhook,
    parts_with_lost_webhook,
    won_dispute_with_lost_webhook,
    client_secret_with_lost_webhook,
    session_with_lost_webhook,
)
"""These need a correction, so they are planted only if webhooks are lost."""
