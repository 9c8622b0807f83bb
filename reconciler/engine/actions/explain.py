"""Explains one intent: both sides of it, what Reconciler would do, and why. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from reconciler.domain.findings.discrepancy import Finding, Kind, State, StoredDiscrepancy
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.model.intent import Charge, Event, Intent, MissingIntent
from reconciler.domain.model.looked_up_id import pair_of_charge, pair_of_session
from reconciler.domain.model.match import Match, PaidSibling, Rules
from reconciler.domain.model.match_facts import FactNeededError, OrderFacts, Question
from reconciler.domain.model.money_back import Dispute
from reconciler.domain.model.page import Loaded
from reconciler.domain.model.payment import StoredIdKind, stored_id
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import MISSED_WEBHOOK, PAID_OR_HELD, Outcome
from reconciler.domain.rules.decision import Correct, Decision, Flag, Keep, decide
from reconciler.domain.rules.decision_table import TABLE
from reconciler.domain.rules.described_order import described_order
from reconciler.domain.rules.grace import Wait
from reconciler.domain.rules.matching import match_by_id, match_by_order, named_order
from reconciler.domain.rules.next_step import NextStep, Subject, next_step
from reconciler.domain.rules.payment_method_deadlines import known_deadline
from reconciler.engine.ports import Store, Stripe
from reconciler.engine.reads.charge_facts import with_fact
from reconciler.engine.reads.order_intents import SEARCH_LAG
from reconciler.engine.reads.recent_events import read_recent_events
from reconciler.errors import SearchRefusedError

if TYPE_CHECKING:
    from reconciler.engine.account import OpenAccount


AGREED: Final = "Both sides agree."


@dataclass(frozen=True, slots=True)
class Explanation:
    """Both sides of an intent. ``attempts`` are its charges, newest first; ``now`` is Stripe's time."""

    match: Match
    attempts: tuple[Charge, ...]
    events: tuple[Event, ...]
    stored: tuple[StoredDiscrepancy, ...]
    decision: Decision
    rule: str
    next_step: NextStep
    deadline: datetime | None
    now: datetime
    disputes: tuple[Dispute, ...] = ()
    """The disputes of the latest charge, newest first, if the charge or the row says that there is one."""
    standing: Discrepancy | None = None
    """The open discrepancy that comes before what both sides say now; None if none does."""
    order: str | None = None
    """The order of the payment if orders are linked, so that Stripe was asked for its other PaymentIntents; else None."""
    other_intents: tuple[Intent, ...] = ()
    """The other PaymentIntents at Stripe that name the order, oldest first."""
    knows_order: bool = True
    """Whether ``other_intents`` are all of them."""


def explain_intent(
    account: OpenAccount, intent_id: str, named_account: str | None = None
) -> Explanation:
    """Read both sides of one intent now, and decide. Raises what the ports raise.

    ``named_account`` is the account that the commands of the next step name; None if there is only one.
    """
    ports = account.ports
    account.renew_quota()
    try:
        with account.reading_beside_holder():
            return _explain(
                ports.stripe, ports.store, account.rules, account.name, intent_id, named_account
            )
    finally:
        _book_reads(account)


def intent_of_id(account: OpenAccount, text: str) -> str | None:
    """The PaymentIntent of a Checkout Session or a charge, by one read; None if Stripe names none.

    Rows that hold the id are read as rows of that PaymentIntent from now on, by this process alone.
    """
    ports = account.ports
    account.renew_quota()
    try:
        with account.reading_beside_holder():
            now = ports.stripe.now()
            if stored_id(text).kind is StoredIdKind.SESSION:
                pair = pair_of_session(text, ports.stripe.session(text), now)
            else:
                pair = pair_of_charge(text, ports.stripe.charge_intent(text), now)
    finally:
        _book_reads(account)
    ports.store.remember_pairs([pair], store=False)
    return pair.payment_intent


def intents_of_order(account: OpenAccount, order: str) -> tuple[str, ...]:
    """The PaymentIntents at Stripe that name an order, those with money first; none if orders are not linked.

    For a row that holds no PaymentIntent.
    """
    if account.rules.link_metadata is None:
        return ()
    ports = account.ports
    account.renew_quota()
    try:
        with account.reading_beside_holder():
            facts = _order_facts(ports.stripe, ports.store, account.rules, order)
    finally:
        _book_reads(account)
    money = (Outcome.SUCCEEDED, Outcome.AUTHORIZED)
    found = [intent for intent in facts.intents if intent.id not in facts.held]
    found.sort(key=lambda intent: (intent.outcome in money, intent.created), reverse=True)
    return tuple(intent.id for intent in found)


