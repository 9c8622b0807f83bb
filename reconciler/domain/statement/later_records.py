"""What the ledger holds of the money of a period after the cut-off of its statement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from reconciler.domain.audit.ledger_entry import Action
from reconciler.domain.findings.discrepancy import Kind, Reason
from reconciler.domain.model.money_back import DisputePhase
from reconciler.domain.statement.day_entry import DayEntry, WindowSweep

MONEY_BACK_KINDS: Final = frozenset({Kind.REFUND_DRIFT.value, Kind.DISPUTE_DRIFT.value})
"""The findings that say what of a payment went back."""


class MovedFigure(StrEnum):
    """A figure of a day that a later sweep may find changed."""

    LOCAL = "local"
    STRIPE = "stripe"
    REFUNDED = "refunded"
    DISPUTED = "disputed"
    """Lost in disputes."""


@dataclass(frozen=True, slots=True)
class MoneyBackFinding:
    """An entry about a finding that says what of a payment went back, in minor units.

    ``is_new`` is whether the entry opened the finding. ``created`` is when Stripe created the payment.
    """

    seq: int
    at: datetime
    payment: str
    currency: str
    figure: MovedFigure
    amount: int
    created: datetime
    is_new: bool


@dataclass(frozen=True, slots=True)
class LaterRecords:
    """What the ledger holds after the cut-off, in its order: window sweeps, their days, and findings about money back."""

    sweeps: Sequence[WindowSweep] = ()
    days: Sequence[DayEntry] = ()
    findings: Sequence[MoneyBackFinding] = ()


NOTHING_LATER: Final = LaterRecords()


def read_money_back(
    seq: int, at: datetime, action: str, body: Mapping[str, Any]
) -> Iterator[MoneyBackFinding]:
    """What an entry about a finding of ``MONEY_BACK_KINDS`` says; nothing if it has no values, or Stripe shows no amount.

    Raises KeyError, TypeError, ValueError or AttributeError for what no program wrote.
    """
    if "stripe" not in body or body["reason"] == Reason.RELEASE_OR_REFUND.value:
        return
    stripe, evidence = body["stripe"], body["evidence"]
    if body["kind"] == Kind.REFUND_DRIFT.value:
        figure = MovedFigure.REFUNDED
        captured = (evidence["charge"] or {}).get("amount_captured") or 0
        amount = min(int(stripe["amount_refunded"] or 0), int(captured))
    else:
        figure = MovedFigure.DISPUTED
        is_lost = stripe.get("dispute_status") == DisputePhase.LOST.value
        amount = int(evidence["disputed_amount"]) if is_lost else 0
    yield MoneyBackFinding(
        seq=seq,
        at=at,
        payment=str(body["subject"]),
        currency=str(stripe["currency"]),
        figure=figure,
        amount=amount,
        created=datetime.fromisoformat(evidence["created"]),
        is_new=action == Action.FINDING_OPENED,
    )
