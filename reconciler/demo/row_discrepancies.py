"""Planted discrepancies between a row and its intent, each with how a shop comes to have it.

Each function makes one payment and notes what the sweep must find. All these rows must stay unchanged: a person has to
decide about them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from reconciler.demo.simulation import Simulation
from reconciler.domain.findings.discrepancy import Kind
from reconciler.sandbox.objects.records import IntentRecord

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
STEP: Final = timedelta(minutes=1)

INCOMPLETE: Final = "incomplete"
FAILED: Final = "failed"
PROCESSING: Final = "processing"
AUTHORIZED: Final = "authorized"
SUCCEEDED: Final = "succeeded"
CANCELED: Final = "canceled"

PlantFunction = Callable[[Simulation], None]

_STILL_OPEN: Final = frozenset({PROCESSING, AUTHORIZED})
_METHOD: Final = {PROCESSING: "sepa_debit"}


def create_in_state(
    simulation: Simulation,
    state: str,
    *,
    amount: int | None = None,
    order: str | None = None,
    livemode: bool | None = None,
) -> IntentRecord:
    """An intent that came to this state some time ago; if it is still open, no deadline has passed."""
    # an open payment is young, so that none of its deadlines makes a second discrepancy
    began = simulation.ago(5 * HOUR, 3 * DAY if state in _STILL_OPEN else 20 * DAY)
    intent = simulation.open_intent(
        began,
        amount=amount,
        method=_METHOD.get(state, "card"),
        order=order,
        manual=state == AUTHORIZED,
        livemode=livemode,
    )
    stripe, ident, then = simulation.sandbox, intent.id, began + STEP
    match state:
        case "failed":
            return stripe.fail(ident, at=then)
        case "processing":
            return stripe.process(ident, at=then)
        case "authorized":
            return stripe.authorize(ident, at=then)
        case "succeeded":
            return stripe.succeed(ident, at=then)
        case "canceled":
            return stripe.cancel(ident, "abandoned", at=then)
        case _:
            return (
                stripe.require_action(ident, at=then)
                if simulation.random.random() < 0.5
                else intent
            )


def contradicted(simulation: Simulation) -> None:
    """The thank-you page wrote "paid", and the money never came."""
    local = simulation.random.choice(("paid", "paid", "refunded", "disputed"))
    state = simulation.random.choice((INCOMPLETE, FAILED, PROCESSING, AUTHORIZED, CANCELED))
    intent = create_in_state(simulation, state)
    simulation.add_row(local, intent)
    simulation.expect(Kind.CONTRADICTED, intent)


def paid_after_cancel(simulation: Simulation) -> None:
    """The shop canceled the order after an hour but not the intent, and the customer paid."""
    intent = create_in_state(
        simulation, simulation.random.choice((PROCESSING, AUTHORIZED, SUCCEEDED))
    )
    simulation.add_row("canceled", intent)
    simulation.expect(Kind.PAID_AFTER_CANCEL, intent)


def regressed(simulation: Simulation) -> None:
    """The row is further on than Stripe: a person changed it by hand."""
    local, state = simulation.random.choice(
        (("processing", INCOMPLETE), ("authorized", INCOMPLETE), ("authorized", FAILED))
    )
    intent = create_in_state(simulation, state)
    simulation.add_row(local, intent)
    simulation.expect(Kind.REGRESSED, intent)


def currency_mismatch(simulation: Simulation) -> None:
    """The checkout charged in another currency than it wrote into the row."""
    local, state = simulation.random.choice(
        (("pending", SUCCEEDED), ("paid", SUCCEEDED), ("pending", AUTHORIZED), ("failed", CANCELED))
    )
    intent = create_in_state(simulation, state)
    simulation.add_row(local, intent, currency="usd")
    simulation.expect(Kind.CURRENCY_MISMATCH, intent)


def charged_another_amount(simulation: Simulation) -> None:
    """A discount was taken off on one side only."""
    local, state = simulation.random.choice(
        (("pending", SUCCEEDED), ("paid", SUCCEEDED), ("pending", AUTHORIZED))
    )
    intent = create_in_state(simulation, state)
    off = simulation.random.choice((-100, 50, 250))
    simulation.add_row(local, intent, amount=intent.amount + off)
    simulation.expect(Kind.AMOUNT_MISMATCH, intent)


def captured_in_part(simulation: Simulation) -> None:
    """A part was out of stock and not captured; the row still has the whole amount."""
    intent = create_in_state(simulation, AUTHORIZED)
    simulation.sandbox.capture(intent.id, intent.amount // 2, at=simulation.present - 2 * HOUR)
    simulation.add_row("paid", intent)
    simulation.expect(Kind.AMOUNT_MISMATCH, intent)


def canceled_with_money(simulation: Simulation) -> None:
    """A part was captured, then the rest was canceled: the intent is canceled and money was taken."""
    intent = create_in_state(simulation, AUTHORIZED)
    taken = intent.amount // 2
    simulation.sandbox.capture(intent.id, taken, final=False, at=simulation.present - 3 * HOUR)
    simulation.sandbox.cancel(intent.id, at=simulation.present - 2 * HOUR)
    simulation.add_row(simulation.random.choice(("pending", "authorized")), intent)
    simulation.expect(Kind.AMOUNT_MISMATCH, intent)


def partially_captured(simulation: Simulation) -> None:
    """The first of two parcels was shipped and its part captured."""
    intent = create_in_state(simulation, AUTHORIZED)
    first = intent.amount // 3
    simulation.sandbox.capture(intent.id, first, final=False, at=simulation.present - 2 * HOUR)
    local = simulation.random.choice(("pending", "failed", "processing", "authorized"))
    simulation.add_row(local, intent)
    simulation.expect(Kind.PARTIALLY_CAPTURED, intent)


def refunded_while_open(simulation: Simulation) -> None:
    """Support refunded in the dashboard while the row was open: writing "paid" would ship goods without money."""
    intent = create_in_state(simulation, SUCCEEDED)
    part = simulation.random.choice((None, intent.amount // 4))
    simulation.sandbox.refund(intent.id, part, at=simulation.present - 2 * HOUR)
    simulation.add_row(simulation.random.choice(("pending", "processing", "failed")), intent)
    simulation.expect(Kind.REFUND_DRIFT, intent)


def refunded_in_dashboard(simulation: Simulation) -> None:
    """The whole amount was refunded in the dashboard; the row still says "paid"."""
    intent = create_in_state(simulation, SUCCEEDED)
    simulation.sandbox.refund(intent.id, at=simulation.present - 2 * HOUR)
    simulation.add_row("paid", intent)
    simulation.expect(Kind.REFUND_DRIFT, intent)


def disputed(simulation: Simulation) -> None:
    """The bank took the money back; the row does not say so."""
    intent = create_in_state(simulation, SUCCEEDED)
    simulation.sandbox.dispute(intent.id, at=simulation.present - 2 * HOUR)
    simulation.add_row(simulation.random.choice(("paid", "pending", "authorized")), intent)
    simulation.expect(Kind.DISPUTE_DRIFT, intent)


def two_rows(simulation: Simulation) -> None:
    """A double click made two rows for one intent; the webhook handler updates at most one of them."""
    intent = create_in_state(simulation, SUCCEEDED)
    simulation.add_row("pending", intent)
    simulation.add_row(simulation.random.choice(("pending", "paid")), intent)
    simulation.expect(Kind.AMBIGUOUS_ROW, intent)


def two_claims(simulation: Simulation) -> None:
    """Two rows of one order wait for their intent, and one intent names the order."""
    intent = create_in_state(simulation, SUCCEEDED)
    simulation.add_row("pending", intent, holds=False)
    simulation.add_row("pending", intent, holds=False)
    simulation.expect(Kind.AMBIGUOUS_ROW, intent)


def without_row(simulation: Simulation) -> None:
    """The checkout took or held the money and crashed before it wrote the row."""
    intent = create_in_state(
        simulation, simulation.random.choice((SUCCEEDED, SUCCEEDED, AUTHORIZED))
    )
    simulation.expect(Kind.MISSING_LOCALLY, intent)


def never_existed(simulation: Simulation) -> None:
    """A row holds an id that Stripe does not know: it was imported from another account."""
    created = simulation.ago(5 * HOUR, 20 * DAY)
    unknown = simulation.sandbox.new_id("pi")
    simulation.add_lone_row(
        simulation.random.choice(("pending", "paid", "processing")), unknown, created
    )
    simulation.expect(Kind.MISSING_AT_STRIPE, unknown)


def in_the_other_mode(simulation: Simulation) -> None:
    """The intent was made with a key of the other mode, live or test."""
    other = not simulation.sandbox.livemode
    intent = create_in_state(simulation, SUCCEEDED, livemode=other)
    simulation.add_row(simulation.random.choice(("pending", "paid")), intent)
    simulation.expect(Kind.MISSING_AT_STRIPE, intent)


def unmapped_row_status(simulation: Simulation) -> None:
    """The shop has a new status that its configuration does not map."""
    intent = create_in_state(
        simulation, simulation.random.choice((INCOMPLETE, FAILED, SUCCEEDED, CANCELED))
    )
    simulation.add_row("on_hold", intent)
    simulation.expect(Kind.UNKNOWN_STATUS, intent)


def unknown_stripe_status(simulation: Simulation) -> None:
    """Stripe has a new status that Reconciler does not know."""
    intent = create_in_state(simulation, INCOMPLETE)
    intent = simulation.sandbox.set_status(intent.id, "requires_review")
    simulation.add_row(simulation.random.choice(("pending", "paid", "canceled")), intent)
    simulation.expect(Kind.UNKNOWN_STATUS, intent)


def paid_by_other_intent(simulation: Simulation) -> None:
    """The customer tried again under a second intent, and both webhooks were lost: the row still holds the first."""
    order, amount = simulation.new_order(), simulation.random_amount()
    began = simulation.ago(6 * HOUR, 20 * DAY)
    stripe, then = simulation.sandbox, began + STEP
    first = simulation.open_intent(began, amount=amount, order=order)
    match simulation.random.choice((FAILED, CANCELED, INCOMPLETE)):
        case "failed":
            stripe.fail(first.id, at=then)
        case "canceled":
            stripe.cancel(first.id, "abandoned", at=then)
        case _:
            pass
    again = simulation.open_intent(then + STEP, amount=amount, order=order)
    stripe.succeed(again.id, at=then + 2 * STEP)
    key = simulation.add_row(simulation.random.choice(("pending", "failed")), first)
    simulation.expect(Kind.PAID_BY_OTHER_INTENT, f"row:{key}")


def refund_never_sent(simulation: Simulation) -> None:
    """Support promised the money and set the row to refunded; nothing, or only a part, went back."""
    intent = create_in_state(simulation, SUCCEEDED)
    part = simulation.random.choice((0, intent.amount // 4))
    if part:
        simulation.sandbox.refund(intent.id, part, at=simulation.present - 2 * HOUR)
    simulation.add_row("refunded", intent)
    simulation.expect(Kind.REFUND_MISSING, intent)


def refund_failed(simulation: Simulation) -> None:
    """The shop refunded the payment, and the customer's bank sent the money back."""
    intent = create_in_state(simulation, SUCCEEDED)
    stripe, then = simulation.sandbox, simulation.present - 3 * HOUR
    stripe.refund(intent.id, at=then)
    (refund,) = stripe.refunds(intent.id)
    stripe.change_refund(refund.id, "failed", failure_reason="declined", at=then + HOUR)
    simulation.add_row("refunded", intent)
    simulation.expect(Kind.REFUND_MISSING, intent)


