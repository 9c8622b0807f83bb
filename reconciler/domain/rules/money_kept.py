"""How much of a payment went back and how much was kept: refunds and lost disputes, as far as they were read."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.domain.model.intent import Charge, Intent
from reconciler.domain.model.match import Match
from reconciler.domain.model.match_facts import FactNeededError, Question
from reconciler.domain.model.money_back import Dispute, DisputePhase, worst_dispute
from reconciler.domain.rules.refunded_amount import Unclear, refunded_amount


@dataclass(frozen=True, slots=True)
class MoneyKept:
    """The money of a succeeded intent, in minor units.

    ``refunded`` is None if Stripe does not show whether a part was refunded or released. ``dispute`` is the one that
    counts, None if there is none or every one is over.
    """

    received: int
    refunded: int | None
    dispute: Dispute | None

    @property
    def given_back(self) -> int:
        """Refunded and lost, at most what was received; an unclear refund counts as none."""
        # while a dispute is open the money is only withheld
        lost = 0
        if self.dispute is not None and self.dispute.phase is DisputePhase.LOST:
            lost = self.dispute.amount
        return min(self.received, (self.refunded or 0) + lost)

    @property
    def kept(self) -> int:
        """What the merchant still has."""
        return self.received - self.given_back


def money_kept(match: Match, intent: Intent) -> MoneyKept:
    """What was kept of an intent. Raises FactNeededError if refunds or disputes have to be read first."""
    charge = intent.charge
    if charge is None:
        return MoneyKept(intent.amount_received, 0, None)
    return MoneyKept(
        received=intent.amount_received,
        refunded=refunded(match, intent, charge),
        dispute=dispute_that_counts(match, charge),
    )


def refunded(match: Match, intent: Intent, charge: Charge) -> int | None:
    """What went back by refunds; None if Stripe does not show it. Raises FactNeededError if it has to be read."""
    amount = refunded_amount(charge, intent.currency, match.facts.refunds)
    match amount:
        case Unclear.NEEDS_REFUNDS:
            raise FactNeededError(Question.REFUNDS)
        case Unclear.NEEDS_BALANCE:
            raise FactNeededError(Question.BALANCE)
        case Unclear.RELEASE_OR_REFUND:
            return None
        case _:
            return amount


def refund_stake(match: Match, intent: Intent, charge: Charge) -> int:
    """The money of a finding about a refund: at most what was captured, also if the amount is unclear."""
    amount = refunded(match, intent, charge)
    return min(charge.amount_refunded, charge.amount_captured) if amount is None else amount


def dispute_that_counts(match: Match, charge: Charge) -> Dispute | None:
    """The worst dispute that is not over. Raises FactNeededError if the disputes have to be read."""
    if not charge.disputed:
        return None
    worst = worst_dispute(_disputes(match))
    return None if worst is None or worst.phase is DisputePhase.OVER else worst


def is_dispute_listed(match: Match, charge: Charge) -> bool:
    """Whether Stripe lists a dispute of a charge that says it is disputed."""
    return not charge.disputed or bool(_disputes(match))


def has_any_dispute(match: Match) -> bool:
    """Whether the charge has or had a dispute. The charge itself may say that it is not disputed after a dispute was won."""
    return bool(_disputes(match))


def _disputes(match: Match) -> tuple[Dispute, ...]:
    if match.facts.disputes is None:
        raise FactNeededError(Question.DISPUTES)
    return match.facts.disputes
