"""The service's schedule: every payment that stays open gets a check for its next look."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Final

from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match
from reconciler.domain.model.page import NEXT_POLL, Recheck
from reconciler.domain.polling.next_poll import next_poll

UNDECIDED_AGAIN: Final = timedelta(days=1)
"""An open row that only a person can put right is looked at once a day."""
NEVER: Final = timedelta(days=36_500)
"""Past its horizon a payment is no longer polled by itself: its check lies where nobody comes."""


FINDING: Final = "a finding is open"
"""The reason of a check that a person's mending of a settled row is noticed by."""


def planned_poll(
    subject: Match, now: datetime, horizon: timedelta, jitter: float, *, has_finding: bool = False
) -> Recheck | None:
    """When to look again at a subject that got a verdict, None where there is nothing more to expect."""
    if has_finding:
        return Recheck(subject.intent.id, now + UNDECIDED_AGAIN, FINDING)
    rows = [payment for payment in subject.payments if payment.outcome.is_open]
    if not rows:
        return None
    intent = subject.intent
    if not isinstance(intent, Intent) or not intent.outcome.is_open:
        return Recheck(intent.id, now + UNDECIDED_AGAIN, NEXT_POLL)
    look = next_poll(intent, now, rows[0].created, horizon, jitter)
    return Recheck(intent.id, look or now + NEVER, NEXT_POLL)


def jitter_of(account: str) -> float:
    """The same for all payments of an account, so that those of an age come due together."""
    digest = hashlib.sha256(account.encode()).digest()
    return int.from_bytes(digest[:4]) / 2**32
