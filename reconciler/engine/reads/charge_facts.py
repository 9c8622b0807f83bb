"""Reads what a verdict depends on besides the intent: refunds, disputes and balance transactions of its charge."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match
from reconciler.domain.model.match_facts import Question
from reconciler.engine.ports import Stripe


def with_fact(stripe: Stripe, match: Match, question: Question) -> Match:
    """The match with the answer to one question among its facts. It costs reads. Raises what Stripe's port raises.

    An order is answered for many matches together (see ``page.order_questions``), so it is no question for this.
    """
    charge_id = _charge_id(match)
    facts = match.facts
    match question:
        case Question.REFUNDS:
            refunds = replace(facts.refunds, refunds=stripe.refunds(charge_id))
            facts = replace(facts, refunds=refunds)
        case Question.BALANCE:
            balance = stripe.charge_balance(charge_id)
            refunds = replace(facts.refunds, balance=balance, balance_was_read=True)
            facts = replace(facts, refunds=refunds)
        case Question.DISPUTES:
            facts = replace(facts, disputes=stripe.disputes(charge_id))
        case Question.ORDER:
            raise ValueError("an order cannot be read for one match alone")
        case _ as unreachable:
            assert_never(unreachable)
    return replace(match, facts=facts)


def _charge_id(match: Match) -> str:
    charge = match.intent.charge if isinstance(match.intent, Intent) else None
    if charge is None:
        raise ValueError("a PaymentIntent without a charge has no refunds and no disputes")
    return charge.id
