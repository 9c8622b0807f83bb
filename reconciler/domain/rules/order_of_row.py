"""The order of a row in a verdict: what blocks a negative write, and which other intent paid instead."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.domain.findings.discrepancy import Finding, Kind, Reason, Severity
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match, Rules
from reconciler.domain.model.match_facts import FactNeededError, OrderFacts, Question
from reconciler.domain.model.payment import Payment
from reconciler.domain.money import Money
from reconciler.domain.outcome import NEGATIVE, NOT_YET_PAID, PAID_OR_HELD, Outcome
from reconciler.domain.rules.order_check import order_verdict, paying_intent
from reconciler.domain.rules.pair_verdict import PairVerdict
from reconciler.domain.rules.severity_and_evidence import evidence, local_values, stripe_values


@dataclass(frozen=True, slots=True)
class OrderOfRow:
    """What the order makes of a verdict: the verdict as it was or with a reason, a finding in its place, or a wait.

    ``relink_to`` is the intent at which the row of the finding may be pointed, None if a person has to decide that.
    """

    verdict: PairVerdict | None
    finding: Finding | None = None
    relink_to: Intent | None = None
    wait_until: datetime | None = None


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
    if verdict is None or not is_written or own.outcome not in NEGATIVE:
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

    # if orders cannot be found, the money itself has to show which intent may have paid
    reason = answer.reason
    if reason is None and not can_find and _maybe_paid(match, row, own):
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