def transfer_in_part(simulation: Simulation) -> None:
    """The customer transferred less than the order costs; some shops cancel such an order and keep the money."""
    began = simulation.ago(2 * DAY, 20 * DAY)
    intent = simulation.open_intent(began, method="customer_balance")
    stripe = simulation.sandbox
    stripe.require_action(intent.id, at=began + STEP)
    stripe.fund(intent.id, intent.amount // 2, at=began + DAY)
    simulation.add_row(simulation.random.choice(("pending", "canceled")), intent)
    simulation.expect(Kind.PARTIALLY_FUNDED, intent)


ROW_DISCREPANCIES: Final[Mapping[Kind, tuple[PlantFunction, ...]]] = {
    Kind.CONTRADICTED: (contradicted,),
    Kind.PAID_AFTER_CANCEL: (paid_after_cancel,),
    Kind.REGRESSED: (regressed,),
    Kind.CURRENCY_MISMATCH: (currency_mismatch,),
    Kind.AMOUNT_MISMATCH: (charged_another_amount, captured_in_part, canceled_with_money),
    Kind.PARTIALLY_CAPTURED: (partially_captured,),
    Kind.REFUND_DRIFT: (refunded_while_open, refunded_in_dashboard),
    Kind.DISPUTE_DRIFT: (disputed,),
    Kind.AMBIGUOUS_ROW: (two_rows, two_claims),
    Kind.PAID_BY_OTHER_INTENT: (paid_by_other_intent,),
    Kind.REFUND_MISSING: (refund_never_sent, refund_failed),
    Kind.PARTIALLY_FUNDED: (transfer_in_part,),
    Kind.MISSING_LOCALLY: (without_row,),
    Kind.MISSING_AT_STRIPE: (never_existed, in_the_other_mode),
    Kind.UNKNOWN_STATUS: (unmapped_row_status, unknown_stripe_status),
}
