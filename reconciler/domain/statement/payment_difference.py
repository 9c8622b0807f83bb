"""By how much the two sides of one payment differ: what its rows call paid, less what Stripe received."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.domain.findings.discrepancy import Finding, Kind
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import SAYS_PAID
from reconciler.domain.rules.decision import Correct, Decision


@dataclass(frozen=True, slots=True)
class PaidRow:
    """A row that says that money was taken, whether or not it went back later: minor units, and when it was created."""

    amount: int
    currency: str
    created: datetime | None


def paid_rows(match: Match, rows: Sequence[Payment] | None = None) -> tuple[PaidRow, ...]:
    """The rows of a match that hold its intent and say that money was taken. ``rows`` stand in place of the match's.

    A row without an amount or a currency has no money that could be added up.
    """
    return tuple(
        PaidRow(row.amount, row.currency, row.created)
        for row in (match.payments if rows is None else rows)
        if row.outcome in SAYS_PAID
        and row.payment_intent == match.intent.id
        and row.amount is not None
        and row.currency is not None
    )


def rows_after(match: Match, decision: Decision) -> tuple[Payment, ...]:
    """The rows of a match as they are when the decision was written."""
    if not isinstance(decision, Correct):
        return match.payments
    written = {row.key for row in decision.payments}
    return tuple(
        # a row that was found by its order, or is pointed at the paying intent, holds an intent now
        replace(row, outcome=decision.outcome, payment_intent=match.intent.id)
        if row.key in written
        else row
        for row in match.payments
    )


def difference(rows: Sequence[PaidRow], intent: Intent | None) -> Mapping[str, int]:
    """Paid by the rows less received by Stripe, by currency, in minor units; without the currencies that agree.

    ``intent`` is None if Stripe has none, or none that belongs to the rows.
    """
    sums: dict[str, int] = {}
    for row in rows:
        sums[row.currency] = sums.get(row.currency, 0) + row.amount
    if intent is not None:
        sums[intent.currency] = sums.get(intent.currency, 0) - intent.amount_received
    return {currency: amount for currency, amount in sums.items() if amount}


def with_difference(match: Match, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings of a match with order and time, of which one carries the payment's difference, so that it counts once.

    That is the pair finding: a side finding stands beside an agreement, or beside the pair finding that carries it.
    """
    if not findings:
        return findings
    intent = match.intent if isinstance(match.intent, Intent) else None
    created = _created(match) if intent is None else intent.created
    order = match.order or next((row.order for row in match.payments if row.order), None)
    rows = paid_rows(match)
    # a side finding may be about another payment of the order, which has another time
    dated = [
        replace(
            found,
            order=order,
            payment_created=created if found.belongs_to(match.intent.id) else None,
        )
        for found in findings
    ]
    position = next((n for n, found in enumerate(findings) if not found.kind.is_side), None)
    if position is None:
        return tuple(dated)

    pair = dated[position]
    differing = difference(rows, intent)
    if pair.kind is Kind.PAID_BY_OTHER_INTENT:
        # the money is the paying intent's, which no row holds
        paying = _paying_intent(match, pair)
        if paying is not None:
            differing, created = difference((), paying), paying.created
    dated[position] = replace(pair, difference=differing, payment_created=created)
    return tuple(dated)


def _paying_intent(match: Match, finding: Finding) -> Intent | None:
    named = finding.evidence.get("paying_intent")
    facts = match.facts.order
    intents = () if facts is None else facts.intents
    return next((intent for intent in intents if intent.id == named), None)


def _created(match: Match) -> datetime | None:
    times = [row.created for row in match.payments if row.created is not None]
    return min(times, default=None)
