"""Findings about what stands on one side only: an intent without a row, and rows whose intent Stripe does not know."""

from __future__ import annotations

from reconciler.domain.findings.discrepancy import Finding, Kind, Reason, Severity
from reconciler.domain.model.intent import Intent, MissingIntent
from reconciler.domain.model.match import Match, Rules
from reconciler.domain.model.payment import Payment
from reconciler.domain.money import Money
from reconciler.domain.outcome import SAYS_PAID, Outcome
from reconciler.domain.rules.severity_and_evidence import evidence, local_values, stripe_values
from reconciler.domain.rules.side_findings import duplicate_payments


def findings_missing_locally(match: Match, intent: Intent, rules: Rules) -> tuple[Finding, ...]:
    """The findings about an intent that no row holds."""
    # a finding about the row that the intent pays for tells of this money already
    if not rules.owns(intent) or match.facts.pays_for_row:
        return ()
    # so does a row outside the mapping, such as a deleted one that says paid
    excluded = match.facts.excluded_rows
    if any(row.outcome in SAYS_PAID for row in excluded):
        return ()

    if intent.outcome is Outcome.SUCCEEDED:
        kind, severity, amount = Kind.MISSING_LOCALLY, Severity.CRITICAL, intent.settled_amount
    elif intent.outcome is Outcome.AUTHORIZED:
        held = intent.amount_received or intent.amount_capturable
        kind, severity, amount = Kind.MISSING_LOCALLY, Severity.CRITICAL, held
    elif intent.outcome is Outcome.UNKNOWN:
        kind, severity, amount = Kind.UNKNOWN_STATUS, Severity.WARNING, intent.amount
    else:
        return ()  # no money was taken or is held, so no row has to exist

    found = Finding(
        kind=kind,
        severity=severity,
        stake=Money(amount, intent.currency),
        payment_intent=intent.id,
        keys=tuple(row.key for row in excluded),
        local={"rows": [local_values(row) for row in excluded]} if excluded else {},
        stripe=stripe_values(intent),
        reason=Reason.ROW_EXCLUDED if excluded else None,
        evidence=evidence(intent),
    )
    return (found, *duplicate_payments(match, intent))


def findings_missing_at_stripe(match: Match, missing: MissingIntent) -> tuple[Finding, ...]:
    """The findings about rows that hold an intent which Stripe does not know."""
    # Stripe was not asked about a text that cannot be an id, so it says nothing about the row
    if missing.impossible:
        return ()
    unknown = [row for row in match.payments if row.outcome is Outcome.UNKNOWN]
    others = [row for row in match.payments if row.outcome is not Outcome.UNKNOWN]
    # rows of an unknown status make a finding of their own, so that they do not hide the severity of a paid row
    by_kind = {Kind.UNKNOWN_STATUS: unknown, Kind.MISSING_AT_STRIPE: others}
    return tuple(_missing_finding(kind, rows, missing) for kind, rows in by_kind.items() if rows)


def _missing_finding(kind: Kind, rows: list[Payment], missing: MissingIntent) -> Finding:
    # goods may have been sent for a paid row, so it decides about severity and money
    paid = [row for row in rows if row.outcome is Outcome.SUCCEEDED]
    worst = (paid or rows)[0]
    return Finding(
        kind=kind,
        severity=Severity.CRITICAL if paid else Severity.WARNING,
        # "xxx" is ISO 4217's code for no currency
        stake=Money(abs(worst.amount or 0), worst.currency or "xxx"),
        payment_intent=missing.id,
        keys=tuple(row.key for row in rows),
        local={"rows": [local_values(row) for row in rows]},
        stripe={"missing": True, "other_mode": missing.other_mode},
        reason=Reason.WRONG_MODE if missing.other_mode else None,
        evidence={"request_id": missing.request_id, "seen_at": missing.seen_at},
    )
