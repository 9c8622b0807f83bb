"""Payment and intent in, findings out.

The table says what a local outcome against Stripe's means; the conditions over it turn a correction that would not be
safe into a finding for a person. Everything here looks at one subject: an intent with all rows that hold it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from reconciler.domain.findings.discrepancy import Finding, Kind, Reason, Severity
from reconciler.domain.model.intent import Intent, MissingIntent
from reconciler.domain.model.match import Match, Rules
from reconciler.domain.model.payment import Payment
from reconciler.domain.money import Money
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.correction_blockers import correction_blocker
from reconciler.domain.rules.decision_table import TABLE, Cell
from reconciler.domain.rules.severity_and_evidence import (
    evidence,
    local_values,
    severity_of,
    stake_of,
    stripe_values,
)
from reconciler.domain.rules.side_findings import duplicate_payments, side_findings


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one subject's two sides have to say to each other. ``correct`` is the row to correct, if it is safe."""

    findings: tuple[Finding, ...]
    correct: Payment | None = None


def compare(subject: Match, rules: Rules, now: datetime) -> Comparison:
    """All findings about a subject: at most one pair kind for each row's verdict, and side kinds beside it.

    ``now`` is Stripe's time. Never raises for a value it does not know.
    """
    if len(subject.payments) > 1:
        # in the order of their keys, so that the same rows always make the same fingerprint
        rows = sorted(subject.payments, key=lambda payment: payment.key)
        subject = replace(subject, payments=tuple(rows))
    match subject.intent:
        case MissingIntent():
            return Comparison(_missing_at_stripe(subject, subject.intent))
        case Intent():
            return _compare_with(subject, subject.intent, rules, now)
        case _ as unreachable:
            assert_never(unreachable)


def _compare_with(subject: Match, intent: Intent, rules: Rules, now: datetime) -> Comparison:
    if not subject.payments:
        found = _without_row(intent, rules)
        if found is None:
            return Comparison(())
        return Comparison((found, *duplicate_payments(subject, intent)))
    by_kind: dict[Kind, Finding] = {}
    correct: Payment | None = None
    for payment in subject.payments:
        found = pair_finding(subject, payment, intent, rules)
        if found is None:
            continue
        if found.kind is Kind.MISSED_OUTCOME and found.reason is None:
            correct = payment
        earlier = by_kind.get(found.kind)
        by_kind[found.kind] = found if earlier is None else _joined(earlier, found)
    sides = side_findings(subject, intent, rules, now)
    return Comparison((*by_kind.values(), *sides), correct)


def _joined(one: Finding, other: Finding) -> Finding:
    """One finding a kind, naming all keys."""
    if one.kind is Kind.AMBIGUOUS_ROW:
        return one  # it names every row already
    worst = max(one, other, key=lambda finding: list(Severity).index(finding.severity))
    keys = tuple(sorted({*one.keys, *other.keys}))
    rows = [*_rows(one), *_rows(other)]
    return replace(worst, keys=keys, local={"rows": rows})


def _rows(finding: Finding) -> list[object]:
    rows = finding.local.get("rows")
    return rows if isinstance(rows, list) else [finding.local]


def pair_finding(subject: Match, payment: Payment, intent: Intent, rules: Rules) -> Finding | None:
    """What a row and its intent disagree about, None where they agree."""
    kind, reason = _pair_kind(subject, payment, intent, rules)
    if kind is None:
        return None
    # which of several rows is meant is the question: those that agree are a part of it
    rows = subject.payments if kind is Kind.AMBIGUOUS_ROW else (payment,)
    values = [local_values(row) for row in rows]
    return Finding(
        kind=kind,
        severity=severity_of(kind, payment),
        stake=stake_of(kind, payment, intent),
        payment_intent=intent.id,
        keys=tuple(row.key for row in rows),
        local=values[0] if len(values) == 1 else {"rows": values},
        stripe=stripe_values(intent),
        reason=reason,
        evidence=evidence(intent),
    )


