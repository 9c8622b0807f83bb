"""What only looks wrong, or cannot be judged yet: a pass must leave it as it is, and find nothing about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from reconciler.demo.disagreements import (
    AUTHORIZED,
    DAY,
    FAILED,
    HOUR,
    INCOMPLETE,
    SUCCEEDED,
    bring,
)
from reconciler.demo.stage import APP, Stage
from reconciler.sandbox.objects.records import IntentRecord

Plant = Callable[[Stage], None]


def _just_now(stage: Stage) -> datetime:
    """Less than the grace ago: a webhook may be on its way."""
    return stage.ago(timedelta(seconds=5), timedelta(seconds=90))


def _wait(stage: Stage, intent: IntentRecord) -> None:
    stage.script.waits.add(intent.id)


def just_paid(stage: Stage) -> None:
    """Paid a minute ago; the row is a minute behind."""
    intent = bring(stage, INCOMPLETE)
    stage.sandbox.succeed(intent.id, at=_just_now(stage))
    stage.add_row("pending", intent)
    _wait(stage, intent)


def just_refunded(stage: Stage) -> None:
    """Refunded a minute ago: only an event tells of it, for the intent does not change."""
    intent = bring(stage, SUCCEEDED)
    stage.sandbox.refund(intent.id, at=_just_now(stage))
    stage.add_row("paid", intent)
    _wait(stage, intent)


def just_disputed(stage: Stage) -> None:
    """Disputed a minute ago: likewise."""
    intent = bring(stage, SUCCEEDED)
    stage.sandbox.dispute(intent.id, at=_just_now(stage))
    stage.add_row("paid", intent)
    _wait(stage, intent)


def just_given_up(stage: Stage) -> None:
    """The authentication failed a minute ago, which leaves no charge: only an event tells of it."""
    began = stage.ago(HOUR, 2 * HOUR)
    intent = stage.open_intent(began)
    stage.sandbox.require_action(intent.id, at=began + timedelta(seconds=30))
    code = "payment_intent_authentication_failure"
    stage.sandbox.fail(intent.id, None, code=code, at=_just_now(stage))
    stage.add_row("pending", intent)
    _wait(stage, intent)


def just_canceled(stage: Stage) -> None:
    """Canceled a minute ago."""
    intent = bring(stage, AUTHORIZED)
    stage.sandbox.cancel(intent.id, at=_just_now(stage))
    stage.add_row("authorized", intent)
    _wait(stage, intent)


def just_begun(stage: Stage) -> None:
    """Paid a minute ago, and the checkout is about to write the row."""
    began = _just_now(stage)
    intent = stage.open_intent(began)
    stage.sandbox.succeed(intent.id, at=began + timedelta(seconds=2))
    _wait(stage, intent)


JUST_NOW: Final[tuple[Plant, ...]] = (
    just_paid,
    just_refunded,
    just_begun,
    just_given_up,
    just_canceled,
    just_disputed,
)


def given_up(stage: Stage) -> None:
    """The shop gave the order up and the intent was never paid: no money, no order."""
    stage.add_row("canceled", bring(stage, stage.random.choice((INCOMPLETE, FAILED))))


def refunded_in_part(stage: Stage) -> None:
    """A part was refunded, and the table has no word for that: "paid" is as right as it can be."""
    intent = bring(stage, SUCCEEDED)
    stage.sandbox.refund(intent.id, intent.amount // 4, at=stage.present - 2 * HOUR)
    stage.add_row("paid", intent)


def tries_again(stage: Stage) -> None:
    """After a failure the customer has begun anew: "failed" says nothing wrong about that."""
    stage.add_row("failed", bring(stage, INCOMPLETE))


def never_began(stage: Stage) -> None:
    """A basket without an intent."""
    stage.add_lone_row("pending", None, stage.ago(5 * HOUR, 20 * DAY))


def of_another_shop(stage: Stage) -> None:
    """An intent of somebody else's on the same Stripe account: none of ours, so it does not count as a payment."""
    began = stage.ago(5 * HOUR, 20 * DAY)
    other = {"app": f"not-{APP}", "order_id": stage.order()}
    intent = stage.sandbox.create_payment(stage.amount(), "eur", metadata=other, at=began)
    stage.sandbox.succeed(intent.id, at=began + timedelta(minutes=1))


def half_captured(stage: Stage) -> None:
    """The first of two parcels was shipped, and the row knows that the rest is still held."""
    intent = bring(stage, AUTHORIZED)
    stage.sandbox.capture(intent.id, intent.amount // 2, final=False, at=stage.present - 2 * HOUR)
    stage.add_row("authorized", intent)


def left_the_checkout(stage: Stage) -> None:
    """An intent without a row that nobody has paid: no money, nothing to miss."""
    bring(stage, stage.random.choice((INCOMPLETE, FAILED)))


SETTLED: Final[tuple[Plant, ...]] = (
    given_up,
    refunded_in_part,
    of_another_shop,
    never_began,
    tries_again,
    half_captured,
    left_the_checkout,
)
