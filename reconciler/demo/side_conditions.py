"""Planted deadlines that pass and orders paid twice: what may stand beside a correction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from reconciler.demo.disagreements import DAY, HOUR, STEP, SUCCEEDED, bring
from reconciler.demo.world import World
from reconciler.domain.findings.discrepancy import Kind
from reconciler.sandbox.objects.records import IntentRecord

Plant = Callable[[World], None]


def paid_twice(world: World) -> None:
    """The customer did not trust the first page and paid once more in another tab."""
    _, later = _pair(world)
    world.expect(Kind.DUPLICATE_PAYMENT, later)


def paid_twice_unheard(world: World) -> None:
    """The same, and the webhook of the first payment, of the second or of both was lost."""
    rows = world.random.choice((("pending", "paid"), ("paid", "pending"), ("pending", "pending")))
    _, later = _pair(world, *rows)
    world.expect(Kind.DUPLICATE_PAYMENT, later)


def paid_twice_without_row(world: World) -> None:
    """The same, and the second checkout crashed before it wrote anything down."""
    first, second = _intents(world)
    world.add_row("paid", first)
    world.expect(Kind.MISSING_LOCALLY, second)
    world.expect(Kind.DUPLICATE_PAYMENT, second)


def paid_twice_without_rows(world: World) -> None:
    """The same, and both crashed."""
    first, second = _intents(world)
    world.expect(Kind.MISSING_LOCALLY, first)
    world.expect(Kind.MISSING_LOCALLY, second)
    world.expect(Kind.DUPLICATE_PAYMENT, second)


def paid_twice_for_one_row(world: World) -> None:
    """The same, and one row waits for its intent: either of the two may be meant."""
    first, second = _intents(world)
    world.add_row("pending", first, holds=False)
    world.expect(Kind.AMBIGUOUS_ROW, first)
    world.expect(Kind.AMBIGUOUS_ROW, second)
    world.expect(Kind.DUPLICATE_PAYMENT, second)


def _pair(
    world: World, first: str = "paid", second: str = "paid"
) -> tuple[IntentRecord, IntentRecord]:
    intents = _intents(world)
    for intent, status in zip(intents, (first, second), strict=True):
        world.add_row(status, intent, end="paid")
    return intents


def _intents(world: World) -> tuple[IntentRecord, IntentRecord]:
    """Two intents of one order and one amount, both paid, the earlier one first."""
    order, amount = world.order(), world.amount()
    one, other = (bring(world, SUCCEEDED, amount=amount, order=order) for _ in range(2))
    return (one, other) if (one.created, one.id) < (other.created, other.id) else (other, one)


def hold_runs_out(world: World) -> None:
    """Nobody has captured the money, and tomorrow it is gone."""
    world.expect(Kind.CAPTURE_EXPIRING, _short_hold(world, "authorized"))


def hold_runs_out_unheard(world: World) -> None:
    """The same, and the shop does not even know that the money is held."""
    world.expect(Kind.CAPTURE_EXPIRING, _short_hold(world, "pending"))


def _short_hold(world: World, status: str) -> IntentRecord:
    began = world.ago(6 * DAY + 3 * HOUR, 6 * DAY + 20 * HOUR)
    intent = world.open_intent(began, manual=True)
    intent = world.sandbox.authorize(intent.id, at=began + STEP)
    world.add_row(status, intent, end="authorized")
    return intent


def bank_is_late(world: World) -> None:
    """The bank should have answered long ago."""
    world.expect(Kind.OVERDUE, _late(world, "processing"))


def bank_is_late_unheard(world: World) -> None:
    """The same, and the shop still waits for the customer."""
    world.expect(Kind.OVERDUE, _late(world, "pending"))


def _late(world: World, status: str) -> IntentRecord:
    method, days = world.random.choice(
        (("nz_bank_account", 8), ("us_bank_account", 12), ("au_becs_debit", 9), ("card", 1))
    )
    began = world.ago(days * DAY, (days + 6) * DAY)
    intent = world.open_intent(began, method=method)
    intent = world.sandbox.process(intent.id, at=began + STEP)
    world.add_row(status, intent, end="processing")
    return intent


def voucher_is_late(world: World) -> None:
    """The voucher ended a week ago, and nobody has said whether it was paid."""
    began = world.ago(14 * DAY, 18 * DAY)
    intent = world.open_intent(began, method="boleto")
    intent = world.sandbox.require_action(intent.id, at=began + STEP)
    world.add_row("pending", intent)
    world.expect(Kind.OVERDUE, intent)


def nothing_more_to_come(world: World) -> None:
    """Both sides have waited for more than a month: nothing will happen by itself any more."""
    began = _over_a_month_ago(world)
    intent = world.open_intent(began, method="sepa_debit")
    intent = world.sandbox.process(intent.id, at=began + STEP)
    world.add_row("processing", intent)
    world.expect(Kind.EXHAUSTED, intent)
    world.expect(Kind.OVERDUE, intent)


def held_for_ever(world: World) -> None:
    """The same with money that is held, by a method that does not say for how long."""
    began = _over_a_month_ago(world)
    intent = world.open_intent(began, method="klarna", manual=True)
    intent = world.sandbox.authorize(intent.id, at=began + STEP)
    world.add_row("authorized", intent)
    world.expect(Kind.EXHAUSTED, intent)


def _over_a_month_ago(world: World) -> datetime:
    return world.ago(32 * DAY, 50 * DAY)


SIDE_CONDITIONS: Final[Mapping[Kind, tuple[Plant, ...]]] = {
    Kind.DUPLICATE_PAYMENT: (
        paid_twice,
        paid_twice_without_row,
        paid_twice_for_one_row,
        paid_twice_without_rows,
    ),
    Kind.CAPTURE_EXPIRING: (hold_runs_out,),
    Kind.OVERDUE: (bank_is_late, voucher_is_late),
    Kind.EXHAUSTED: (nothing_more_to_come, held_for_ever),
}

WITH_LOST_WEBHOOK: Final[Mapping[Kind, tuple[Plant, ...]]] = {
    Kind.DUPLICATE_PAYMENT: (paid_twice_unheard,),
    Kind.CAPTURE_EXPIRING: (hold_runs_out_unheard,),
    Kind.OVERDUE: (bank_is_late_unheard,),
}
"""Beside these stands a correction, so they are planted only where webhooks are lost."""
