"""Planted discrepancies between a row and its intent, each with the story of how a shop comes by it.

A function makes one of its kind on the stage and says what must be found. The rows of all of them must stay as they
are: each is one that no program may decide on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from reconciler.demo.world import World
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

_STILL_OPEN: Final = frozenset({PROCESSING, AUTHORIZED})
_METHOD: Final = {PROCESSING: "sepa_debit"}


def bring(
    world: World,
    state: str,
    *,
    amount: int | None = None,
    order: str | None = None,
    livemode: bool | None = None,
) -> IntentRecord:
    """An intent that has come to this state some time ago, and is in time where it is still open."""
    began = world.ago(5 * HOUR, 3 * DAY if state in _STILL_OPEN else 20 * DAY)
    intent = world.open_intent(
        began,
        amount=amount,
        method=_METHOD.get(state, "card"),
        order=order,
        manual=state == AUTHORIZED,
        livemode=livemode,
    )
    stripe, ident, then = world.sandbox, intent.id, began + STEP
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
            return stripe.require_action(ident, at=then) if world.random.random() < 0.5 else intent


def contradicted(world: World) -> None:
    """The thank-you page said "paid"; the money never came."""
    local = world.random.choice(("paid", "paid", "refunded", "disputed"))
    state = world.random.choice((INCOMPLETE, FAILED, PROCESSING, AUTHORIZED, CANCELED))
    intent = bring(world, state)
    world.add_row(local, intent)
    world.expect(Kind.CONTRADICTED, intent)


def paid_after_cancel(world: World) -> None:
    """The shop gave the order up after an hour, without canceling the intent; the customer paid."""
    intent = bring(world, world.random.choice((PROCESSING, AUTHORIZED, SUCCEEDED)))
    world.add_row("canceled", intent)
    world.expect(Kind.PAID_AFTER_CANCEL, intent)


def regressed(world: World) -> None:
    """The row is further on than Stripe is: somebody moved it by hand."""
    local, state = world.random.choice(
        (("processing", INCOMPLETE), ("authorized", INCOMPLETE), ("authorized", FAILED))
    )
    intent = bring(world, state)
    world.add_row(local, intent)
    world.expect(Kind.REGRESSED, intent)


def currency_mismatch(world: World) -> None:
    """The checkout charged in another currency than it wrote down."""
    local, state = world.random.choice(
        (("pending", SUCCEEDED), ("paid", SUCCEEDED), ("pending", AUTHORIZED), ("failed", CANCELED))
    )
    intent = bring(world, state)
    world.add_row(local, intent, currency="usd")
    world.expect(Kind.CURRENCY_MISMATCH, intent)


def charged_otherwise(world: World) -> None:
    """A discount was taken off on one side only."""
    local, state = world.random.choice(
        (("pending", SUCCEEDED), ("paid", SUCCEEDED), ("pending", AUTHORIZED))
    )
    intent = bring(world, state)
    off = world.random.choice((-100, 50, 250))
    world.add_row(local, intent, amount=intent.amount + off)
    world.expect(Kind.AMOUNT_MISMATCH, intent)


def captured_less(world: World) -> None:
    """A part was out of stock and not captured; the row still says the whole."""
    intent = bring(world, AUTHORIZED)
    world.sandbox.capture(intent.id, intent.amount // 2, at=world.present - 2 * HOUR)
    world.add_row("paid", intent)
    world.expect(Kind.AMOUNT_MISMATCH, intent)


def canceled_with_money(world: World) -> None:
    """A part was captured, then the rest was canceled: the intent is canceled and money was taken."""
    intent = bring(world, AUTHORIZED)
    taken = intent.amount // 2
    world.sandbox.capture(intent.id, taken, final=False, at=world.present - 3 * HOUR)
    world.sandbox.cancel(intent.id, at=world.present - 2 * HOUR)
    world.add_row(world.random.choice(("pending", "authorized")), intent)
    world.expect(Kind.AMOUNT_MISMATCH, intent)


def partially_captured(world: World) -> None:
    """The first of two parcels was shipped and its part captured."""
    intent = bring(world, AUTHORIZED)
    first = intent.amount // 3
    world.sandbox.capture(intent.id, first, final=False, at=world.present - 2 * HOUR)
    world.add_row(world.random.choice(("pending", "failed", "processing")), intent)
    world.expect(Kind.PARTIALLY_CAPTURED, intent)


def refunded_unseen(world: World) -> None:
    """Support has refunded in the dashboard while the row was still open: writing "paid" would ship for nothing."""
    intent = bring(world, SUCCEEDED)
    part = world.random.choice((None, intent.amount // 4))
    world.sandbox.refund(intent.id, part, at=world.present - 2 * HOUR)
    world.add_row(world.random.choice(("pending", "processing", "failed")), intent)
    world.expect(Kind.REFUND_DRIFT, intent)


def refunded_behind_the_shop(world: World) -> None:
    """The whole was refunded in the dashboard; the row says "paid" to this day."""
    intent = bring(world, SUCCEEDED)
    world.sandbox.refund(intent.id, at=world.present - 2 * HOUR)
    world.add_row("paid", intent)
    world.expect(Kind.REFUND_DRIFT, intent)


def disputed_unseen(world: World) -> None:
    """The bank took the money back, and the row does not know."""
    intent = bring(world, SUCCEEDED)
    world.sandbox.dispute(intent.id, at=world.present - 2 * HOUR)
    world.add_row(world.random.choice(("paid", "pending", "authorized")), intent)
    world.expect(Kind.DISPUTE_DRIFT, intent)


def two_rows(world: World) -> None:
    """A double click made two rows for one intent; the handler updates one of them at best."""
    intent = bring(world, SUCCEEDED)
    world.add_row("pending", intent)
    world.add_row(world.random.choice(("pending", "paid")), intent)
    world.expect(Kind.AMBIGUOUS_ROW, intent)


def two_claims(world: World) -> None:
    """Two rows of one order wait for their intent, and one intent names the order."""
    intent = bring(world, SUCCEEDED)
    world.add_row("pending", intent, holds=False)
    world.add_row("pending", intent, holds=False)
    world.expect(Kind.AMBIGUOUS_ROW, intent)


def without_row(world: World) -> None:
    """The checkout took or held the money and crashed before it wrote anything down."""
    intent = bring(world, world.random.choice((SUCCEEDED, SUCCEEDED, AUTHORIZED)))
    world.expect(Kind.MISSING_LOCALLY, intent)


def never_existed(world: World) -> None:
    """A row holds an id that Stripe has never seen: imported from another account."""
    created = world.ago(5 * HOUR, 20 * DAY)
    unknown = world.sandbox.fresh("pi")
    world.add_lone_row(world.random.choice(("pending", "paid", "processing")), unknown, created)
    world.expect(Kind.MISSING_AT_STRIPE, unknown)


def in_the_other_mode(world: World) -> None:
    """A row was written with a key of the other mode."""
    other = not world.sandbox.livemode
    intent = bring(world, SUCCEEDED, livemode=other)
    world.add_row(world.random.choice(("pending", "paid")), intent)
    world.expect(Kind.MISSING_AT_STRIPE, intent)


def no_id_at_all(world: World) -> None:
    """Somebody has typed a note into the column."""
    note = f"cash, see invoice {world.random.randint(100, 999)}-{world.order()}"
    world.add_lone_row("pending", note, world.ago(5 * HOUR, 20 * DAY))
    world.expect(Kind.MISSING_AT_STRIPE, note)


def unknown_here(world: World) -> None:
    """The shop has got a new status that nobody has mapped."""
    intent = bring(world, world.random.choice((INCOMPLETE, FAILED, SUCCEEDED, CANCELED)))
    world.add_row("on_hold", intent)
    world.expect(Kind.UNKNOWN_STATUS, intent)


def unknown_there(world: World) -> None:
    """Stripe has got a new status that this program does not know."""
    intent = bring(world, INCOMPLETE)
    intent = world.sandbox.set_status(intent.id, "requires_review")
    world.add_row(world.random.choice(("pending", "paid", "canceled")), intent)
    world.expect(Kind.UNKNOWN_STATUS, intent)


DISAGREEMENTS: Final[Mapping[Kind, tuple[Callable[[World], None], ...]]] = {
    Kind.CONTRADICTED: (contradicted,),
    Kind.PAID_AFTER_CANCEL: (paid_after_cancel,),
    Kind.REGRESSED: (regressed,),
    Kind.CURRENCY_MISMATCH: (currency_mismatch,),
    Kind.AMOUNT_MISMATCH: (charged_otherwise, captured_less, canceled_with_money),
    Kind.PARTIALLY_CAPTURED: (partially_captured,),
    Kind.REFUND_DRIFT: (refunded_unseen, refunded_behind_the_shop),
    Kind.DISPUTE_DRIFT: (disputed_unseen,),
    Kind.AMBIGUOUS_ROW: (two_rows, two_claims),
    Kind.MISSING_LOCALLY: (without_row,),
    Kind.MISSING_AT_STRIPE: (never_existed, in_the_other_mode, no_id_at_all),
    Kind.UNKNOWN_STATUS: (unknown_here, unknown_there),
}