def _book_reads(account: OpenAccount) -> None:
    # the reads count even if the explanation failed
    if account.has_schema:
        account.limits.quota.book(account.ports.store.book_reads)


def _explain(
    stripe: Stripe,
    store: Store,
    rules: Rules,
    account: str,
    intent_id: str,
    named_account: str | None,
) -> Explanation:
    intent = stripe.retrieve(intent_id)
    attempts: tuple[Charge, ...] = ()
    recent: tuple[Event, ...] = ()
    order: str | None = None
    now = intent.seen_at
    if isinstance(intent, Intent):
        attempts = stripe.list_charges(intent_id)
        reading = read_recent_events(stripe, intent.seen_at - rules.grace)
        recent, now = reading.events.get(intent_id, ()), max(now, reading.now)
        order = named_order(intent, rules) or described_order(intent, rules)

    # the same steps as in a sweep, so that the explanation is what a sweep would decide
    loaded = store.load([intent_id], [order] if order else [])
    match = _match(stripe, store, account, intent, loaded, rules)
    match, facts = _with_order(stripe, store, rules, match)
    events = tuple({event.id: event for event in (*loaded.events, *recent)}.values())
    stored = tuple(item for item in loaded.known if item.intent == intent_id)
    match, decision = _decide(stripe, store, rules, match, now, events, stored, facts)
    match = _with_disputes(stripe, match)
    numbers = {item.kind: item.id for item in stored if item.state is State.OPEN}
    subject = Subject(intent_id, account=named_account)
    return Explanation(
        match=match,
        attempts=attempts,
        events=events,
        stored=stored,
        decision=decision,
        rule=rule_text(match, decision),
        next_step=next_step(match, decision, subject, numbers),
        deadline=known_deadline(intent) if isinstance(intent, Intent) else None,
        now=now,
        disputes=match.facts.disputes or (),
        order=None if facts is None else match.order,
        other_intents=() if facts is None else _others(facts, intent_id),
        knows_order=facts is None or facts.is_complete,
    )


def _with_order(
    stripe: Stripe, store: Store, rules: Rules, match: Match
) -> tuple[Match, OrderFacts | None]:
    """The match with the paid PaymentIntents of its order, and all that is known of the order; None if it is not linked.

    A sweep meets them one after the other. A person who asks about one payment wants to hear of the other now.
    """
    if rules.link_metadata is None or match.order is None:
        return match, None
    facts = _order_facts(stripe, store, rules, match.order)
    known = {match.intent.id, *(one.payment_intent for one in match.siblings)}
    paid = tuple(
        PaidSibling.of_intent(one, None)
        for one in facts.intents
        if one.is_paid and one.id not in {*known, *facts.held} and rules.owns(one)
    )
    return replace(match, siblings=(*match.siblings, *paid)), facts


def _others(facts: OrderFacts, intent_id: str) -> tuple[Intent, ...]:
    others = (one for one in facts.intents if one.id != intent_id)
    return tuple(sorted(others, key=lambda one: (one.created, one.id)))


def _with_disputes(stripe: Stripe, match: Match) -> Match:
    """The match with its disputes. The verdict reads them only if it depends on them; a person wants to see them."""
    charge = match.intent.charge if isinstance(match.intent, Intent) else None
    if charge is None or not charge.disputed or match.facts.disputes is not None:
        return match
    return with_fact(stripe, match, Question.DISPUTES)


def _decide(
    stripe: Stripe,
    store: Store,
    rules: Rules,
    match: Match,
    now: datetime,
    events: tuple[Event, ...],
    stored: tuple[StoredDiscrepancy, ...],
    known_order: OrderFacts | None,
) -> tuple[Match, Decision]:
    """The decision, after everything that it depends on was read; and the match with what was read."""
    while True:
        try:
            return match, decide(match, rules, now, events=events, known=stored)
        except FactNeededError as needed:
            question = needed.question
        if question is Question.ORDER:
            order = OrderFacts(is_complete=True)
            if match.order is not None:
                order = known_order or _order_facts(stripe, store, rules, match.order)
            paid = store.unmatched_payments()
            match = replace(match, facts=replace(match.facts, order=order, unmatched_paid=paid))
        else:
            match = with_fact(stripe, match, question)