def _pair_kind(
    subject: Match, payment: Payment, intent: Intent, rules: Rules
) -> tuple[Kind | None, Reason | None]:
    if Outcome.UNKNOWN in (payment.outcome, intent.outcome):
        return Kind.UNKNOWN_STATUS, None
    match TABLE[payment.outcome, intent.outcome]:
        case Cell.KEEP:
            if payment.outcome is intent.outcome is Outcome.SUCCEEDED:
                return _both_succeeded(payment, intent, rules), None
            return None, None
        case Cell.REGRESSED:
            return Kind.REGRESSED, None
        case Cell.CONTRADICTED:
            return Kind.CONTRADICTED, None
        case Cell.PAID_AFTER_CANCEL:
            return Kind.PAID_AFTER_CANCEL, None
        case Cell.CORRECT:
            unsafe = correction_blocker(subject, payment, intent)
            if unsafe is not None:
                return unsafe, None
            writable = intent.outcome in rules.statuses.write
            return Kind.MISSED_OUTCOME, None if writable else Reason.NO_LOCAL_VALUE
        case _ as unreachable:
            assert_never(unreachable)


def _both_succeeded(payment: Payment, intent: Intent, rules: Rules) -> Kind | None:
    if payment.currency != intent.currency:
        return Kind.CURRENCY_MISMATCH
    if payment.amount != intent.amount_received:
        return Kind.AMOUNT_MISMATCH
    if intent.charge is None:
        return None
    if intent.charge.disputed:
        return Kind.DISPUTE_DRIFT
    # the table could say refunded and does not; one that has no such word agrees as well as it can
    if intent.charge.refunded and rules.statuses.can_say(Outcome.REFUNDED):
        return Kind.REFUND_DRIFT
    return None


def _without_row(intent: Intent, rules: Rules) -> Finding | None:
    if not rules.owns(intent):
        return None
    match intent.outcome:
        case Outcome.SUCCEEDED:
            kind, severity, amount = Kind.MISSING_LOCALLY, Severity.CRITICAL, intent.settled_amount
        case Outcome.AUTHORIZED:
            held = intent.amount_received or intent.amount_capturable
            kind, severity, amount = Kind.MISSING_LOCALLY, Severity.CRITICAL, held
        case Outcome.UNKNOWN:
            kind, severity, amount = Kind.UNKNOWN_STATUS, Severity.WARNING, intent.amount
        case _:
            return None
    return Finding(
        kind=kind,
        severity=severity,
        stake=Money(amount, intent.currency),
        payment_intent=intent.id,
        keys=(),
        local={},
        stripe=stripe_values(intent),
        evidence=evidence(intent),
    )


def _why_missing(missing: MissingIntent) -> Reason | None:
    if missing.impossible:
        return Reason.NOT_AN_ID
    return Reason.WRONG_MODE if missing.other_mode else None


def _missing_at_stripe(subject: Match, missing: MissingIntent) -> tuple[Finding, ...]:
    unknown = [row for row in subject.payments if row.outcome is Outcome.UNKNOWN]
    others = [row for row in subject.payments if row.outcome is not Outcome.UNKNOWN]
    by_kind = {Kind.UNKNOWN_STATUS: unknown, Kind.MISSING_AT_STRIPE: others}
    return tuple(_missing(kind, rows, missing) for kind, rows in by_kind.items() if rows)


def _missing(kind: Kind, rows: list[Payment], missing: MissingIntent) -> Finding:
    paid = [row for row in rows if row.outcome is Outcome.SUCCEEDED]
    worst = (paid or rows)[0]
    return Finding(
        kind=kind,
        severity=Severity.CRITICAL if paid else Severity.WARNING,
        stake=Money(abs(worst.amount or 0), worst.currency or "xxx"),
        payment_intent=missing.id,
        keys=tuple(row.key for row in rows),
        local={"rows": [local_values(row) for row in rows]},
        stripe={"missing": True, "other_mode": missing.other_mode},
        reason=_why_missing(missing),
        evidence={"request_id": missing.request_id, "seen_at": missing.seen_at},
    )
