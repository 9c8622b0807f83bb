"""The documented, stable shape of ``explain --json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from reconciler.domain.findings.discrepancy import Finding
from reconciler.domain.findings.history_item import HistoryItem
from reconciler.domain.findings.history_text import history_text
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.model.found_row import FoundRow
from reconciler.domain.model.intent import Charge, Event, Intent, MissingIntent
from reconciler.domain.model.money_back import Dispute
from reconciler.domain.rules.decision import Correct, Decision, Flag, Keep
from reconciler.domain.rules.grace import Wait
from reconciler.domain.rules.next_step import NextStep
from reconciler.domain.rules.severity_and_evidence import evidence, local_values, stripe_values
from reconciler.engine.actions.explain import Explanation
from reconciler.engine.actions.find_payment import LocalSide, NamedPayment


def explained_json(
    local: LocalSide, found: Explanation | None, url: str | None, error: str | None, step: NextStep
) -> dict[str, object]:
    """One payment. What Stripe says is null if it could not be read, or if no PaymentIntent is known."""
    named = local.named
    intent = None if found is None else found.match.intent
    return {
        "account": named.account,
        "payment_intent": named.payment_intent if intent is None else intent.id,
        "read_as": [one.value for one in named.read_as],
        "now": None if found is None else found.now,
        "local": rows_json(local, found),
        "stripe": None if intent is None else _stripe(intent),
        "next_action": None if intent is None else _next_action(intent),
        "deadline": None if found is None else found.deadline,
        "attempts": [] if found is None else [_attempt(charge) for charge in found.attempts],
        "disputes": [] if found is None else [_dispute(one) for one in found.disputes],
        "events": [] if found is None else [_event(event) for event in found.events],
        "order": None if found is None or found.order is None else _order(found),
        "history": [_history(item) for item in local.history],
        "discrepancies": [_discrepancy(item) for item in local.all_discrepancies],
        "decision": None if found is None else _decision_and_standing(found),
        "rule": None if found is None else found.rule,
        "next_step": {"text": step.text, "command": step.command},
        "dashboard_url": url,
        "error": error,
    }


def match_json(named: NamedPayment) -> dict[str, object]:
    """One payment that a text names, without what is known of it."""
    return {
        "read_as": [one.value for one in named.read_as],
        "account": named.account,
        "payment_intent": named.payment_intent or named.looked_up,
        "payments": [row.payment.key for row in named.rows],
    }


def rows_json(local: LocalSide, found: Explanation | None) -> list[Mapping[str, object]]:
    """The rows that hold the payment, in any account, and those that belong to it by their order."""
    return [
        {
            **local_values(row.payment),
            "created": row.payment.created,
            "order": row.payment.order,
            "account": row.account if row.account is not None else row.account_text,
            "excluded": row.payment.excluded,
        }
        for row in all_rows(local, found)
    ]


def all_rows(local: LocalSide, found: Explanation | None) -> Sequence[FoundRow]:
    """The rows that were found by name, and those that the decision is about besides."""
    rows = list(local.named.rows)
    known = {(row.account, row.payment.key) for row in rows}
    if found is not None:
        account = found.match.account
        rows += [
            FoundRow(payment, account)
            for payment in found.match.payments
            if (account, payment.key) not in known
        ]
    return rows


def act_of(decision: Decision) -> str:
    """What a sweep would do, in one word."""
    return str(_decision(decision)["act"])


def _stripe(intent: Intent | MissingIntent) -> Mapping[str, object]:
    if isinstance(intent, MissingIntent):
        return {"missing": True, "other_mode": intent.other_mode, "request_id": intent.request_id}
    return {"missing": False, **stripe_values(intent), "evidence": evidence(intent)}


def _order(found: Explanation) -> Mapping[str, object]:
    return {
        "name": found.order,
        "other_payment_intents": [
            {
                "payment_intent": one.id,
                "created": one.created,
                "status": one.status,
                "outcome": one.outcome.value,
                "amount": one.amount,
                "amount_received": one.amount_received,
                "currency": one.currency,
            }
            for one in found.other_intents
        ],
        "is_complete": found.knows_order,
    }


def _next_action(intent: Intent | MissingIntent) -> Mapping[str, object] | None:
    if not isinstance(intent, Intent) or intent.next_action is None:
        return None
    return {"type": intent.next_action.type, "expires_at": intent.next_action.expires_at}


def _attempt(charge: Charge) -> Mapping[str, object]:
    return {
        "id": charge.id,
        "status": charge.status,
        "created": charge.created,
        "amount": charge.amount,
        "amount_captured": charge.amount_captured,
        "amount_refunded": charge.amount_refunded,
        "refunded": charge.refunded,
        "disputed": charge.disputed,
        "failure_code": charge.failure_code,
        "method": charge.method,
        "capture_before": charge.capture_before,
    }


def _dispute(one: Dispute) -> Mapping[str, object]:
    return {
        "id": one.id,
        "status": one.status,
        "amount": one.amount,
        "currency": one.currency,
        "created": one.created,
        "evidence_due_by": one.evidence_due_by,
    }


def _event(event: Event) -> Mapping[str, object]:
    return {
        "id": event.id,
        "type": event.type,
        "created": event.created,
        "delivered": event.delivered,
    }


def _history(item: HistoryItem) -> Mapping[str, object]:
    return {
        "at": item.at,
        "event": item.event,
        "text": history_text(item),
        "by": item.by,
        "claimed_by": item.claimed_by,
        "sweep": item.sweep,
        "discrepancy": item.discrepancy,
        "kind": item.kind,
        "payment": item.key,
        "from": item.before,
        "to": item.after,
        "reason": item.reason,
        "note": item.note,
        "outbox": item.outbox,
        "ledger_seq": item.seq,
    }


def _discrepancy(item: Discrepancy) -> Mapping[str, object]:
    return {
        "id": item.id,
        "kind": item.kind.value,
        "severity": item.severity.value,
        "state": item.state.value,
        "reason": item.reason,
        "note": item.note,
        "resolved_by": item.resolved_by,
        "first_seen": item.first_seen,
        "last_seen": item.last_seen,
    }


def _finding(finding: Finding) -> Mapping[str, object]:
    return {
        "kind": finding.kind,
        "severity": finding.severity,
        "reason": finding.reason,
        "cause": finding.cause,
        "amount": finding.stake.amount,
        "currency": finding.stake.currency,
        "payments": list(finding.keys),
    }


def _decision_and_standing(found: Explanation) -> Mapping[str, object]:
    number = None if found.standing is None else found.standing.id
    return {**_decision(found.decision), "discrepancy": number}


def _decision(decision: Decision) -> Mapping[str, object]:
    match decision:
        case Keep(abandoned):
            return {"act": "keep", "abandoned": abandoned, "findings": []}
        case Wait(until, why):
            return {"act": "wait", "until": until, "why": why, "findings": []}
        case Correct(outcome=outcome, status=status, findings=findings):
            return {
                "act": "correct",
                "payment": decision.payment.key,
                "outcome": outcome,
                "to_status": status,
                "findings": [_finding(found) for found in findings],
            }
        case Flag(findings):
            return {"act": "flag", "findings": [_finding(found) for found in findings]}
        case _ as unreachable:
            assert_never(unreachable)
