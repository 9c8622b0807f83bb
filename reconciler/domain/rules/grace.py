"""The grace: a payment that changed a moment ago waits, because its webhook may still be on its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reconciler.domain.model.intent import Event, Intent
from reconciler.domain.model.match import Rules
from reconciler.domain.model.payment import Payment

SHORTEST_WAIT: Final = timedelta(seconds=1)
"""Stripe's times are whole seconds: a shorter wait would read the intent in the same second again."""


@dataclass(frozen=True, slots=True)
class Wait:
    """It is too early to decide: read the intent again at ``until``. A recheck is stored, so that this is not lost."""

    until: datetime
    why: str


def wait_for_webhook(
    intent: Intent, rules: Rules, now: datetime, events: tuple[Event, ...]
) -> Wait | None:
    """Wait if the webhook of the latest change may still be on its way, else None.

    ``now`` is Stripe's time. ``events`` are the known events of the intent.
    """
    newest_event = max((event.created for event in events), default=None)
    pause = max(rules.grace, SHORTEST_WAIT)

    # the intent was read before this event or in the same second, so it may show the state before the event
    if newest_event is not None and newest_event >= intent.seen_at:
        return Wait(
            newest_event + pause,
            "Reconciler read the PaymentIntent before its newest event, or in the same second",
        )

    changed_at = intent.changed_at
    if newest_event is not None:
        changed_at = max(changed_at, newest_event)
    if now - changed_at < rules.grace:
        return Wait(
            changed_at + pause,
            "the PaymentIntent changed only recently (within corrections.grace)",
        )
    return None


def wait_for_refund(rows: Sequence[Payment], rules: Rules, now: datetime) -> datetime | None:
    """Until when rows that became refunded wait for the refund at Stripe; None if they do not wait.

    ``now`` is Stripe's time. The shop may write the row before it asks Stripe. A time far ahead of ``now`` is a wrong
    clock's, and says nothing.
    """
    changed = max((row.updated for row in rows if row.updated is not None), default=None)
    if changed is None or abs(now - changed) >= rules.grace:
        return None
    return changed + max(rules.grace, SHORTEST_WAIT)
