"""Findings that may stand beside the finding about a row and its intent: passed deadlines and an order paid twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from reconciler.domain.findings.discrepancy import Finding, Kind, Severity
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match, PaidSibling, Rules
from reconciler.domain.model.payment import Payment
from reconciler.domain.money import Money
from reconciler.domain.outcome import OPEN, Outcome
from reconciler.domain.rules.payment_method_deadlines import (
    CaptureDeadline,
    capture_deadline,
    capture_is_expiring,
    expected_until,
    is_overdue,
)
from reconciler.domain.rules.severity_and_evidence import evidence, local_values, stripe_values

_AT_THE_BANK: Final = frozenset({Outcome.PROCESSING, Outcome.AUTHORIZED})
_UNPAID: Final = frozenset({Outcome.INCOMPLETE, Outcome.FAILED})


def side_findings(match: Match, intent: Intent, rules: Rules, now: datetime) -> tuple[Finding, ...]:
    """Every side finding of a match that has rows. ``now`` is Stripe's time."""
    found: list[Finding] = []
    # the deadlines of a payment end with it
    if intent.outcome in OPEN:
        found.extend(_passed_deadlines(match, intent, rules, now))

    if intent.status == "requires_action" and (arrived := amount_arrived(intent)):
        # the merchant has released a canceled order and holds a part of its money
        is_canceled = any(row.outcome is Outcome.CANCELED for row in match.payments)
        severity = Severity.CRITICAL if is_canceled else Severity.WARNING
        found.append(_finding(Kind.PARTIALLY_FUNDED, severity, arrived, match, intent))
    if match.siblings:
        found.extend(duplicate_payments(match, intent))
    return tuple(found)


def _passed_deadlines(
    match: Match, intent: Intent, rules: Rules, now: datetime
) -> Iterator[Finding]:
    deadline = capture_deadline(intent)
    if deadline is not None and capture_is_expiring(intent, now):
        yield _capture_expiring(match, intent, deadline)
    if is_overdue(intent, now):
        yield _finding(Kind.OVERDUE, Severity.INFO, intent.amount, match, intent)
    if is_exhausted(match, intent, rules, now):
        yield _finding(Kind.EXHAUSTED, Severity.WARNING, intent.amount, match, intent)


def _capture_expiring(match: Match, intent: Intent, deadline: CaptureDeadline) -> Finding:
    stake = intent.amount_capturable
    found = _finding(Kind.CAPTURE_EXPIRING, Severity.WARNING, stake, match, intent)
    # a documented time is less certain than Stripe's own, so a person has to see which of them it is
    source = "stripe" if deadline.is_stripes else "documented time of the payment method"
    ends = {"capture_before": deadline.before, "capture_before_from": source}
    return replace(found, evidence={**found.evidence, **ends})


def amount_arrived(intent: Intent) -> int:
    """What a bank transfer has brought so far, in minor units: 0 if nothing came or everything did."""
    action = intent.next_action
    if intent.status != "requires_action" or action is None or action.amount_remaining is None:
        return 0
    return max(0, intent.amount - action.amount_remaining)


def is_exhausted(match: Match, intent: Intent, rules: Rules, now: datetime) -> bool:
    """Whether both sides wait for the bank past the horizon and past every known deadline."""
    return intent.outcome in _AT_THE_BANK and any(
        payment.outcome in _AT_THE_BANK and _is_past(payment, intent, rules, now)
        for payment in match.payments
    )


def is_abandoned(match: Match, intent: Intent, rules: Rules, now: datetime) -> bool:
    """Whether this is an unpaid cart past the horizon and past every known deadline, which is only counted."""
    return (
        not amount_arrived(intent)
        and intent.outcome in _UNPAID
        and any(
            payment.outcome in _UNPAID and _is_past(payment, intent, rules, now)
            for payment in match.payments
        )
    )


def _is_past(payment: Payment, intent: Intent, rules: Rules, now: datetime) -> bool:
    return now > expected_until(intent, payment.created, rules.horizon)


def duplicate_payments(match: Match, intent: Intent) -> tuple[Finding, ...]:
    """The findings about an order that two intents were paid for: for each pair one, on the intent created later.

    A finding about a later sibling belongs to the sibling's identity, not to this match.
    """
    if match.order is None or not match.siblings or not intent.is_paid:
        return ()
    this = PaidSibling.of_intent(intent, match.payments[0] if match.payments else None)
    same_money = [
        sibling
        for sibling in match.siblings
        if sibling.payment_intent != intent.id
        and (sibling.payment_intent or sibling.key not in match.keys)
        and (sibling.amount, sibling.currency) == (this.amount, this.currency)
    ]
    # a row without an intent has no finding of its own, so the pair's one finding is about this intent
    later = [
        sibling for sibling in same_money if sibling.payment_intent and sibling.is_later_than(this)
    ]
    earlier = [sibling for sibling in same_money if sibling not in later]

    found = [_duplicate(sibling, this, match.order) for sibling in later]
    if earlier:
        # always the same one, so that the evidence does not depend on the order of the siblings
        first = min(earlier, key=lambda sibling: sibling.payment_intent)
        found.append(_duplicate(this, first, match.order))
    return tuple(found)


def _duplicate(later: PaidSibling, earlier: PaidSibling, order: str) -> Finding:
    return Finding(
        kind=Kind.DUPLICATE_PAYMENT,
        severity=Severity.CRITICAL,
        stake=Money(later.amount or 0, later.currency or "xxx"),
        payment_intent=later.payment_intent,
        keys=() if later.key is None else (later.key,),
        local={"key": later.key, "order": order},
        stripe={"amount_received": later.amount, "currency": later.currency},
        evidence={"also_paid_by": earlier.payment_intent, "also_paid_key": earlier.key},
    )


def _finding(kind: Kind, severity: Severity, amount: int, match: Match, intent: Intent) -> Finding:
    return Finding(
        kind=kind,
        severity=severity,
        stake=Money(amount, intent.currency),
        payment_intent=intent.id,
        keys=match.keys,
        local={"rows": [local_values(payment) for payment in match.payments]},
        stripe=stripe_values(intent),
        evidence=evidence(intent),
    )
