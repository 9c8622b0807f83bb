"""Payments that only look wrong, or changed too recently to be judged: the sweep must find nothing about them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from reconciler.demo.row_discrepancies import (
    AUTHORIZED,
    DAY,
    FAILED,
    HOUR,
    INCOMPLETE,
    SUCCEEDED,
    create_in_state,
)
from reconciler.demo.simulation import APP, Simulation
from reconciler.sandbox.objects.records import IntentRecord

PlantFunction = Callable[[Simulation], None]


def _just_now(simulation: Simulation) -> datetime:
    """A time less than the grace ago: a webhook may still arrive."""
    return simulation.ago(timedelta(seconds=5), timedelta(seconds=90))


def _wait(simulation: Simulation, intent: IntentRecord) -> None:
    simulation.expected.waits.add(intent.id)


def just_paid(simulation: Simulation) -> None:
    """Paid a minute ago; the row still says pending."""
    intent = create_in_state(simulation, INCOMPLETE)
    simulation.sandbox.succeed(intent.id, at=_just_now(simulation))
    simulation.add_row("pending", intent)
    _wait(simulation, intent)


def just_refunded(simulation: Simulation) -> None:
    """Refunded a minute ago: only an event shows when, because the intent does not change."""
    intent = create_in_state(simulation, SUCCEEDED)
    simulation.sandbox.refund(intent.id, at=_just_now(simulation))
    simulation.add_row("paid", intent)
    _wait(simulation, intent)


def just_disputed(simulation: Simulation) -> None:
    """Disputed a minute ago: again only an event shows when."""
    intent = create_in_state(simulation, SUCCEEDED)
    simulation.sandbox.dispute(intent.id, at=_just_now(simulation))
    simulation.add_row("paid", intent)
    _wait(simulation, intent)


def authentication_just_failed(simulation: Simulation) -> None:
    """The authentication failed a minute ago and left no charge: only an event shows when."""
    began = simulation.ago(HOUR, 2 * HOUR)
    intent = simulation.open_intent(began)
    simulation.sandbox.require_action(intent.id, at=began + timedelta(seconds=30))
    code = "payment_intent_authentication_failure"
    simulation.sandbox.fail(intent.id, None, code=code, at=_just_now(simulation))
    simulation.add_row("pending", intent)
    _wait(simulation, intent)


def just_canceled(simulation: Simulation) -> None:
    """Canceled a minute ago."""
    intent = create_in_state(simulation, AUTHORIZED)
    simulation.sandbox.cancel(intent.id, at=_just_now(simulation))
    simulation.add_row("authorized", intent)
    _wait(simulation, intent)


def row_not_yet_written(simulation: Simulation) -> None:
    """Paid a minute ago; the checkout has not written the row yet."""
    began = _just_now(simulation)
    intent = simulation.open_intent(began)
    simulation.sandbox.succeed(intent.id, at=began + timedelta(seconds=2))
    _wait(simulation, intent)


RECENT_CHANGES: Final[tuple[PlantFunction, ...]] = (
    just_paid,
    just_refunded,
    row_not_yet_written,
    authentication_just_failed,
    just_canceled,
    just_disputed,
)


def canceled_and_unpaid(simulation: Simulation) -> None:
    """The shop canceled the order and the intent was never paid: no money, no order."""
    simulation.add_row(
        "canceled", create_in_state(simulation, simulation.random.choice((INCOMPLETE, FAILED)))
    )


def refunded_in_part(simulation: Simulation) -> None:
    """A part was refunded, and the table has no status for that: "paid" is right."""
    intent = create_in_state(simulation, SUCCEEDED)
    simulation.sandbox.refund(intent.id, intent.amount // 4, at=simulation.present - 2 * HOUR)
    simulation.add_row("paid", intent)


def failed_and_retried(simulation: Simulation) -> None:
    """After a failure the customer tries again: "failed" may stay until the new try ends."""
    simulation.add_row("failed", create_in_state(simulation, INCOMPLETE))


def cart_without_intent(simulation: Simulation) -> None:
    """A shopping cart without an intent."""
    simulation.add_lone_row("pending", None, simulation.ago(5 * HOUR, 20 * DAY))


def note_instead_of_id(simulation: Simulation) -> None:
    """A person has typed a note into the column: it cannot be an intent's id, so the row is only counted."""
    note = f"cash, see invoice {simulation.random.randint(100, 999)}-{simulation.new_order()}"
    simulation.add_lone_row("pending", note, simulation.ago(5 * HOUR, 20 * DAY))


def of_another_shop(simulation: Simulation) -> None:
    """An intent of another shop on the same Stripe account. It does not count as a payment of this shop."""
    began = simulation.ago(5 * HOUR, 20 * DAY)
    other = {"app": f"not-{APP}", "order_id": simulation.new_order()}
    intent = simulation.sandbox.create_payment(
        simulation.random_amount(), "eur", metadata=other, at=began
    )
    simulation.sandbox.succeed(intent.id, at=began + timedelta(minutes=1))


def unpaid_without_row(simulation: Simulation) -> None:
    """An unpaid intent without a row: no money, so no row is missing."""
    create_in_state(simulation, simulation.random.choice((INCOMPLETE, FAILED)))


CORRECT_ROWS: Final[tuple[PlantFunction, ...]] = (
    canceled_and_unpaid,
    refunded_in_part,
    of_another_shop,
    cart_without_intent,
    note_instead_of_id,
    failed_and_retried,
    unpaid_without_row,
)
