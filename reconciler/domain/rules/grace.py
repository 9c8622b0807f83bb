"""The grace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reconciler.domain.model.intent import Event, Intent
from reconciler.domain.model.match import Rules

SHORTEST_WAIT: Final = timedelta(seconds=1)
"""Stripe's times are whole seconds: a shorter wait would look at the same second again."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Too early to say: look again at ``until``. A check is left, so that it is not forgotten."""

    until: datetime
    why: str


def wait_for_webhook(
    intent: Intent, rules: Rules, now: datetime, events: tuple[Event, ...]
) -> Wait | None:
    """Whether the webhook of the latest change may still be on its way."""
    newest = max((event.created for event in events), default=None)
    changed_at = intent.changed_at if newest is None else max(intent.changed_at, newest)
    pause = max(rules.grace, SHORTEST_WAIT)
    if newest is not None and newest >= intent.seen_at:
        return Wait(newest + pause, "an event is as new as what was fetched")
    if now - changed_at < rules.grace:
        return Wait(changed_at + pause, "it changed less than the grace ago")
    return None
