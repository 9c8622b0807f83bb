"""When an open payment is polled next.

Polls fall into slots. An interval is the shortest one of the table, doubled some times, and every slot is a multiple of
its interval from one origin. So all payments of the same age are due together, and one page of a list covers a hundred
of them: the reads of a day hardly grow with the number of open payments. The jitter shifts the slots of one account
against those of another. All payments of an account have to be given the same jitter.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from reconciler.domain.model.intent import Intent
from reconciler.domain.outcome import Outcome
from reconciler.domain.polling.poll_intervals import MONDAY, poll_interval_of
from reconciler.domain.rules.payment_method_deadlines import (
    CAPTURE_WARNING,
    add_business_days,
    authorized_between,
    expected_until,
    processing_deadline,
    voucher_deadline,
)

SHORTEST_PAUSE: Final = timedelta(minutes=1)
"""The shortest time between two polls of a payment."""
LAG: Final = timedelta(minutes=10)
"""The time that Stripe has to act on a deadline before the poll that follows it."""
SLOT_AFTER_DEADLINE: Final = timedelta(minutes=15)
SLOT_AFTER_LIMIT: Final = timedelta(hours=6)
"""The last poll is not urgent and every payment has one, so wide slots put many of them into one list."""
JITTER: Final = 0.1
"""Jitter makes a poll later by at most this share of its interval."""


def next_poll(
    intent: Intent, now: datetime, created: datetime | None, horizon: timedelta, jitter: float
) -> datetime | None:
    """When to read an intent again that was read at ``now`` and has an open row; None if it is not polled any more.

    ``created`` is the row's time, None if the intent's time stands for it. ``jitter`` is at least 0 and below 1. A poll
    follows every deadline. The last poll follows the later of the horizon and the known deadline. Jitter moves no other
    poll past a deadline. A later ``now`` never gives an earlier poll.
    """
    limit = expected_until(intent, created, horizon)
    if now > limit:
        return None
    upcoming = (
        (deadline, poll)
        for deadline, poll in _polls_after_deadlines(intent, limit, jitter)
        if poll > now
    )
    deadline, poll_after_deadline = next(upcoming)

    # without jitter, so that jitter alone does not push a poll past the deadline
    if _poll_by_interval(intent, now, 0.0) > deadline:
        return max(poll_after_deadline, now + SHORTEST_PAUSE)
    return max(min(_poll_by_interval(intent, now, jitter), deadline), now + SHORTEST_PAUSE)


def deadlines(intent: Intent) -> tuple[datetime, ...]:
    """The moments that a poll follows, in any order. The end of polling is not among them."""
    match intent.outcome:
        case Outcome.PROCESSING:
            return (processing_deadline(intent),)
        case Outcome.AUTHORIZED:
            start, end = authorized_between(intent)
            # halfway, a forgotten capture can still be made; then the warning is due; then the authorization has ended
            return (start + (end - start) / 2, end - CAPTURE_WARNING, end)
        case Outcome.INCOMPLETE if intent.next_action is not None and intent.next_action.expires_at:
            expiry = intent.next_action.expires_at
            last = voucher_deadline(intent) or expiry
            # Stripe reports a payment of the last minutes on the next business day
            return (expiry, add_business_days(expiry, 1), last)
        case _:
            return ()


def _poll_by_interval(intent: Intent, now: datetime, jitter: float) -> datetime:
    """The next slot of the intent's interval that is at least half an interval away."""
    # at least half an interval away, so that a read just before a slot is not followed by another one
    interval = poll_interval_of(intent, now)
    elapsed, began = interval.elapsed(now), interval.elapsed(intent.changed_at)
    step = interval.step(elapsed - began)
    slot = _next_slot(max(elapsed + step / 2, began + interval.first), step)
    return interval.moment(slot + jitter * JITTER * step)


def _polls_after_deadlines(
    intent: Intent, limit: datetime, jitter: float
) -> list[tuple[datetime, datetime]]:
    """Each deadline with the poll that follows it, in order. The last deadline is the limit of polling."""

    def poll_after(deadline: datetime, width: timedelta) -> datetime:
        return MONDAY + _next_slot(deadline + LAG - MONDAY, width) + jitter * JITTER * width

    # a deadline after the limit has no poll, because nothing is polled after the limit
    moments = sorted({*(moment for moment in deadlines(intent) if moment < limit), limit})
    polls = [
        # a poll that follows one deadline comes before the next deadline
        (deadline, min(poll_after(deadline, SLOT_AFTER_DEADLINE), following))
        for deadline, following in pairwise(moments)
    ]
    return [*polls, (limit, poll_after(limit, SLOT_AFTER_LIMIT))]


def _next_slot(elapsed: timedelta, width: timedelta) -> timedelta:
    """The next multiple of a width."""
    return -(-elapsed // width) * width
