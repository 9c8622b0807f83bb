"""The decision about a match: keep, correct, flag or wait. Deciding changes nothing."""

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
    """Both sides agree. ``abandoned`` is whether this is an unpaid cart past its horizon, which is only counted."""

    abandoned: bool = False


@dataclass(frozen=True, slots=True)
class Correct:
    """Write Stripe's outcome to this row. ``findings`` hold the missed_outcome and the side findings."""

    payment: Payment
    outcome: Outcome
    status: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Flag:
    """Leave the row as it is, and store the findings for a person."""

    findings: tuple[Finding, ...]


Decision = Keep | Correct | Flag | Wait


def decide(
    match: Match,
    rules: Rules,
    now: datetime,
    *,
    events: tuple[Event, ...] = (),
    known: tuple[StoredDiscrepancy, ...] = (),
) -> Decision:
    """The decision about a match.

    ``now`` is Stripe's time. ``events`` are the known events of the intent. ``known`` are its stored discrepancies: a
    missed outcome that a person settled is not corrected while both sides' values are the same.
    """
    comparison = compare(match, rules, now)
    intent = match.intent
    if isinstance(intent, MissingIntent):
        # no webhook is on its way for an intent that does not exist, so nothing waits
        return Flag(comparison.findings) if comparison.findings else Keep()
    if not comparison.findings:
        return Keep(abandoned=is_abandoned(match, intent, rules, now))

    wait = wait_for_webhook(intent, rules, now, events)
    if wait is not None:
        return wait

    cause = cause_of(intent.outcome, events)
    findings = tuple(
        replace(found, cause=cause) if found.kind is Kind.MISSED_OUTCOME else found
        for found in comparison.findings
    )
    if comparison.correct is None:
        return Flag(findings)

    # a person's word holds: what was resolved or ignored is not corrected later without a new fact
    missed = next(found for found in findings if found.kind is Kind.MISSED_OUTCOME)
    if is_settled_by_person(known, missed):
        return Flag(findings)
    status = rules.statuses.write[intent.outcome]
    return Correct(comparison.correct, intent.outcome, status, findings)


def cause_of(outcome: Outcome, events: tuple[Event, ...]) -> Cause | None:
    """Why the webhook of an outcome was lost; None if no known event of the intent shows it."""
    matching = [event for event in events if event.type in MISSED_WEBHOOK.get(outcome, ())]
    if not matching:
        return None
    return Cause.NOT_HANDLED if all(event.delivered for event in matching) else Cause.UNDELIVERED
