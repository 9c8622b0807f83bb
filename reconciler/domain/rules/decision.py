"""The decision about a match: keep, correct, flag or wait. Deciding changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from reconciler.domain.findings.discrepancy import (
    Cause,
    Finding,
    Kind,
    Reason,
    State,
    StoredDiscrepancy,
)
from reconciler.domain.findings.lifecycle import is_settled_by_person, revert_of
from reconciler.domain.model.intent import Event, Intent, MissingIntent
from reconciler.domain.model.match import Match, Rules
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import MISSED_WEBHOOK, Outcome
from reconciler.domain.rules.comparison import compare
from reconciler.domain.rules.grace import Wait, wait_for_webhook
from reconciler.domain.rules.side_findings import is_abandoned

EVENTS_KEPT: Final = timedelta(days=30)
"""For so long Stripe lists its events: https://docs.stripe.com/api/events."""
ORDER_LATER: Final = timedelta(days=1)
"""By then a sweep of a range of time has listed every intent of the order."""
WHY_ORDER_LATER: Final = (
    "a sweep of kind window must first show whether the order's row belongs to this PaymentIntent"
)


@dataclass(frozen=True, slots=True)
class Keep:
    """Both sides agree. ``abandoned`` is whether this is an unpaid cart past its horizon, which is only counted."""

    abandoned: bool = False


@dataclass(frozen=True, slots=True)
class Correct:
    """Write Stripe's outcome to these rows: one row, or all parts of a payment, which are written all or none.

    ``findings`` hold the missed_outcome and the side findings.
    """

    payments: tuple[Payment, ...]
    outcome: Outcome
    status: str
    findings: tuple[Finding, ...]
    to_intent: str | None = None
    """The intent that the row is pointed at; None if it keeps the one that was examined."""

    @property
    def payment(self) -> Payment:
        """The row, or the first part."""
        return self.payments[0]


@dataclass(frozen=True, slots=True)
class Flag:
    """Leave the row as it is, and store the findings for a person."""

    findings: tuple[Finding, ...]


Decision = Keep | Correct | Flag | Wait


EXPLAINED_BY_WEBHOOK: Final = frozenset({Kind.MISSED_OUTCOME, Kind.MISSING_LOCALLY})
"""The kinds that a lost webhook explains: the row was not written, or not made."""


def decide(
    match: Match,
    rules: Rules,
    now: datetime,
    *,
    events: tuple[Event, ...] = (),
    known: tuple[StoredDiscrepancy, ...] = (),
    events_known_since: datetime | None = None,
    again: int | None = None,
) -> Decision:
    """The decision about a match.

    ``now`` is Stripe's time. ``events`` are the known events of the intent. ``known`` are its stored discrepancies: a
    missed outcome that a person settled is not corrected while both sides' values are the same.
    ``events_known_since`` is the time from which on every event is known, None if there is no such time. ``again`` is the
    sweep whose reverted corrections a person wants to have made once more. Raises FactNeededError if the verdict depends
    on something that was not read yet.
    """
    comparison = compare(match, rules, now)
    intent = match.intent
    if isinstance(intent, MissingIntent):
        # no webhook is on its way for an intent that does not exist, so nothing waits
        return Flag(comparison.findings) if comparison.findings else Keep()
    if comparison.wait is not None:
        return comparison.wait
    if not comparison.findings:
        if match.facts.may_belong_to_row and any(item.state is State.OPEN for item in known):
            # a finding about the row of its order stays open until a sweep knows the whole order
            return Wait(now + ORDER_LATER, WHY_ORDER_LATER)
        return Keep(abandoned=is_abandoned(match, intent, rules, now))

    wait = wait_for_webhook(intent, rules, now, events)
    if wait is None and comparison.relink_to is not None:
        # the webhook of the payment under the other intent may be on its way too
        wait = wait_for_webhook(comparison.relink_to, rules, now, ())
    if wait is not None:
        return wait

    cause = cause_of(intent, events, now, events_known_since)
    findings = _with_cause(comparison.findings, cause)
    if not comparison.correct:
        return Flag(findings)

    # a person decided this with the same values, so it takes a new fact to decide otherwise
    missed = next(found for found in findings if found.kind.is_correctable)
    if known and is_settled_by_person(known, missed):
        return Flag(findings)
    paid = comparison.relink_to
    outcome = intent.outcome if paid is None else paid.outcome
    status = rules.statuses.write[outcome]
    to_intent = None if paid is None else paid.id

    # what a person took back is made again only if a person says so
    revert = revert_of(known, missed, outcome.value) if known else None
    if revert is not None and revert.sweep != again:
        held = replace(
            missed,
            reason=Reason.REVERTED,
            evidence={**missed.evidence, "reverted": revert.evidence},
        )
        return Flag(tuple(held if found is missed else found for found in findings))
    return Correct(comparison.correct, outcome, status, findings, to_intent)


def _with_cause(findings: tuple[Finding, ...], cause: Cause | None) -> tuple[Finding, ...]:
    return tuple(
        replace(found, cause=cause) if found.kind in EXPLAINED_BY_WEBHOOK else found
        for found in findings
    )


def cause_of(
    intent: Intent, events: tuple[Event, ...], now: datetime, events_known_since: datetime | None
) -> Cause | None:
    """Why the webhook of an intent's outcome was lost, as far as it is known; None if it is not.

    Stripe keeps events for 30 days, and shows of a delivery only whether one is pending.
    """
    matching = [event for event in events if event.type in MISSED_WEBHOOK.get(intent.outcome, ())]
    if matching:
        is_pending = any(not event.delivered for event in matching)
        return Cause.UNDELIVERED if is_pending else Cause.NOTHING_PENDING
    # an event that is not listed proves nothing if Stripe does not list that time any more
    if now - intent.changed_at > EVENTS_KEPT:
        return Cause.OUT_OF_REACH
    is_complete = events_known_since is not None and events_known_since <= intent.changed_at
    return Cause.NEVER_GENERATED if is_complete else None
