"""What blocks a correction that the decision table asks for, such as a refund, a dispute or another amount.

A blocked correction is a finding of another kind, or a missed outcome with the reason why it was not written, and a
person decides. The first blocker that applies decides.
"""

from __future__ import annotations

from reconciler.domain.findings.discrepancy import Kind, Reason
from reconciler.domain.model.intent import Charge, Intent
from reconciler.domain.model.match import Match, Rules
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.charge_of_row import is_earlier_charge
from reconciler.domain.rules.money_kept import refund_stake, refunded
from reconciler.domain.rules.pair_verdict import PairVerdict, dispute_verdict


def correction_verdict(
    match: Match, payment: Payment, intent: Intent, rules: Rules, *, is_explained: bool
) -> PairVerdict:
    """The verdict of a CORRECT cell: a missed outcome without a reason may be written, everything else blocks it.

    ``is_explained`` is whether the rows of the intent are known to belong together. Raises FactNeededError if refunds,
    disputes or the order have to be read first.
    """
    blocker = _money_blocker(match, payment, intent)
    if blocker is not None:
        return blocker

    # nothing shows which of several rows, or of several intents, is meant
    is_contested = match.contested or is_earlier_charge(match.payments, intent)
    if not is_explained or is_contested:
        return PairVerdict(Kind.AMBIGUOUS_ROW)
    if intent.outcome not in rules.statuses.write:
        return PairVerdict(Kind.MISSED_OUTCOME, Reason.NO_LOCAL_VALUE)
    return PairVerdict(Kind.MISSED_OUTCOME)


def _money_blocker(match: Match, payment: Payment, intent: Intent) -> PairVerdict | None:
    if payment.currency != intent.currency:
        return PairVerdict(Kind.CURRENCY_MISMATCH)

    # the merchant would ship goods for money that went back, or that the customer's bank may take back
    if intent.outcome is Outcome.SUCCEEDED and intent.charge is not None:
        went_back = _went_back(match, payment, intent, intent.charge)
        if went_back is not None:
            return went_back

    if intent.outcome is Outcome.AUTHORIZED and intent.amount_received > 0:
        return PairVerdict(Kind.PARTIALLY_CAPTURED)
    return PairVerdict(Kind.AMOUNT_MISMATCH) if _amount_differs(payment, intent) else None


def _went_back(
    match: Match, payment: Payment, intent: Intent, charge: Charge
) -> PairVerdict | None:
    """The dispute or the refund that blocks a correction to succeeded."""
    if charge.disputed:
        dispute = dispute_verdict(match, charge, payment)
        if dispute is not None:
            return dispute
    return _refund_verdict(match, intent, charge) if charge.amount_refunded else None


def _refund_verdict(match: Match, intent: Intent, charge: Charge) -> PairVerdict | None:
    amount = refunded(match, intent, charge)
    if amount == 0:
        return None
    # an unclear amount blocks too, because it may be a refund
    reason = Reason.RELEASE_OR_REFUND if amount is None else None
    return PairVerdict(Kind.REFUND_DRIFT, reason, stake=refund_stake(match, intent, charge))


def _amount_differs(payment: Payment, intent: Intent) -> bool:
    """Whether the money at Stripe is not what the row asks for."""
    match intent.outcome:
        case Outcome.SUCCEEDED:
            return intent.amount_received != payment.amount
        case Outcome.AUTHORIZED:
            return intent.amount_capturable != payment.amount
        case Outcome.CANCELED if intent.amount_received > 0:
            return True
        case _:
            # an order may have a deposit and a rest, so an order links only an intent of the row's own amount
            return payment.payment_intent is None and intent.amount != payment.amount
