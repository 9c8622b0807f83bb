"""The verdict about one row and its intent: whether outcome and money agree, and which kind of finding it is if not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from reconciler.domain.findings.discrepancy import Kind, Reason, Severity
from reconciler.domain.model.intent import Charge, Intent
from reconciler.domain.model.match import Match, Rules
from reconciler.domain.model.money_back import Dispute, DisputePhase
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision_table import TABLE, Cell
from reconciler.domain.rules.money_kept import (
    dispute_that_counts,
    has_any_dispute,
    is_dispute_listed,
    money_kept,
    refund_stake,
    refunded,
)

_FLAGGED_CELLS: Final = {
    Cell.REGRESSED: Kind.REGRESSED,
    Cell.CONTRADICTED: Kind.CONTRADICTED,
    Cell.PAID_AFTER_CANCEL: Kind.PAID_AFTER_CANCEL,
}
_DISPUTE_SEVERITY: Final = {
    DisputePhase.LOST: Severity.CRITICAL,
    DisputePhase.NEEDS_RESPONSE: Severity.WARNING,
    DisputePhase.UNDER_REVIEW: Severity.WARNING,
    DisputePhase.INQUIRY: Severity.INFO,
    DisputePhase.OVER: Severity.INFO,
}


@dataclass(frozen=True, slots=True)
class PairVerdict:
    """What disagrees. ``severity`` and ``stake`` are None if the kind alone decides them.

    ``facts`` are values beside those of row and intent that the finding rests on: a dispute's status, what was kept.
    They belong to the fingerprint.
    """

    kind: Kind
    reason: Reason | None = None
    severity: Severity | None = None
    stake: int | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    evidence: Mapping[str, object] = field(default_factory=dict)


def unknown_verdict(rows: Sequence[Payment]) -> PairVerdict:
    """The verdict if a status is unknown, on either side, or if an SQL text of the mapping fails for one of the rows."""
    parts = sorted({row.unreadable for row in rows if row.unreadable is not None})
    if not parts:
        return PairVerdict(Kind.UNKNOWN_STATUS)
    evidence = {"text": ", ".join(f"payments.{part}" for part in parts)}
    return PairVerdict(Kind.UNKNOWN_STATUS, Reason.NOT_READABLE, evidence=evidence)


def verdict_without_correction(
    match: Match, payment: Payment, intent: Intent, rules: Rules
) -> PairVerdict | None:
    """The verdict of every cell but CORRECT; None if both sides agree.

    Raises FactNeededError if refunds or disputes have to be read first.
    """
    cell = TABLE[payment.outcome, intent.outcome]
    if cell is Cell.PAID_AFTER_CANCEL and intent.outcome is Outcome.SUCCEEDED:
        kept = money_kept(match, intent).kept
        # an order that was canceled and paid back in full has ended well
        return PairVerdict(Kind.PAID_AFTER_CANCEL, stake=kept) if kept else None
    if cell is not Cell.KEEP:
        return PairVerdict(_FLAGGED_CELLS[cell])

    # both outcomes agree, but the money may not
    match payment.outcome, intent.outcome:
        case Outcome.SUCCEEDED, Outcome.SUCCEEDED:
            return _both_succeeded(match, payment, intent, rules)
        case Outcome.AUTHORIZED, Outcome.AUTHORIZED:
            return _both_authorized(payment, intent)
        case Outcome.CANCELED, Outcome.CANCELED if intent.amount_received:
            kept = money_kept(match, intent).kept
            severity = Severity.CRITICAL
            return (
                PairVerdict(Kind.AMOUNT_MISMATCH, severity=severity, stake=kept) if kept else None
            )
        case Outcome.REFUNDED, Outcome.SUCCEEDED:
            return _refund_missing(match, intent)
        case Outcome.DISPUTED, Outcome.SUCCEEDED:
            return _dispute_missing(match, intent)
        case _:
            return None


def _both_succeeded(
    match: Match, payment: Payment, intent: Intent, rules: Rules
) -> PairVerdict | None:
    if payment.currency != intent.currency:
        return PairVerdict(Kind.CURRENCY_MISMATCH)
    if payment.amount != intent.amount_received:
        return PairVerdict(Kind.AMOUNT_MISMATCH)

    # a dispute comes before a refund, because the merchant has to answer it before a date
    charge = intent.charge
    if charge is None:
        return None
    dispute = dispute_verdict(match, charge, payment)
    if dispute is not None:
        return dispute

    # a table without a status for refunds cannot say more than paid
    may_be_whole = charge.amount_refunded >= charge.amount_captured > 0
    if may_be_whole and rules.statuses.can_say(Outcome.REFUNDED):
        return _whole_refund(match, intent, charge)
    return None


def _whole_refund(match: Match, intent: Intent, charge: Charge) -> PairVerdict | None:
    amount = refunded(match, intent, charge)
    if amount is None:
        stake = refund_stake(match, intent, charge)
        return PairVerdict(Kind.REFUND_DRIFT, Reason.RELEASE_OR_REFUND, stake=stake)
    return (
        PairVerdict(Kind.REFUND_DRIFT, stake=amount) if amount >= charge.amount_captured else None
    )


def _both_authorized(payment: Payment, intent: Intent) -> PairVerdict | None:
    if payment.currency != intent.currency:
        return PairVerdict(Kind.CURRENCY_MISMATCH)
    if intent.amount_received > 0:
        return PairVerdict(Kind.PARTIALLY_CAPTURED)
    if intent.amount_capturable != payment.amount:
        return PairVerdict(Kind.AMOUNT_MISMATCH)
    return None


def _refund_missing(match: Match, intent: Intent) -> PairVerdict | None:
    """The row says refunded: whether everything that was received went back."""
    # what looks like a refund may be a release, so everything that is kept is at stake
    money = money_kept(match, intent)
    if money.refunded is None:
        return PairVerdict(
            Kind.REFUND_MISSING, Reason.RELEASE_OR_REFUND, Severity.CRITICAL, money.kept
        )
    if not money.kept:
        return None
    facts = {"given_back": money.given_back}
    return PairVerdict(Kind.REFUND_MISSING, None, Severity.CRITICAL, money.kept, facts)


def _dispute_missing(match: Match, intent: Intent) -> PairVerdict | None:
    """The row says disputed: no finding while there is or was a dispute."""
    # a dispute that was won is over, and the row may still say disputed
    charge = intent.charge
    if charge is not None and has_any_dispute(match):
        return None
    reason = Reason.DISPUTE_NOT_LISTED if charge is not None and charge.disputed else None
    return PairVerdict(Kind.DISPUTE_DRIFT, reason, Severity.WARNING)


def dispute_verdict(match: Match, charge: Charge, payment: Payment) -> PairVerdict | None:
    """What a disputed charge means for a row; None if there is no dispute or every one is over."""
    if not charge.disputed:
        return None

    # a dispute that Stripe does not list may be in any state
    is_open = payment.outcome.is_open
    if not is_dispute_listed(match, charge):
        severity = Severity.CRITICAL if is_open else Severity.WARNING
        return PairVerdict(Kind.DISPUTE_DRIFT, Reason.DISPUTE_NOT_LISTED, severity)

    dispute = dispute_that_counts(match, charge)
    if dispute is None:
        return None
    # another status of the dispute is another finding, so that a settled one reopens
    facts = {"dispute": dispute.id, "dispute_status": dispute.status}
    return PairVerdict(
        Kind.DISPUTE_DRIFT,
        None,
        _open_row_severity(dispute) if is_open else _DISPUTE_SEVERITY[dispute.phase],
        None,
        facts,
        {**facts, "evidence_due_by": dispute.evidence_due_by, "disputed_amount": dispute.amount},
    )


def _open_row_severity(dispute: Dispute) -> Severity:
    """An open row beside a dispute may still lead to a shipment; an inquiry moves no money."""
    is_inquiry = dispute.phase is DisputePhase.INQUIRY
    return Severity.WARNING if is_inquiry else Severity.CRITICAL
