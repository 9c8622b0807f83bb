"""What may stand beside a pair's own finding: deadlines that pass, and an order paid twice."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from reconciler.domain.findings.discrepancy import Finding, Kind, Severity
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match, PaidSibling, Rules
from reconciler.domain.model.payment import Payment
from reconciler.domain.money import Money
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.payment_method_deadlines import (
    capture_is_expiring,
    is_overdue,
    known_deadline,
)
from reconciler.domain.rules.severity_and_evidence import evidence, local_values, stripe_values

_AT_THE_BANK: Final = frozenset({Outcome.PROCESSING, Outcome.AUTHORIZED})
_UNPAID: Final = frozenset({Outcome.INCOMPLETE, Outcome.FAILED})


def side_findings(
    subject: Match, intent: Intent, rules: Rules, now: datetime
) -> tuple[Finding, ...]:
    """Every side condition that holds of a subject with rows. ``now`` is Stripe's time."""
    found: list[Finding] = []
    if capture_is_expiring(intent, now):
        stake = intent.amount_capturable
        found.append(_side(Kind.CAPTURE_EXPIRING, Severity.WARNING, stake, subject, intent))
    if is_overdue(intent, now):
        found.append(_side(Kind.OVERDUE, Severity.INFO, intent.amount, subject, intent))
    if is_exhausted(subject, intent, rules, now):
        found.append(_side(Kind.EXHAUSTED, Severity.WARNING, intent.amount, subject, intent))
    found.extend(duplicate_payments(subject, intent))
    return tuple(found)


def is_exhausted(subject: Match, intent: Intent, rules: Rules, now: datetime) -> bool:
    """Both sides wait for the bank, and nothing more is to be expected by itself."""
    return intent.outcome in _AT_THE_BANK and any(
        payment.outcome in _AT_THE_BANK and _is_past(payment, intent, rules, now)
        for payment in subject.payments
    )


def is_abandoned(subject: Match, intent: Intent, rules: Rules, now: datetime) -> bool:
    """An unpaid cart that nobody will come back to: only counted."""
    return intent.outcome in _UNPAID and any(
        payment.outcome in _UNPAID and _is_past(payment, intent, rules, now)
        for payment in subject.payments
    )


def _is_past(payment: Payment, intent: Intent, rules: Rules, now: datetime) -> bool:
    """Past the later of the row's horizon and the intent's known deadline."""
    limit = (payment.created or intent.created) + rules.horizon
    deadline = known_deadline(intent)
    return now > (limit if deadline is None else max(limit, deadline))


def duplicate_payments(subject: Match, intent: Intent) -> tuple[Finding, ...]:
    """An order that two intents were paid for: one finding on each later-created intent, once a pair.

    The finding may be on a sibling: then it belongs to the sibling's identity, not to this subject's.
    """
    if not intent.is_paid or subject.order is None:
        return ()
    first_row = subject.payments[0] if subject.payments else None
    this = PaidSibling.of_intent(intent, first_row)
    same = [
        sibling
        for sibling in subject.siblings
        if sibling.payment_intent != intent.id
        and (sibling.amount, sibling.currency) == (this.amount, this.currency)
    ]
    later = [sibling for sibling in same if sibling.is_later_than(this)]
    earlier = [sibling for sibling in same if sibling not in later]
    found = [_duplicate(sibling, this, subject.order) for sibling in later]
    if earlier:
        first = min(earlier, key=lambda sibling: sibling.payment_intent)
        found.append(_duplicate(this, first, subject.order))
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


def _side(kind: Kind, severity: Severity, amount: int, subject: Match, intent: Intent) -> Finding:
    return Finding(
        kind=kind,
        severity=severity,
        stake=Money(amount, intent.currency),
        payment_intent=intent.id,
        keys=subject.keys,
        local={"rows": [local_values(payment) for payment in subject.payments]},
        stripe=stripe_values(intent),
        evidence=evidence(intent),
    )
