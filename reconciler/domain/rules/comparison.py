"""The comparison of a match: which findings it has, and which of its rows may be corrected.

The decision table says what a row's outcome against Stripe's means. ``correction_blockers`` turn a correction that is not
safe into a finding for a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.domain.findings.discrepancy import Finding, Kind, Reason, Severity
from reconciler.domain.model.intent import Intent, MissingIntent
from reconciler.domain.model.match import Match, Rules
from reconciler.domain.model.payment import Payment
from reconciler.domain.money import Money
from reconciler.domain.outcome import SAYS_PAID, Outcome
from reconciler.domain.rules.correction_blockers import correction_verdict, order_of_row
from reconciler.domain.rules.decision_table import TABLE, Cell
from reconciler.domain.rules.missing_findings import (
    findings_missing_at_stripe,
    findings_missing_locally,
)
from reconciler.domain.rules.money_kept import money_kept
from reconciler.domain.rules.pair_verdict import PairVerdict, verdict_without_correction
from reconciler.domain.rules.rows_of_intent import (
    RowsRelation,
    parts_agree_with_refund,
    rows_of_intent,
)
from reconciler.domain.rules.severity_and_evidence import (
    evidence,
    local_values,
    severity_of,
    stake_of,
    stripe_values,
)
from reconciler.domain.rules.side_findings import side_findings


@dataclass(frozen=True, slots=True)
class Comparison:
    """The findings of a match.

    ``correct`` are the rows that may be corrected: one row, or all parts of a payment; none if there is nothing to write.
    ``wait_until`` is set if the order of a row may change by itself until then; then nothing else counts.
    """

    findings: tuple[Finding, ...]
    correct: tuple[Payment, ...] = ()
    wait_until: datetime | None = None
    relink_to: Intent | None = None
    """The intent at which the row to correct is pointed; None if it keeps its own."""


def compare(match: Match, rules: Rules, now: datetime) -> Comparison:
    """All findings of a match: for each row at most one that is not a side finding, and the side findings.

    ``now`` is Stripe's time. An unknown value is a finding. Raises FactNeededError if a verdict depends on something that
    was not read yet, and nothing else.
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
    rows = rows_of_intent(match.payments, intent)
    sides = side_findings(match, intent, rules, now)
    # of rows that nothing explains, none may be written
    if rows.relation is RowsRelation.UNEXPLAINED:
        return Comparison((*_unexplained_rows(match, intent, rules), *sides))

    # the verdict alone does not know what else was paid for the order
    verdict = pair_verdict(match, rows.as_one, intent, rules, is_explained=True)
    order = order_of_row(match, rows.as_one, intent, rules, now, verdict)
    if order.wait_until is not None:
        return Comparison((), wait_until=order.wait_until)
    if order.finding is not None:
        # a webhook finds its row by a Checkout Session, a charge or a client secret, so that text is never replaced
        keeps_text = rows.as_one.stored_id is not None
        may_write = Outcome.SUCCEEDED in rules.statuses.write and not keeps_text
        if order.relink_to is not None and may_write:
            return Comparison((order.finding, *sides), rows.compared, relink_to=order.relink_to)
        return Comparison((order.finding, *sides))
    if order.verdict is None:
        return Comparison(sides)

    # every blocker is another kind or a reason, so a missed outcome without a reason is safe to write
    found = pair_finding(order.verdict, rows.as_one, rows.compared, intent)
    may_be_written = found.kind is Kind.MISSED_OUTCOME and found.reason is None
    return Comparison((found, *sides), rows.compared if may_be_written else ())


def _unexplained_rows(match: Match, intent: Intent, rules: Rules) -> tuple[Finding, ...]:
    """The findings about several rows that are neither attempts nor parts: nothing of them is written."""
    if intent.outcome is Outcome.SUCCEEDED and intent.charge is not None:
        outcomes = {row.outcome for row in match.payments}
        back = money_kept(match, intent).refunded if Outcome.REFUNDED in outcomes else 0
        if parts_agree_with_refund(match.payments, intent.amount_received, back or 0):
            return ()

    by_kind: dict[Kind, Finding] = {}
    for payment in match.payments:
        verdict = pair_verdict(match, payment, intent, rules, is_explained=False)
        if verdict is None:
            continue
        # which of several rows is meant is the question, so the rows that agree are a part of it
        named = match.payments if verdict.kind is Kind.AMBIGUOUS_ROW else (payment,)
        found = pair_finding(verdict, payment, named, intent)
        earlier = by_kind.get(found.kind)
        by_kind[found.kind] = found if earlier is None else _merged(earlier, found)
    return tuple(by_kind.values())


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


def pair_verdict(
    match: Match, payment: Payment, intent: Intent, rules: Rules, *, is_explained: bool
) -> PairVerdict | None:
    """What a row and its intent disagree about, None if they agree.

    ``is_explained`` is whether the rows of the intent are known to belong together. Raises FactNeededError if the verdict
    depends on something that was not read yet.
    """
    # an unknown status comes first, because every other rule would rest on a guess
    if Outcome.UNKNOWN in (payment.outcome, intent.outcome):
        return PairVerdict(Kind.UNKNOWN_STATUS)
    # a settled row without an intent was paid in another way: two payments may be one order's
    says_paid = payment.outcome in SAYS_PAID
    if payment.payment_intent is None and says_paid and intent.outcome is Outcome.SUCCEEDED:
        return PairVerdict(Kind.AMBIGUOUS_ROW, Reason.ROW_WITHOUT_INTENT, Severity.CRITICAL)
    if TABLE[payment.outcome, intent.outcome] is Cell.CORRECT:
        return correction_verdict(match, payment, intent, rules, is_explained=is_explained)
    return verdict_without_correction(match, payment, intent, rules)


def pair_finding(
    verdict: PairVerdict, payment: Payment, rows: Sequence[Payment], intent: Intent
) -> Finding:
    """The finding of a verdict. ``payment`` was compared, ``rows`` are the rows that the finding names."""
    # a single row stands by itself, so that the fingerprint of stored findings stays the same
    values = [local_values(row) for row in rows]
    stake = stake_of(verdict.kind, payment, intent)
    if verdict.stake is not None:
        stake = Money(verdict.stake, intent.currency)
    return Finding(
        kind=verdict.kind,
        severity=verdict.severity or severity_of(verdict.kind, payment, rows, intent),
        stake=stake,
        payment_intent=intent.id,
        keys=tuple(row.key for row in rows),
        local=values[0] if len(values) == 1 else {"rows": values},
        stripe={**stripe_values(intent), **verdict.facts},
        reason=verdict.reason,
        evidence={**evidence(intent), **verdict.evidence},
    )
