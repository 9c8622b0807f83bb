"""What only looks wrong, or cannot be judged yet: a sweep must leave it as it is, and find nothing about it."""

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
from reconciler.demo.world import APP, World
from reconciler.sandbox.objects.records import IntentRecord

Plant = Callable[[World], None]


def _just_now(world: World) -> datetime:
    """Less than the grace ago: a webhook may be on its way."""
    return world.ago(timedelta(seconds=5), timedelta(seconds=90))


def _wait(world: World, intent: IntentRecord) -> None:
    world.expected.waits.add(intent.id)


def just_paid(world: World) -> None:
    """Paid a minute ago; the row is a minute behind."""
    intent = bring(world, INCOMPLETE)
    world.sandbox.succeed(intent.id, at=_just_now(world))
    world.add_row("pending", intent)
    _wait(world, intent)


def just_refunded(world: World) -> None:
    """Refunded a minute ago: only an event tells of it, for the intent does not change."""
    intent = bring(world, SUCCEEDED)
    world.sandbox.refund(intent.id, at=_just_now(world))
    world.add_row("paid", intent)
    _wait(world, intent)


def just_disputed(world: World) -> None:
    """Disputed a minute ago: likewise."""
    intent = bring(world, SUCCEEDED)
    world.sandbox.dispute(intent.id, at=_just_now(world))
    world.add_row("paid", intent)
    _wait(world, intent)


def just_given_up(world: World) -> None:
    """The authentication failed a minute ago, which leaves no charge: only an event tells of it."""
    began = world.ago(HOUR, 2 * HOUR)
    intent = world.open_intent(began)
    world.sandbox.require_action(intent.id, at=began + timedelta(seconds=30))
    code = "payment_intent_authentication_failure"
    world.sandbox.fail(intent.id, None, code=code, at=_just_now(world))
    world.add_row("pending", intent)
    _wait(world, intent)


def just_canceled(world: World) -> None:
    """Canceled a minute ago."""
    intent = bring(world, AUTHORIZED)
    world.sandbox.cancel(intent.id, at=_just_now(world))
    world.add_row("authorized", intent)
    _wait(world, intent)


def just_begun(world: World) -> None:
    """Paid a minute ago, and the checkout is about to write the row."""
    began = _just_now(world)
    intent = world.open_intent(began)
    world.sandbox.succeed(intent.id, at=began + timedelta(seconds=2))
    _wait(world, intent)


JUST_NOW: Final[tuple[Plant, ...]] = (
    just_paid,
    just_refunded,
    just_begun,
    just_given_up,
    just_canceled,
    just_disputed,
)


def given_up(world: World) -> None:
    """The shop gave the order up and the intent was never paid: no money, no order."""
    world.add_row("canceled", bring(world, world.random.choice((INCOMPLETE, FAILED))))


def refunded_in_part(world: World) -> None:
    """A part was refunded, and the table has no word for that: "paid" is as right as it can be."""
    intent = bring(world, SUCCEEDED)
    world.sandbox.refund(intent.id, intent.amount // 4, at=world.present - 2 * HOUR)
    world.add_row("paid", intent)


def tries_again(world: World) -> None:
    """After a failure the customer has begun anew: "failed" says nothing wrong about that."""
    world.add_row("failed", bring(world, INCOMPLETE))


def never_began(world: World) -> None:
    """A basket without an intent."""
    world.add_lone_row("pending", None, world.ago(5 * HOUR, 20 * DAY))


def of_another_shop(world: World) -> None:
    """An intent of somebody else's on the same Stripe account: none of ours, so it does not count as a payment."""
    began = world.ago(5 * HOUR, 20 * DAY)
    other = {"app": f"not-{APP}", "order_id": world.order()}
    intent = world.sandbox.create_payment(world.amount(), "eur", metadata=other, at=began)
    world.sandbox.succeed(intent.id, at=began + timedelta(minutes=1))


def half_captured(world: World) -> None:
    """The first of two parcels was shipped, and the row knows that the rest is still held."""
    intent = bring(world, AUTHORIZED)
    world.sandbox.capture(intent.id, intent.amount // 2, final=False, at=world.present - 2 * HOUR)
    world.add_row("authorized", intent)


def left_the_checkout(world: World) -> None:
    """An intent without a row that nobody has paid: no money, nothing to miss."""
    bring(world, world.random.choice((INCOMPLETE, FAILED)))


SETTLED: Final[tuple[Plant, ...]] = (
    given_up,
    refunded_in_part,
    of_another_shop,
    never_began,
    tries_again,
    half_captured,
    left_the_checkout,
)
