"""Explains a payment that was found by any of its names: opens the account that it belongs to, and asks Stripe."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.clock import Clock
from reconciler.domain.model.intent import Intent
from reconciler.engine.account import OpenAccount
from reconciler.engine.actions.explain import (
    Explanation,
    explain_intent,
    intent_of_id,
    intents_of_order,
)
from reconciler.engine.actions.explained_records import with_records
from reconciler.engine.actions.find_payment import LocalSide, PaymentFinder
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.settings import Account, Settings
from reconciler.wiring.account import open_account
from reconciler.wiring.limits import limits_of


@dataclass(frozen=True, slots=True)
class ExplainedPayment:
    """A payment with both of its sides. ``explanation`` is None if nothing says which PaymentIntent it is."""

    local: LocalSide
    explanation: Explanation | None
    account: Account | None


def explain_payment(
    settings: Settings,
    clock: Clock,
    finder: PaymentFinder,
    local: LocalSide,
    accounts: Sequence[Account],
    stopping: threading.Event,
) -> ExplainedPayment:
    """Read Stripe's side of a payment, and decide about it as a sweep would. Writes nothing.

    ``accounts`` are tried in turn if nothing here says to which account the payment belongs. Once ``stopping`` is set,
    every read from Stripe ends. Raises what ``open_account`` and the ports raise.
    """
    named = local.named
    if not _has_stripe_side(local):
        return ExplainedPayment(local, None, None)
    candidates = [one for one in accounts if named.account in (None, one.name)]
    last = ExplainedPayment(local, None, None)
    for account in candidates:
        limiter = RateLimiter(limits_of(settings, account), clock, stopping)
        with open_account(settings, account, clock, rate_limiter=limiter) as opened:
            intent = _intent(opened, local)
            if intent is None:
                continue
            several = account.name if len(settings.accounts) > 1 else None
            found = explain_intent(opened, intent, several)
        if local.named.account is None or local.named.payment_intent != intent:
            whole = finder.local_side(finder.in_account(named, account.name, intent))
        else:
            whole = local
        last = ExplainedPayment(whole, with_records(found, whole, several), account)
        if isinstance(found.match.intent, Intent):
            return last
    return last


def _has_stripe_side(local: LocalSide) -> bool:
    named = local.named
    if named.payment_intent is not None or named.looked_up is not None:
        return True
    return named.account is not None and _order_without_intent(local) is not None


def _order_without_intent(local: LocalSide) -> str | None:
    """The order of a row that holds no id at all, so that Stripe may know it by its order."""
    for row in local.named.rows:
        if not row.payment.payment_intent and row.payment.order:
            return row.payment.order
    return None


def _intent(opened: OpenAccount, local: LocalSide) -> str | None:
    named = local.named
    if named.payment_intent is not None:
        return named.payment_intent
    if named.looked_up is not None:
        return intent_of_id(opened, named.looked_up)
    order = _order_without_intent(local)
    found = intents_of_order(opened, order) if order is not None else ()
    return found[0] if found else None
