"""The comparison of a match: which findings it has, and which of its rows may be corrected.

The decision table says what a row's outcome against Stripe's means. ``correction_blockers`` turn a correction that is not
safe into a finding for a person.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from reconciler.domain.findings.discrepancy import Finding, Kind, Reason, Severity
from reconciler.domain.model.intent import Intent, MissingIntent
from reconciler.domain.model.match import Match, Rules
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.correction_blockers import correction_blocker
from reconciler.domain.rules.decision_table import TABLE, Cell
from reconciler.domain.rules.missing_findings import (
    findings_missing_at_stripe,
    findings_missing_locally,
)
from reconciler.domain.rules.severity_and_evidence import (
    evidence,
    local_values,
    severity_of,
    stake_of,
    stripe_values,
)
from reconciler.domain.rules.side_findings import side_findings

_FLAGGED_CELLS: Final = {
    Cell.REGRESSED: Kind.REGRESSED,
    Cell.CONTRADICTED: Kind.CONTRADICTED,
    Cell.PAID_AFTER_CANCEL: Kind.PAID_AFTER_CANCEL,
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The findings of a match. ``correct`` is the row that may be corrected, None if there is none."""

    findings: tuple[Finding, ...]
    correct: Payment | None = None


def compare(match: Match, rules: Rules, now: datetime) -> Comparison:
    """All findings of a match: for each row at most one that is not a side finding, and the side findings.

    ``now`` is Stripe's time. An unknown value is a finding; it raises nothing.
    """
    if len(match.payments) > 1:
        # the database returns rows in any order, and the same rows must always make the same fingerprint
        rows = sorted(match.payments, key=lambda payment: payment.key)
        match = replace(match, payments=tuple(rows))
    if isinstance(match.intent, MissingIntent):
        return Comparison(findings_missing_at_stripe(match, match.intent))
    if not match.payments:
        return Comparison(findings_missing_locally(match, match.intent, rules))
    return _compare_rows(match, match.intent, rules, now)


def _compare_rows(match: Match, intent: Intent, rules: Rules, now: datetime) -> Comparison:
    by_kind: dict[Kind, Finding] = {}
    correct: Payment | None = None
    for payment in match.payments:
        found = pair_finding(match, payment, intent, rules)
        if found is None:
            continue
        if found.kind is Kind.MISSED_OUTCOME and found.reason is None:
            correct = payment
        earlier = by_kind.get(found.kind)
        by_kind[found.kind] = found if earlier is None else _merged(earlier, found)
    return Comparison((*by_kind.values(), *side_findings(match, intent, rules, now)), correct)


def _merged(one: Finding, other: Finding) -> Finding:
    """One finding of a kind that names the rows of both, as severe as the severer one."""
    if one.kind is Kind.AMBIGUOUS_ROW:
        return one  # it names every row of the match already
    worst = max(one, other, key=lambda finding: list(Severity).index(finding.severity))
    keys = tuple(sorted({*one.keys, *other.keys}))
    return replace(worst, keys=keys, local={"rows": [*_rows(one), *_rows(other)]})


def _rows(finding: Finding) -> list[object]:
    rows = finding.local.get("rows")
    return rows if isinstance(rows, list) else [finding.local]


def pair_finding(match: Match, payment: Payment, intent: Intent, rules: Rules) -> Finding | None:
    """The finding about one row and its intent, None if they agree."""
    kind, reason = _pair_kind(match, payment, intent, rules)
    if kind is None:
        return None

    # which of several rows is meant is the question, so the rows that agree are a part of it
    rows = match.payments if kind is Kind.AMBIGUOUS_ROW else (payment,)
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
    match: Match, payment: Payment, intent: Intent, rules: Rules
) -> tuple[Kind | None, Reason | None]:
    """The kind and the reason of the finding about one row and its intent; (None, None) if they agree."""
    # an unknown status comes first, because every other rule would rest on a guess
    if Outcome.UNKNOWN in (payment.outcome, intent.outcome):
        return Kind.UNKNOWN_STATUS, None
    cell = TABLE[payment.outcome, intent.outcome]
    if cell is Cell.KEEP:
        both_succeeded = payment.outcome is intent.outcome is Outcome.SUCCEEDED
        return _kind_of_both_succeeded(payment, intent, rules) if both_succeeded else None, None
    if cell is not Cell.CORRECT:
        return _FLAGGED_CELLS[cell], None

    blocker = correction_blocker(match, payment, intent)
    if blocker is not None:
        return blocker, None
    is_writable = intent.outcome in rules.statuses.write
    return Kind.MISSED_OUTCOME, None if is_writable else Reason.NO_LOCAL_VALUE


def _kind_of_both_succeeded(payment: Payment, intent: Intent, rules: Rules) -> Kind | None:
    """Both sides say paid: whether the money agrees too."""
    if payment.currency != intent.currency:
        return Kind.CURRENCY_MISMATCH
    if payment.amount != intent.amount_received:
        return Kind.AMOUNT_MISMATCH
    if intent.charge is None:
        return None
    if intent.charge.disputed:
        return Kind.DISPUTE_DRIFT
    # a table without a status for refunds cannot say more than paid
    if intent.charge.refunded and rules.statuses.can_say(Outcome.REFUNDED):
        return Kind.REFUND_DRIFT
    return None
