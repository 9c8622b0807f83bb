"""What Stripe says of money that went back: refunds, disputes, and what a charge left in the balance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Refund:
    """One refund of a charge. ``amount`` is in minor units of the charge's currency."""

    id: str
    amount: int
    status: str | None

    @property
    def counts(self) -> bool:
        """The money went back or is on its way: a failed or canceled refund moves none.

        An old refund may have no status at all; Stripe made it succeed at once.
        """
        return self.status in {None, "pending", "requires_action", "succeeded"}


@dataclass(frozen=True, slots=True)
class ChargeBalance:
    """The balance transaction of a charge: what the charge added to the balance before fees."""

    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class RefundFacts:
    """What was read besides the charge; None for what was not asked for."""

    refunds: tuple[Refund, ...] | None = None
    balance: ChargeBalance | None = None
    balance_was_read: bool = False
    """The balance transaction was asked for; a charge may have none yet."""


class DisputePhase(StrEnum):
    """What a dispute's status means for the money, the worst first."""

    LOST = "lost"
    """The money went back to the customer."""
    NEEDS_RESPONSE = "needs_response"
    """The money is withheld, and the bank waits for evidence."""
    UNDER_REVIEW = "under_review"
    """The money is withheld, and the bank decides."""
    INQUIRY = "inquiry"
    """The bank asks a question; no money has moved."""
    OVER = "over"
    """Won, prevented, or an inquiry that was closed: the merchant keeps the money."""


_PHASES = {
    "lost": DisputePhase.LOST,
    "needs_response": DisputePhase.NEEDS_RESPONSE,
    "appeal_needs_response": DisputePhase.NEEDS_RESPONSE,
    "under_review": DisputePhase.UNDER_REVIEW,
    "appeal_under_review": DisputePhase.UNDER_REVIEW,
    "warning_needs_response": DisputePhase.INQUIRY,
    "warning_under_review": DisputePhase.INQUIRY,
    "warning_closed": DisputePhase.OVER,
    "won": DisputePhase.OVER,
    "prevented": DisputePhase.OVER,
}


@dataclass(frozen=True, slots=True)
class Dispute:
    """One dispute of a charge; a charge may have several, one after another.

    ``amount`` is what the customer disputes, in minor units of ``currency``, which may be another than the charge's.
    """

    id: str
    status: str
    amount: int
    currency: str
    created: datetime
    evidence_due_by: datetime | None = None

    @property
    def phase(self) -> DisputePhase:
        """What the status means; Stripe may add statuses, and an unknown one is not over."""
        return _PHASES.get(self.status, DisputePhase.NEEDS_RESPONSE)


def worst_dispute(disputes: tuple[Dispute, ...]) -> Dispute | None:
    """The dispute that decides, None if there is none: the worst phase, and of several the latest."""
    order = list(DisputePhase)
    return min(
        disputes,
        key=lambda dispute: (order.index(dispute.phase), -dispute.created.timestamp(), dispute.id),
        default=None,
    )
