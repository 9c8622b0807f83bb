"""``explain``: shows both sides of one payment, and what a sweep would decide about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, assert_never

import typer

from reconciler.domain.findings.discrepancy import Finding
from reconciler.domain.model.intent import Charge, Event, Intent, MissingIntent
from reconciler.domain.model.money_back import Dispute
from reconciler.domain.model.payment import Payment
from reconciler.domain.money import Money
from reconciler.domain.rules.decision import Correct, Decision, Flag, Keep
from reconciler.domain.rules.grace import Wait
from reconciler.domain.rules.next_step import dashboard_url
from reconciler.domain.rules.severity_and_evidence import evidence, local_values, stripe_values
from reconciler.engine.actions.explain import Explanation, explain_intent
from reconciler.entrypoints.cli.arguments import AccountOption, JsonOption, parse_intent_id
from reconciler.entrypoints.cli.output import (
    OutputColumn,
    moment_text,
    money_text,
    non_empty,
    write_json,
    write_line,
    write_pairs,
    write_table,
)
from reconciler.entrypoints.invocation import invocation
from reconciler.exit_codes import ExitCode
from reconciler.settings import Account


def explain(
    context: typer.Context,
    payment_intent: Annotated[
        str, typer.Argument(metavar="PI", help="The PaymentIntent's id (pi_…).")
    ],
    account: AccountOption = None,
    json: JsonOption = False,
) -> int:
    """Show both sides of a payment, and what a sweep would do.

    Also shows every attempt with its failure, the events, the next action with its deadline, and the rule of the
    decision. Writes nothing.
    """
    from reconciler.wiring.account import open_account

    wanted = parse_intent_id(payment_intent)
    call = invocation(context)
    settings = call.settings()
    chosen = settings.account(account)
    named = chosen.name if len(settings.accounts) > 1 else None
    with open_account(settings, chosen, call.clock) as opened:
        found = explain_intent(opened, wanted, named)
    url = _url(found, chosen)

    if json:
        write_json(as_json(found, url))
    else:
        _write(found, url)
    return int(ExitCode.DONE)


def _url(found: Explanation, account: Account) -> str | None:
    intent = found.match.intent
    livemode = intent.livemode if isinstance(intent, Intent) else None
    return dashboard_url(intent.id, livemode, account.stripe_account)


def as_json(found: Explanation, url: str | None = None) -> Mapping[str, object]:
    """The documented, stable shape of ``explain --json``."""
    intent = found.match.intent
    return {
        "account": found.match.account,
        "payment_intent": intent.id,
        "now": found.now,
        "stripe": _stripe(intent),
        "next_action": _next_action(intent),
        "deadline": found.deadline,
        "payments": [
            {**local_values(row), "created": row.created, "order": row.order}
            for row in found.match.payments
        ],
        "attempts": [_attempt(charge) for charge in found.attempts],
        "disputes": [_dispute(one) for one in found.disputes],
        "events": [_event(event) for event in found.events],
        "discrepancies": [
            {"id": item.id, "kind": item.kind, "state": item.state, "reason": item.reason}
            for item in found.stored
        ],
        "decision": _decision(found.decision),
        "rule": found.rule,
        "next_step": {"text": found.next_step.text, "command": found.next_step.command},
        "dashboard_url": url,
    }


def _stripe(intent: Intent | MissingIntent) -> Mapping[str, object]:
    if isinstance(intent, MissingIntent):
        return {"missing": True, "other_mode": intent.other_mode, "request_id": intent.request_id}
    return {"missing": False, **stripe_values(intent), "evidence": evidence(intent)}


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


def _money_back(charge: Charge) -> str:
    if charge.disputed:
        return "disputed"
    if charge.refunded:
        return "refunded"
    return "partly refunded" if charge.has_refund else ""


_ATTEMPTS = (
    OutputColumn[Charge]("attempt", lambda charge: charge.id),
    OutputColumn[Charge]("when", lambda charge: moment_text(charge.created)),
    OutputColumn[Charge]("status", lambda charge: charge.status),
    OutputColumn[Charge]("method", lambda charge: charge.method or ""),
    OutputColumn[Charge]("failure", lambda charge: charge.failure_code or ""),
    OutputColumn[Charge]("money back", _money_back),
)
_DISPUTES = (
    OutputColumn[Dispute]("dispute", lambda one: one.id),
    OutputColumn[Dispute]("status", lambda one: one.status),
    OutputColumn[Dispute]("since", lambda one: moment_text(one.created)),
    OutputColumn[Dispute]("evidence due by", lambda one: moment_text(one.evidence_due_by)),
    OutputColumn[Dispute](
        "disputed", lambda one: money_text(Money(one.amount, one.currency)), right=True
    ),
)
_EVENTS = (
    OutputColumn[Event]("event", lambda event: event.id),
    OutputColumn[Event]("when", lambda event: moment_text(event.created)),
    OutputColumn[Event]("type", lambda event: event.type),
    OutputColumn[Event]("delivered", lambda event: "yes" if event.delivered else "no"),
)
_FINDINGS = (
    OutputColumn[Finding]("finding", lambda found: found.kind.value),
    OutputColumn[Finding]("severity", lambda found: found.severity.value),
    OutputColumn[Finding]("at stake", lambda found: money_text(found.stake), right=True),
    OutputColumn[Finding]("payment", lambda found: ", ".join(found.keys)),
    OutputColumn[Finding]("reason", lambda found: found.reason.value if found.reason else ""),
    OutputColumn[Finding]("cause", lambda found: found.cause.value if found.cause else ""),
)


def _write(found: Explanation, url: str | None) -> None:
    intent = found.match.intent
    write_line(f"{intent.id}, as seen at {moment_text(found.now)} UTC")
    write_line()
    write_line("Stripe")
    match intent:
        case Intent():
            write_pairs(_stripe_pairs(intent, found))
        case MissingIntent():
            write_pairs(_missing_pairs(intent))
    write_line()
    write_line("Your table")
    if not found.match.payments:
        write_line("  no row has this PaymentIntent")
    for payment in found.match.payments:
        write_pairs(_row_pairs(payment))
    if found.attempts:
        write_line()
        write_table(_ATTEMPTS, found.attempts)
    if found.disputes:
        write_line()
        write_table(non_empty(_DISPUTES, found.disputes), found.disputes)
    if found.events:
        write_line()
        write_table(_EVENTS, found.events)
    _write_verdict(found)
    if url is not None:
        write_line(f"In Stripe's dashboard: {url}")


def _stripe_pairs(intent: Intent, found: Explanation) -> list[tuple[str, str]]:
    action = intent.next_action
    until = f", until {moment_text(action.expires_at)} UTC" if action and action.expires_at else ""
    return [
        ("status", f"{intent.status} ({intent.outcome.value})"),
        ("amount", money_text(Money(intent.amount, intent.currency))),
        ("received", money_text(Money(intent.amount_received, intent.currency))),
        (
            "capturable",
            money_text(Money(intent.amount_capturable, intent.currency))
            if intent.amount_capturable
            else "",
        ),
        ("created", f"{moment_text(intent.created)} UTC"),
        ("canceled", f"{moment_text(intent.canceled_at)} UTC" if intent.canceled_at else ""),
        ("method", intent.method or ""),
        ("last failure", intent.failure_code or ""),
        ("next action", f"{action.type}{until}" if action else ""),
        ("deadline", f"{moment_text(found.deadline)} UTC" if found.deadline else ""),
        ("mode", "live" if intent.livemode else "test"),
        ("request", intent.request_id or ""),
    ]


def _missing_pairs(intent: MissingIntent) -> list[tuple[str, str]]:
    status = (
        "it exists in the other mode (live or test)" if intent.other_mode else "not found (404)"
    )
    return [("status", status), ("request", intent.request_id or "")]


def _row_pairs(payment: Payment) -> list[tuple[str, str]]:
    amount = (
        ""
        if payment.amount is None
        else money_text(Money(payment.amount, payment.currency or "xxx"))
    )
    return [
        ("payment", payment.key),
        ("status", f"{payment.status} ({payment.outcome.value})"),
        ("amount", amount or f"{payment.stored_amount} {payment.stored_currency or ''}".strip()),
        ("created", f"{moment_text(payment.created)} UTC" if payment.created else ""),
        ("order", payment.order or ""),
        ("holds", payment.payment_intent or "no PaymentIntent yet; matched by its order"),
    ]


def _write_verdict(found: Explanation) -> None:
    write_line()
    write_line(f"Decision: {_decision(found.decision)['act']}")
    write_line(f"  {found.rule}")
    findings = found.decision.findings if isinstance(found.decision, Correct | Flag) else ()
    if findings:
        write_line()
        write_table(_FINDINGS, findings)
    if found.stored:
        write_line()
        write_line(
            "Stored discrepancies: "
            + ", ".join(
                f"{item.id} ({item.kind.value}, {item.state.value})" for item in found.stored
            )
        )
    write_line()
    write_line(f"What to do next: {found.next_step.text}")
    if found.next_step.command is not None:
        write_line(f"  {found.next_step.command}")
