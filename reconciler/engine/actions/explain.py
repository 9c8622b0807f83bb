"""Everything there is to know about one intent, and what would be done about it and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconciler.domain.findings.discrepancy import StoredDiscrepancy
from reconciler.domain.model.intent import Charge, Event, Intent, MissingIntent
from reconciler.domain.model.match import Match, Rules
from reconciler.domain.model.page import Loaded
from reconciler.domain.outcome import MISSED_WEBHOOK, NEXT_STEP, Outcome
from reconciler.domain.rules.decision import Correct, Decision, Flag, Keep, decide
from reconciler.domain.rules.decision_table import TABLE
from reconciler.domain.rules.grace import Wait
from reconciler.domain.rules.matching import match_by_id, match_by_order, named_order
from reconciler.domain.rules.payment_method_deadlines import known_deadline
from reconciler.engine.ports import Store, Stripe
from reconciler.engine.reads.recent_events import read_recent_events


@dataclass(frozen=True, slots=True)
class Explanation:
    """Both sides of an intent. ``attempts`` are its charges, newest first; ``now`` is Stripe's time."""

    subject: Match
    attempts: tuple[Charge, ...]
    events: tuple[Event, ...]
    known: tuple[StoredDiscrepancy, ...]
    decision: Decision
    rule: str
    next_step: str
    deadline: datetime | None
    now: datetime


def explain(
    stripe: Stripe, store: Store, rules: Rules, account: str, intent_id: str
) -> Explanation:
    """Read both sides now and decide, writing nothing. Raises what the ports raise."""
    intent = stripe.retrieve(intent_id)
    attempts: tuple[Charge, ...] = ()
    fresh: tuple[Event, ...] = ()
    now = intent.seen_at
    if isinstance(intent, Intent):
        attempts = stripe.list_charges(intent_id)
        seen = read_recent_events(stripe, intent.seen_at - rules.grace)
        fresh, now = seen.events.get(intent_id, ()), max(now, seen.now)
    order = named_order(intent, rules) if isinstance(intent, Intent) else None
    loaded = store.load([intent_id], [order] if order else [])
    subject = _subject(account, intent, loaded, rules)
    events = tuple({event.id: event for event in (*loaded.events, *fresh)}.values())
    known = tuple(item for item in loaded.known if item.subject == intent_id)
    decision = decide(subject, rules, now, events=events, known=known)
    return Explanation(
        subject=subject,
        attempts=attempts,
        events=events,
        known=known,
        decision=decision,
        rule=rule_in_words(subject, decision),
        next_step=_next_step(subject, decision),
        deadline=known_deadline(intent) if isinstance(intent, Intent) else None,
        now=now,
    )


def _subject(account: str, intent: Intent | MissingIntent, loaded: Loaded, rules: Rules) -> Match:
    (subject,) = match_by_id(account, [intent], loaded, {})
    if subject.payments or not isinstance(intent, Intent):
        return subject
    linked = match_by_order(account, [intent], loaded, rules, None)
    return linked[0] if linked else subject


def rule_in_words(subject: Match, decision: Decision) -> str:
    """The rule behind a decision, as a sentence."""
    intent = subject.intent
    if isinstance(intent, MissingIntent):
        return "Stripe does not know this id. That is never a verdict about the money."
    if not subject.payments:
        sides = f"Stripe says {intent.outcome.value}, and no row holds this intent"
    else:
        local = " and ".join(sorted({payment.outcome.value for payment in subject.payments}))
        cells = sorted(
            {
                TABLE[payment.outcome, intent.outcome].value
                for payment in subject.payments
                if (payment.outcome, intent.outcome) in TABLE
            }
        )
        sides = f"local {local} against Stripe's {intent.outcome.value}"
        sides += f": the table says {', '.join(cells)}" if cells else ": not in the table"
    match decision:
        case Keep():
            return f"{sides}. Both sides agree as well as they can."
        case Wait(until, why):
            return f"{sides}. Too early to say: {why}; read_recent_events again at {until:%Y-%m-%d %H:%M:%S} UTC."
        case Correct(status=status, outcome=outcome):
            missed = " or ".join(MISSED_WEBHOOK.get(outcome, ("its event",)))
            return f"{sides}. {missed} was missed: the row would be set to {status!r}."
        case Flag(findings):
            kinds = ", ".join(
                found.kind.value + (f" ({found.reason.value})" if found.reason else "")
                for found in findings
            )
            return f"{sides}. Not safe to correct, or not ours to: {kinds}."


def _next_step(subject: Match, decision: Decision) -> str:
    """What the business should do."""
    intent = subject.intent
    if isinstance(intent, MissingIntent):
        return "Check which account and mode this id was created in; do not treat it as unpaid."
    if isinstance(decision, Flag) and intent.outcome is Outcome.SUCCEEDED:
        return "A person decides first: see the discrepancy, then resolve it."
    return NEXT_STEP[intent.outcome]
