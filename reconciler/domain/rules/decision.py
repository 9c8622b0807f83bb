"""Keep, Correct, Flag or Wait: what is to be done about a subject, decided without doing it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.domain.findings.discrepancy import Cause, Finding, Kind, StoredDiscrepancy
from reconciler.domain.findings.lifecycle import is_settled_by_person
from reconciler.domain.model.intent import Event, MissingIntent
from reconciler.domain.model.match import Match, Rules
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import MISSED_WEBHOOK, Outcome
from reconciler.domain.rules.comparison import compare
from reconciler.domain.rules.grace import Wait, wait_for_webhook
from reconciler.domain.rules.side_findings import is_abandoned


@dataclass(frozen=True, slots=True)
class Keep:
    """Both sides agree as well as they can. ``abandoned`` is an unpaid cart past its horizon."""

    abandoned: bool = False


@dataclass(frozen=True, slots=True)
class Correct:
    """Bring this row to Stripe's outcome. ``findings`` has the missed_outcome and what stands beside it."""

    payment: Payment
    outcome: Outcome
    status: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Flag:
    """Leave the row alone and keep the findings for a person."""

    findings: tuple[Finding, ...]


Decision = Keep | Correct | Flag | Wait


def decide(
    subject: Match,
    rules: Rules,
    now: datetime,
    *,
    events: tuple[Event, ...] = (),
    known: tuple[StoredDiscrepancy, ...] = (),
) -> Decision:
    """The decision about a subject.

    ``now`` is Stripe's time; ``events`` are those known of this intent; ``known`` are its stored discrepancies: what a
    person has settled is not corrected behind their back while both sides' values are the same.
    """
    comparison = compare(subject, rules, now)
    intent = subject.intent
    if isinstance(intent, MissingIntent):
        # nothing changed lately there: there is nothing to wait for
        return Flag(comparison.findings) if comparison.findings else Keep()
    if not comparison.findings:
        return Keep(abandoned=is_abandoned(subject, intent, rules, now))
    waiting = wait_for_webhook(intent, rules, now, events)
    if waiting is not None:
        return waiting
    cause = cause_of(intent.outcome, events)
    findings = tuple(
        replace(found, cause=cause) if found.kind is Kind.MISSED_OUTCOME else found
        for found in comparison.findings
    )
    if comparison.correct is None:
        return Flag(findings)
    missed = next(found for found in findings if found.kind is Kind.MISSED_OUTCOME)
    if is_settled_by_person(known, missed):
        return Flag(findings)
    status = rules.statuses.write[intent.outcome]
    return Correct(comparison.correct, intent.outcome, status, findings)


def cause_of(outcome: Outcome, events: tuple[Event, ...]) -> Cause | None:
    """Why the webhook of an outcome was lost, as far as the events known of the intent tell."""
    told = [event for event in events if event.type in MISSED_WEBHOOK.get(outcome, ())]
    if not told:
        return None
    return Cause.NOT_HANDLED if all(event.delivered for event in told) else Cause.UNDELIVERED