def _order_facts(stripe: Stripe, store: Store, rules: Rules, order: str) -> OrderFacts:
    """The order of one row: its other rows, and the intents that a search and the last hour's list name."""
    rows = store.rows_of_orders([order])
    key = rules.link_metadata
    if key is None:
        return OrderFacts(rows=rows)
    recent = stripe.list_intents(TimeRange(since=stripe.now() - SEARCH_LAG))
    found = {intent.id: intent for intent in recent.intents if intent.metadata.get(key) == order}
    is_complete = recent.next_after is None
    try:
        search = stripe.search_intents(key, [order])
    except SearchRefusedError:
        is_complete = False
    else:
        is_complete = is_complete and search.is_whole
        for named in search.intents:
            intent = stripe.retrieve(named.id)
            if isinstance(intent, Intent) and intent.metadata.get(key) == order:
                found[intent.id] = intent
    held = frozenset(row.payment_intent for row in store.holders(list(found)) if row.payment_intent)
    return OrderFacts(rows, tuple(found.values()), held, is_complete)


def _match(
    stripe: Stripe,
    store: Store,
    account: str,
    intent: Intent | MissingIntent,
    loaded: Loaded,
    rules: Rules,
) -> Match:
    (match,) = match_by_id(account, [intent], loaded, {})
    if match.payments or not isinstance(intent, Intent):
        return match
    # no row holds the intent: a row of the order that it names may belong to it
    order = named_order(intent, rules)
    others: dict[str, Intent] = {}
    complete: set[str] = set()
    if order is not None and loaded.claimable and intent.outcome not in PAID_OR_HELD:
        # an unpaid intent belongs to the row only if no other one of the order was paid, or is newer
        facts = _order_facts(stripe, store, rules, order)
        others = {one.id: one for one in facts.intents if one.id not in facts.held}
        complete = {order} if facts.is_complete else set()
    others[intent.id] = intent
    by_order = match_by_order(account, list(others.values()), loaded, rules, None, complete)
    return next((one for one in by_order if one.intent.id == intent.id), match)


def rule_text(match: Match, decision: Decision) -> str:
    """The rule behind a decision, as a sentence."""
    intent = match.intent
    if isinstance(intent, MissingIntent):
        return "Stripe does not know this id. That says nothing about the money."
    sides = _sides_text(match, intent)
    match decision:
        case Keep():
            return f"{sides}. {AGREED}"
        case Wait(until, why):
            again = f"{until:%Y-%m-%d %H:%M:%S} UTC"
            return (
                f"{sides}. Too early to decide: {why}; a sweep decides again, not before {again}."
            )
        case Correct(status=status, outcome=outcome):
            missed = " or ".join(MISSED_WEBHOOK.get(outcome, ("its event",)))
            return f"{sides}. The webhook for {missed} was missed: a sweep would set the row to {status!r}."
        case Flag(findings):
            kinds = ", ".join(
                finding.kind.value + (f" ({finding.reason.value})" if finding.reason else "")
                for finding in findings
            )
            twice = [paid_twice_text(one) for one in findings if one.kind is Kind.DUPLICATE_PAYMENT]
            return " ".join(
                (f"{sides}. Reconciler does not correct this by itself: {kinds}.", *twice)
            )


def paid_twice_text(finding: Finding) -> str:
    """Which two payments of an order a finding ``duplicate_payment`` is about."""
    order, key = finding.local.get("order"), finding.evidence.get("also_paid_key")
    other = finding.evidence.get("also_paid_by")
    rows = f"row {', '.join(finding.keys)}" if finding.keys else "no row"
    first = other if key is None else (f"{other} (row {key})" if other else f"row {key}")
    return (
        f"Order {order or 'of this payment'} was paid twice, {finding.stake} each time:"
        f" by {first} and by {finding.payment_intent} ({rows})."
    )


def _sides_text(match: Match, intent: Intent) -> str:
    """What each side says, and what the decision table says to it."""
    if not match.payments:
        return f"Stripe says {intent.outcome.value}, and no row holds this PaymentIntent"
    outcomes = {payment.outcome for payment in match.payments}
    local = " and ".join(sorted(outcome.value for outcome in outcomes))
    cells = sorted(
        {
            TABLE[outcome, intent.outcome].value
            for outcome in outcomes
            if (outcome, intent.outcome) in TABLE
        }
    )
    table = (
        f"the decision table says {', '.join(cells)}"
        if cells
        else ("the decision table has no entry for this")
    )
    return f"The row says {local}, and Stripe says {intent.outcome.value}; {table}"
