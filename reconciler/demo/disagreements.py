"""Planted discrepancies between a row and its intent, each with the story of how a shop comes by it.

A function makes one of its kind on the stage and says what must be found. The rows of all of them must stay as they
are: each is one that no program may decide on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from reconciler.demo.stage import Stage
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
    stage: Stage,
    state: str,
    *,
    amount: int | None = None,
    order: str | None = None,
    livemode: bool | None = None,
) -> IntentRecord:
    """An intent that has come to this state some time ago, and is in time where it is still open."""
    began = stage.ago(5 * HOUR, 3 * DAY if state in _STILL_OPEN else 20 * DAY)
    intent = stage.open_intent(
        began,
        amount=amount,
        method=_METHOD.get(state, "card"),
        order=order,
        manual=state == AUTHORIZED,
        livemode=livemode,
    )
    stripe, ident, then = stage.sandbox, intent.id, began + STEP
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
            return stripe.require_action(ident, at=then) if stage.random.random() < 0.5 else intent


def contradicted(stage: Stage) -> None:
    """The thank-you page said "paid"; the money never came."""
    local = stage.random.choice(("paid", "paid", "refunded", "disputed"))
    state = stage.random.choice((INCOMPLETE, FAILED, PROCESSING, AUTHORIZED, CANCELED))
    intent = bring(stage, state)
    stage.add_row(local, intent)
    stage.expect(Kind.CONTRADICTED, intent)


def paid_after_cancel(stage: Stage) -> None:
    """The shop gave the order up after an hour, without canceling the intent; the customer paid."""
    intent = bring(stage, stage.random.choice((PROCESSING, AUTHORIZED, SUCCEEDED)))
    stage.add_row("canceled", intent)
    stage.expect(Kind.PAID_AFTER_CANCEL, intent)


def regressed(stage: Stage) -> None:
    """The row is further on than Stripe is: somebody moved it by hand."""
    local, state = stage.random.choice(
        (("processing", INCOMPLETE), ("authorized", INCOMPLETE), ("authorized", FAILED))
    )
    intent = bring(stage, state)
    stage.add_row(local, intent)
    stage.expect(Kind.REGRESSED, intent)


def currency_mismatch(stage: Stage) -> None:
    """The checkout charged in another currency than it wrote down."""
    local, state = stage.random.choice(
        (("pending", SUCCEEDED), ("paid", SUCCEEDED), ("pending", AUTHORIZED), ("failed", CANCELED))
    )
    intent = bring(stage, state)
    stage.add_row(local, intent, currency="usd")
    stage.expect(Kind.CURRENCY_MISMATCH, intent)


def charged_otherwise(stage: Stage) -> None:
    """A discount was taken off on one side only."""
    local, state = stage.random.choice(
        (("pending", SUCCEEDED), ("paid", SUCCEEDED), ("pending", AUTHORIZED))
    )
    intent = bring(stage, state)
    off = stage.random.choice((-100, 50, 250))
    stage.add_row(local, intent, amount=intent.amount + off)
    stage.expect(Kind.AMOUNT_MISMATCH, intent)


def captured_less(stage: Stage) -> None:
    """A part was out of stock and not captured; the row still says the whole."""
    intent = bring(stage, AUTHORIZED)
    stage.sandbox.capture(intent.id, intent.amount // 2, at=stage.present - 2 * HOUR)
    stage.add_row("paid", intent)
    stage.expect(Kind.AMOUNT_MISMATCH, intent)


def canceled_with_money(stage: Stage) -> None:
    """A part was captured, then the rest was canceled: the intent is canceled and money was taken."""
    intent = bring(stage, AUTHORIZED)
    taken = intent.amount // 2
    stage.sandbox.capture(intent.id, taken, final=False, at=stage.present - 3 * HOUR)
    stage.sandbox.cancel(intent.id, at=stage.present - 2 * HOUR)
    stage.add_row(stage.random.choice(("pending", "authorized")), intent)
    stage.expect(Kind.AMOUNT_MISMATCH, intent)


def partially_captured(stage: Stage) -> None:
    """The first of two parcels was shipped and its part captured."""
    intent = bring(stage, AUTHORIZED)
    first = intent.amount // 3
    stage.sandbox.capture(intent.id, first, final=False, at=stage.present - 2 * HOUR)
    stage.add_row(stage.random.choice(("pending", "failed", "processing")), intent)
    stage.expect(Kind.PARTIALLY_CAPTURED, intent)


def refunded_unseen(stage: Stage) -> None:
    """Support has refunded in the dashboard while the row was still open: writing "paid" would ship for nothing."""
    intent = bring(stage, SUCCEEDED)
    part = stage.random.choice((None, intent.amount // 4))
    stage.sandbox.refund(intent.id, part, at=stage.present - 2 * HOUR)
    stage.add_row(stage.random.choice(("pending", "processing", "failed")), intent)
    stage.expect(Kind.REFUND_DRIFT, intent)


def refunded_behind_the_shop(stage: Stage) -> None:
    """The whole was refunded in the dashboard; the row says "paid" to this day."""
    intent = bring(stage, SUCCEEDED)
    stage.sandbox.refund(intent.id, at=stage.present - 2 * HOUR)
    stage.add_row("paid", intent)
    stage.expect(Kind.REFUND_DRIFT, intent)


def disputed_unseen(stage: Stage) -> None:
    """The bank took the money back, and the row does not know."""
    intent = bring(stage, SUCCEEDED)
    stage.sandbox.dispute(intent.id, at=stage.present - 2 * HOUR)
    stage.add_row(stage.random.choice(("paid", "pending", "authorized")), intent)
    stage.expect(Kind.DISPUTE_DRIFT, intent)


def two_rows(stage: Stage) -> None:
    """A double click made two rows for one intent; the handler updates one of them at best."""
    intent = bring(stage, SUCCEEDED)
    stage.add_row("pending", intent)
    stage.add_row(stage.random.choice(("pending", "paid")), intent)
    stage.expect(Kind.AMBIGUOUS_ROW, intent)


def two_claims(stage: Stage) -> None:
    """Two rows of one order wait for their intent, and one intent names the order."""
    intent = bring(stage, SUCCEEDED)
    stage.add_row("pending", intent, holds=False)
    stage.add_row("pending", intent, holds=False)
    stage.expect(Kind.AMBIGUOUS_ROW, intent)


def without_row(stage: Stage) -> None:
    """The checkout took or held the money and crashed before it wrote anything down."""
    intent = bring(stage, stage.random.choice((SUCCEEDED, SUCCEEDED, AUTHORIZED)))
    stage.expect(Kind.MISSING_LOCALLY, intent)


def never_existed(stage: Stage) -> None:
    """A row holds an id that Stripe has never seen: imported from another account."""
    created = stage.ago(5 * HOUR, 20 * DAY)
    unknown = stage.sandbox.fresh("pi")
    stage.add_lone_row(stage.random.choice(("pending", "paid", "processing")), unknown, created)
    stage.expect(Kind.MISSING_AT_STRIPE, unknown)


def in_the_other_mode(stage: Stage) -> None:
    """A row was written with a key of the other mode."""
    other = not stage.sandbox.livemode
    intent = bring(stage, SUCCEEDED, livemode=other)
    stage.add_row(stage.random.choice(("pending", "paid")), intent)
    stage.expect(Kind.MISSING_AT_STRIPE, intent)


def no_id_at_all(stage: Stage) -> None:
    """Somebody has typed a note into the column."""
    note = f"cash, see invoice {stage.random.randint(100, 999)}-{stage.order()}"
    stage.add_lone_row("pending", note, stage.ago(5 * HOUR, 20 * DAY))
    stage.expect(Kind.MISSING_AT_STRIPE, note)


def unknown_here(stage: Stage) -> None:
    """The shop has got a new status that nobody has mapped."""
    intent = bring(stage, stage.random.choice((INCOMPLETE, FAILED, SUCCEEDED, CANCELED)))
    stage.add_row("on_hold", intent)
    stage.expect(Kind.UNKNOWN_STATUS, intent)


def unknown_there(stage: Stage) -> None:
    """Stripe has got a new status that this program does not know."""
    intent = bring(stage, INCOMPLETE)
    intent = stage.sandbox.set_status(intent.id, "requires_review")
    stage.add_row(stage.random.choice(("pending", "paid", "canceled")), intent)
    stage.expect(Kind.UNKNOWN_STATUS, intent)


DISAGREEMENTS: Final[Mapping[Kind, tuple[Callable[[Stage], None], ...]]] = {
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
