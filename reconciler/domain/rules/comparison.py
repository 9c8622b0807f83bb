"""The comparison of a match: which findings it has, which of its rows may be corrected, and what its rows are to each other.

The decision table says what a row's outcome against Stripe's means. ``correction_blockers`` turn a correction that is not
safe into a finding for a person. Several rows that hold one intent are a row for each attempt, a row for each part, or a
question for a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from reconciler.domain.findings.discrepancy import Finding, Kind, Reason, Severity
from reconciler.domain.model.intent import Intent, MissingIntent
from reconciler.domain.model.match import Match, Rules
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import NEGATIVE, PAID_OR_HELD, SAYS_PAID, Outcome
from reconciler.domain.rules.correction_blockers import correction_verdict, order_of_row
from reconciler.domain.rules.decision_table import TABLE, Cell
from reconciler.domain.rules.grace import Wait, wait_for_refund
from reconciler.domain.rules.missing_findings import (
    findings_missing_at_stripe,
    findings_missing_locally,
)
from reconciler.domain.rules.money_kept import money_kept
from reconciler.domain.rules.pair_verdict import (
    PairVerdict,
    unknown_verdict,
    verdict_without_correction,
)
from reconciler.domain.rules.severity_and_evidence import (
    pair_finding,
)
from reconciler.domain.rules.side_findings import side_findings

_PAID_OR_REFUNDED: Final = frozenset({Outcome.SUCCEEDED, Outcome.REFUNDED})


class RowsRelation(StrEnum):
    """How the rows of one intent belong together."""

    SINGLE = "single"
    """One row, or one row beside the history of earlier attempts."""
    PARTS = "parts"
    """Rows that add up to the intent's amount: they stand as one payment of their sum."""
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class RowsOfIntent:
    """The rows of an intent as the rules see them.

    ``compared`` are the rows that one examination compares: one row for SINGLE, all parts for PARTS. Rows of earlier
    attempts stay as they are and are not among them. ``as_one`` stands for ``compared`` in a comparison.
    """

    relation: RowsRelation
    compared: tuple[Payment, ...]
    as_one: Payment


def rows_of_intent(rows: Sequence[Payment], intent: Intent) -> RowsOfIntent:
    """What the rows of an intent are to each other; ``rows`` has at least one."""
    if len(rows) == 1:
        return RowsOfIntent(RowsRelation.SINGLE, tuple(rows), rows[0])

    attempts = _attempts(rows)
    if attempts is not None:
        return attempts
    if _are_parts(rows, intent):
        return RowsOfIntent(RowsRelation.PARTS, tuple(rows), _sum_of(rows))
    return RowsOfIntent(RowsRelation.UNEXPLAINED, tuple(rows), rows[0])


def _attempts(rows: Sequence[Payment]) -> RowsOfIntent | None:
    """A row for each attempt: all alike, and exactly one that has not ended as failed or canceled."""
    alike = {(row.amount, row.currency, row.order) for row in rows}
    going_on = [row for row in rows if row.outcome not in NEGATIVE]
    if len(alike) != 1 or len(going_on) != 1:
        return None
    return RowsOfIntent(RowsRelation.SINGLE, (going_on[0],), going_on[0])


def _are_parts(rows: Sequence[Payment], intent: Intent) -> bool:
    """A row for each part: one outcome, one currency, positive amounts, and together the intent's amount."""
    if len({row.outcome for row in rows}) != 1 or len({row.currency for row in rows}) != 1:
        return False
    amounts = [row.amount for row in rows]
    if not all(amount is not None and amount > 0 for amount in amounts):
        return False
    return sum(amount for amount in amounts if amount is not None) == intent.amount


def _sum_of(rows: Sequence[Payment]) -> Payment:
    total = sum(row.amount for row in rows if row.amount is not None)
    return replace(rows[0], amount=total)


def parts_agree_with_refund(rows: Sequence[Payment], received: int, refunded: int) -> bool:
    """Parts of which some read succeeded and some refunded: whether they tell what Stripe received and gave back."""
    outcomes = {row.outcome for row in rows}
    if outcomes != _PAID_OR_REFUNDED or len({row.currency for row in rows}) != 1:
        return False
    if not all(row.amount is not None and row.amount > 0 for row in rows):
        return False
    total = sum(row.amount or 0 for row in rows)
    back = sum(row.amount or 0 for row in rows if row.outcome is Outcome.REFUNDED)
    return total == received and back == refunded


