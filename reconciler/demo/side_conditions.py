"""Planted deadlines that pass and orders paid twice: what may stand beside a correction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from reconciler.demo.disagreements import DAY, HOUR, STEP, SUCCEEDED, bring
from reconciler.demo.stage import Stage
from reconciler.domain.findings.discrepancy import Kind
from reconciler.sandbox.objects.records import IntentRecord

Plant = Callable[[Stage], None]


def paid_twice(stage: Stage) -> None:
    """The customer did not trust the first page and paid once more in another tab."""
    _, later = _pair(stage)
    stage.expect(Kind.DUPLICATE_PAYMENT, later)


def paid_twice_unheard(stage: Stage) -> None:
    """The same, and the webhook of the first payment, of the second or of both was lost."""
    rows = stage.random.choice((("pending", "paid"), ("paid", "pending"), ("pending", "pending")))
    _, later = _pair(stage, *rows)
    stage.expect(Kind.DUPLICATE_PAYMENT, later)


def paid_twice_without_row(stage: Stage) -> None:
    """The same, and the second checkout crashed before it wrote anything down."""
    first, second = _intents(stage)
    stage.add_row("paid", first)
    stage.expect(Kind.MISSING_LOCALLY, second)
    stage.expect(Kind.DUPLICATE_PAYMENT, second)


def paid_twice_without_rows(stage: Stage) -> None:
    """The same, and both crashed."""
    first, second = _intents(stage)
    stage.expect(Kind.MISSING_LOCALLY, first)
    stage.expect(Kind.MISSING_LOCALLY, second)
    stage.expect(Kind.DUPLICATE_PAYMENT, second)


def paid_twice_for_one_row(stage: Stage) -> None:
    """The same, and one row waits for its intent: either of the two may be meant."""
    first, second = _intents(stage)
    stage.add_row("pending", first, holds=False)
    stage.expect(Kind.AMBIGUOUS_ROW, first)
    stage.expect(Kind.AMBIGUOUS_ROW, second)
    stage.expect(Kind.DUPLICATE_PAYMENT, second)


def _pair(
    stage: Stage, first: str = "paid", second: str = "paid"
) -> tuple[IntentRecord, IntentRecord]:
    intents = _intents(stage)
    for intent, status in zip(intents, (first, second), strict=True):
        stage.add_row(status, intent, end="paid")
    return intents


def _intents(stage: Stage) -> tuple[IntentRecord, IntentRecord]:
    """Two intents of one order and one amount, both paid, the earlier one first."""
    order, amount = stage.order(), stage.amount()
    one, other = (bring(stage, SUCCEEDED, amount=amount, order=order) for _ in range(2))
    return (one, other) if (one.created, one.id) < (other.created, other.id) else (other, one)


def hold_runs_out(stage: Stage) -> None:
    """Nobody has captured the money, and tomorrow it is gone."""
    stage.expect(Kind.CAPTURE_EXPIRING, _short_hold(stage, "authorized"))


def hold_runs_out_unheard(stage: Stage) -> None:
    """The same, and the shop does not even know that the money is held."""
    stage.expect(Kind.CAPTURE_EXPIRING, _short_hold(stage, "pending"))


def _short_hold(stage: Stage, status: str) -> IntentRecord:
    began = stage.ago(6 * DAY + 3 * HOUR, 6 * DAY + 20 * HOUR)
    intent = stage.open_intent(began, manual=True)
    intent = stage.sandbox.authorize(intent.id, at=began + STEP)
    stage.add_row(status, intent, end="authorized")
    return intent


def bank_is_late(stage: Stage) -> None:
    """The bank should have answered long ago."""
    stage.expect(Kind.OVERDUE, _late(stage, "processing"))


def bank_is_late_unheard(stage: Stage) -> None:
    """The same, and the shop still waits for the customer."""
    stage.expect(Kind.OVERDUE, _late(stage, "pending"))


def _late(stage: Stage, status: str) -> IntentRecord:
    method, days = stage.random.choice(
        (("nz_bank_account", 8), ("us_bank_account", 12), ("au_becs_debit", 9), ("card", 1))
    )
    began = stage.ago(days * DAY, (days + 6) * DAY)
    intent = stage.open_intent(began, method=method)
    intent = stage.sandbox.process(intent.id, at=began + STEP)
    stage.add_row(status, intent, end="processing")
    return intent


def voucher_is_late(stage: Stage) -> None:
    """The voucher ended a week ago, and nobody has said whether it was paid."""
    began = stage.ago(14 * DAY, 18 * DAY)
    intent = stage.open_intent(began, method="boleto")
    intent = stage.sandbox.require_action(intent.id, at=began + STEP)
    stage.add_row("pending", intent)
    stage.expect(Kind.OVERDUE, intent)


def nothing_more_to_come(stage: Stage) -> None:
    """Both sides have waited for more than a month: nothing will happen by itself any more."""
    began = _over_a_month_ago(stage)
    intent = stage.open_intent(began, method="sepa_debit")
    intent = stage.sandbox.process(intent.id, at=began + STEP)
    stage.add_row("processing", intent)
    stage.expect(Kind.EXHAUSTED, intent)
    stage.expect(Kind.OVERDUE, intent)


def held_for_ever(stage: Stage) -> None:
    """The same with money that is held, by a method that does not say for how long."""
    began = _over_a_month_ago(stage)
    intent = stage.open_intent(began, method="klarna", manual=True)
    intent = stage.sandbox.authorize(intent.id, at=began + STEP)
    stage.add_row("authorized", intent)
    stage.expect(Kind.EXHAUSTED, intent)


def _over_a_month_ago(stage: Stage) -> datetime:
    return stage.ago(32 * DAY, 50 * DAY)


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
