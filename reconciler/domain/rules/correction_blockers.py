"""What blocks a correction that the decision table asks for: a refund, a dispute, another amount, another charge, the order.

A blocked correction is a finding of another kind, or a missed outcome with the reason why it was not written, and a
person decides. The first blocker that applies decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from reconciler.domain.findings.discrepancy import Finding, Kind, Reason, Severity
from reconciler.domain.model.intent import Charge, Intent
from reconciler.domain.model.match import Match, Rules
from reconciler.domain.model.match_facts import FactNeededError, OrderFacts, Question
from reconciler.domain.model.payment import Payment, StoredIdKind, stored_id
from reconciler.domain.money import Money
from reconciler.domain.outcome import NEGATIVE, NOT_YET_PAID, PAID_OR_HELD, Outcome
from reconciler.domain.rules.money_kept import refund_stake, refunded
from reconciler.domain.rules.order_check import order_verdict, paying_intent
from reconciler.domain.rules.pair_verdict import PairVerdict, dispute_verdict
from reconciler.domain.rules.severity_and_evidence import evidence, local_values, stripe_values


def correction_verdict(
    match: Match, payment: Payment, intent: Intent, rules: Rules
) -> PairVerdict | None:
    """The verdict of a CORRECT cell: a missed outcome without a reason may be written, everything else blocks it.

    None if the configuration says "keep" for the outcome, and the row agrees with it.

    Raises FactNeededError if refunds, disputes or the order have to be read first.
    """
    blocker = _money_blocker(match, payment, intent)
    if blocker is not None:
        return blocker

    # nothing shows which of several rows, or of several intents, is meant
    if match.contested or is_earlier_charge(match.payments, intent):
        return PairVerdict(Kind.AMBIGUOUS_ROW)
    if intent.outcome in rules.statuses.kept:
        is_ended = payment.outcome in (Outcome.INCOMPLETE, Outcome.FAILED)
        return None if is_ended else PairVerdict(Kind.MISSED_OUTCOME, Reason.KEPT)
    if intent.outcome not in rules.statuses.write:
        return PairVerdict(Kind.MISSED_OUTCOME, Reason.NO_LOCAL_VALUE)
    # the row was found by its order, and a correction would have to fill its intent in
    if payment.payment_intent is None and not rules.writes_intent:
        return PairVerdict(Kind.MISSED_OUTCOME, Reason.INTENT_NOT_WRITABLE)
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


def is_earlier_charge(rows: Sequence[Payment], intent: Intent) -> bool:
    """Whether a row holds another charge than the latest one: that an intent was paid does not make this attempt paid."""
    if intent.outcome not in PAID_OR_HELD:
        return False
    latest = None if intent.charge is None else intent.charge.id
    earlier = [
        row
        for row in rows
        if row.stored_id not in (None, latest)
        and stored_id(row.stored_id or "").kind is StoredIdKind.CHARGE
    ]
    # the row of an earlier attempt may stand beside the row of the latest one
    is_history = len(earlier) < len(rows) and all(row.outcome in NEGATIVE for row in earlier)
    return bool(earlier) and not is_history


@dataclass(frozen=True, slots=True)
class OrderOfRow:
    """What the order makes of a verdict: the verdict as it was or with a reason, a finding in its place, or a wait.

    ``relink_to`` is the intent at which the row of the finding may be pointed, None if a person has to decide that.
    """

    verdict: PairVerdict | None
    finding: Finding | None = None
    relink_to: Intent | None = None
    wait_until: datetime | None = None


AGREES: Final = OrderOfRow(None)
"""Of a row that agrees with its intent, and of which the order changes nothing: nearly every row."""


def order_of_row(
    match: Match,
    row: Payment,
    own: Intent,
    rules: Rules,
    now: datetime,
    verdict: PairVerdict | None,
) -> OrderOfRow:
    """Hold a verdict against the order of its row. ``now`` is Stripe's time.

    Raises FactNeededError if a negative write depends on an order that was not read yet.
    """
    # another finding about the row itself comes first
    is_missed = verdict is not None and verdict.kind is Kind.MISSED_OUTCOME
    facts = match.facts.order
    if facts is not None and (verdict is None or is_missed) and row.outcome in NOT_YET_PAID:
        paying = paying_intent(row, own, facts)
        if paying is not None:
            found = paid_by_other_intent(row, own, paying)
            may = rules.relink and may_be_relinked(row, own, paying, facts)
            return OrderOfRow(None, finding=found, relink_to=paying if may else None)

    # only a write that releases the order depends on the other intents
    is_written = is_missed and verdict is not None and verdict.reason is None
    if verdict is None:
        return AGREES
    if not is_written or own.outcome not in NEGATIVE:
        return OrderOfRow(verdict)
    if len({payment.order for payment in match.payments}) > 1:
        # parts of several orders: each of them may have been paid in another way
        return OrderOfRow(replace(verdict, reason=Reason.ORDER_NOT_KNOWN))
    if facts is None:
        raise FactNeededError(Question.ORDER)

    can_find = _can_find_orders(match, rules)
    known = facts if can_find else replace(facts, is_complete=True)
    parts = frozenset(payment.key for payment in match.payments)
    answer = order_verdict(row, own, known, now, parts)
    if answer.wait_until is not None:
        return OrderOfRow(None, wait_until=answer.wait_until)

    # if orders cannot be found, the money itself has to show which intent may have paid; a description is not searched for
    reason = answer.reason
    is_blind = not can_find or rules.link_description
    if reason is None and is_blind and _maybe_paid(match, row, own):
        reason = Reason.MAYBE_PAID
    return OrderOfRow(verdict if reason is None else replace(verdict, reason=reason))


def may_be_relinked(row: Payment, own: Intent, paying: Intent, facts: OrderFacts) -> bool:
    """Whether a row may be pointed at the paying intent without a person: nothing about the two is in doubt."""
    charge = paying.charge
    went_back = charge is not None and (charge.disputed or charge.amount_refunded > 0)
    paid_or_held = [one for one in facts.intents if one.outcome in PAID_OR_HELD]
    customers = {one.customer for one in (own, paying)} - {None}
    return (
        row.outcome.is_open
        and row.payment_intent == own.id
        and own.outcome in NEGATIVE
        and paying.outcome is Outcome.SUCCEEDED
        and not went_back
        and (paying.amount_received, paying.currency) == (row.amount, row.currency)
        and paying.created > own.created
        and len(customers) <= 1
        and paid_or_held == [paying]
        and {other.key for other in facts.rows} <= {row.key}
    )


def _can_find_orders(match: Match, rules: Rules) -> bool:
    return match.order is not None and rules.link_metadata is not None


def _maybe_paid(match: Match, row: Payment, own: Intent) -> bool:
    """Whether a paid intent without a row may be this row's payment."""
    begin = row.created or own.created
    return any(
        (paid.amount, paid.currency) == (row.amount, row.currency)
        and paid.created >= begin
        and paid.id != own.id
        for paid in match.facts.unmatched_paid
    )


def paid_by_other_intent(row: Payment, own: Intent, paying: Intent) -> Finding:
    """The row's own intent was not paid, and another intent of its order was."""
    return Finding(
        kind=Kind.PAID_BY_OTHER_INTENT,
        severity=Severity.CRITICAL,
        stake=Money(paying.amount_received or paying.amount_capturable, paying.currency),
        # the row's own intent identifies the finding, and the values are about the paying one
        payment_intent=row.payment_intent,
        keys=(row.key,),
        local=local_values(row),
        stripe={**stripe_values(paying), "paying_intent": paying.id, "own_status": own.status},
        evidence={
            **evidence(paying),
            "paying_intent": paying.id,
            "own_intent": {"id": own.id, "status": own.status, "request_id": own.request_id},
        },
    )