ORDER_MAY_CHANGE: Final = "another PaymentIntent of the same order can still be paid"
REFUND_MAY_COME: Final = "the row was set to refunded only recently (within corrections.grace)"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The findings of a match.

    ``correct`` are the rows that may be corrected: one row, or all parts of a payment; none if there is nothing to write.
    ``wait`` is set if what was found may change by itself until then; then nothing else counts.
    """

    findings: tuple[Finding, ...]
    correct: tuple[Payment, ...] = ()
    wait: Wait | None = None
    relink_to: Intent | None = None
    """The intent at which the row to correct is pointed; None if it keeps its own."""


NO_FINDINGS: Final = Comparison(())
"""Of a match whose sides agree: nearly every one."""


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
        return Comparison((*_unexplained_rows(match, intent), *sides))

    # the verdict alone does not know what else was paid for the order
    verdict = pair_verdict(match, rows.as_one, intent, rules)
    if verdict is not None and verdict.kind is Kind.REFUND_MISSING:
        until = wait_for_refund(rows.compared, rules, now)
        if until is not None:
            return Comparison((), wait=Wait(until, REFUND_MAY_COME))
    order = order_of_row(match, rows.as_one, intent, rules, now, verdict)
    if order.wait_until is not None:
        return Comparison((), wait=Wait(order.wait_until, ORDER_MAY_CHANGE))
    if order.finding is not None:
        # a webhook finds its row by a Checkout Session, a charge or a client secret, so that text is never replaced
        keeps_text = rows.as_one.stored_id is not None
        may_write = Outcome.SUCCEEDED in rules.statuses.write and not keeps_text
        if order.relink_to is not None and not rules.writes_intent:
            finding = replace(order.finding, reason=Reason.INTENT_NOT_WRITABLE)
            return Comparison((finding, *sides))
        if order.relink_to is not None and may_write:
            return Comparison((order.finding, *sides), rows.compared, relink_to=order.relink_to)
        return Comparison((order.finding, *sides))
    if order.verdict is None:
        return Comparison(sides) if sides else NO_FINDINGS

    # every blocker is another kind or a reason, so a missed outcome without a reason is safe to write
    found = pair_finding(order.verdict, rows.as_one, rows.compared, intent)
    may_be_written = found.kind is Kind.MISSED_OUTCOME and found.reason is None
    return Comparison((found, *sides), rows.compared if may_be_written else ())


def _unexplained_rows(match: Match, intent: Intent) -> tuple[Finding, ...]:
    """The one finding about several rows that are neither attempts nor parts: nothing of them is written."""
    rows = match.payments
    outcomes = {row.outcome for row in rows}
    # an unknown status comes first, because every other rule would rest on a guess
    if Outcome.UNKNOWN in {intent.outcome, *outcomes}:
        return (pair_finding(unknown_verdict(rows), rows[0], rows, intent),)
    if _rows_agree(match, intent):
        return ()

    # a settled row without an intent was paid in another way
    is_paid = intent.outcome is Outcome.SUCCEEDED
    verdict = PairVerdict(Kind.AMBIGUOUS_ROW)
    if is_paid and any(_is_paid_without_intent(row) for row in rows):
        verdict = _ROW_WITHOUT_INTENT
    # which of the rows is meant is the question, so the rows that agree are a part of it
    return (pair_finding(verdict, rows[0], rows, intent),)


def _rows_agree(match: Match, intent: Intent) -> bool:
    """Whether rows that nothing explains leave no question open."""
    rows = match.payments
    # while no money was taken or is held, rows that all say what Stripe says need no explanation
    if intent.outcome not in PAID_OR_HELD and not intent.amount_received:
        return all(TABLE[row.outcome, intent.outcome] is Cell.KEEP for row in rows)
    if intent.outcome is not Outcome.SUCCEEDED or intent.charge is None:
        return False
    says_refunded = any(row.outcome is Outcome.REFUNDED for row in rows)
    back = money_kept(match, intent).refunded if says_refunded else 0
    return parts_agree_with_refund(rows, intent.amount_received, back or 0)


_ROW_WITHOUT_INTENT: Final = PairVerdict(
    Kind.AMBIGUOUS_ROW, Reason.ROW_WITHOUT_INTENT, Severity.CRITICAL
)


def _is_paid_without_intent(row: Payment) -> bool:
    return row.payment_intent is None and row.outcome in SAYS_PAID


def pair_verdict(
    match: Match, payment: Payment, intent: Intent, rules: Rules
) -> PairVerdict | None:
    """What a row and its intent disagree about, None if they agree.

    Raises FactNeededError if the verdict depends on something that was not read yet.
    """
    # an unknown status comes first, because every other rule would rest on a guess
    if Outcome.UNKNOWN in (payment.outcome, intent.outcome):
        return unknown_verdict((payment,))
    # a settled row without an intent was paid in another way: two payments may be one order's
    if _is_paid_without_intent(payment) and intent.outcome is Outcome.SUCCEEDED:
        return _ROW_WITHOUT_INTENT
    if TABLE[payment.outcome, intent.outcome] is Cell.CORRECT:
        return correction_verdict(match, payment, intent, rules)
    return verdict_without_correction(match, payment, intent, rules)
