"""When a payment is looked at again.

Looks fall into slots: an interval is the table's shortest one doubled some times, and every slot is a multiple of it
from one origin. So all payments of an age come due together, and a hundred of them cost one read of a list instead of one
each: the reads of a day hardly grow with the number of open payments. The jitter moves an account's slots against those
of others; payments of one account should be given the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from reconciler.domain.model.intent import Intent
from reconciler.domain.outcome import Outcome
from reconciler.domain.polling.poll_intervals import (
    AUTHORIZATIONS,
    MONDAY,
    OTHER_AUTHORIZATIONS,
    poll_interval_of,
)
from reconciler.domain.rules.payment_method_deadlines import (
    CAPTURE_WARNING,
    add_business_days,
    known_deadline,
    processing_deadline,
    voucher_deadline,
)

FLOOR: Final = timedelta(minutes=1)
"""A payment is never looked at more often than this."""
LAG: Final = timedelta(minutes=10)
"""Time for Stripe to act upon a deadline before we look what it did."""
SLOT_AFTER_DEADLINE: Final = timedelta(minutes=15)
SLOT_AFTER_LIMIT: Final = timedelta(hours=6)
"""The last look is in no hurry, and every payment has one: wide slots bring many together."""
JITTER: Final = 0.1
"""How far jitter moves a look at most: this share of its interval, later."""


def next_poll(
    intent: Intent, now: datetime, created: datetime | None, horizon: timedelta, jitter: float
) -> datetime | None:
    """When to look again at an intent that was examined at ``now`` and whose row is still open; None to stop.

    ``created`` is the row's, None for the intent's; ``jitter`` is from 0 up to and without 1. After every deadline there
    is a look, the last of them after the later of horizon and known deadline, and none is planned from there on. Apart
    from those, jitter moves no look past a deadline. A later ``now`` never gives an earlier look.
    """
    limit = last_moment(intent, created, horizon)
    if now > limit:
        return None
    upcoming = (
        (until, look) for until, look in _after_deadlines(intent, limit, jitter) if look > now
    )
    deadline, look_after = next(upcoming)
    if _by_interval(intent, now, 0.0) > deadline:
        return max(look_after, now + FLOOR)
    return max(min(_by_interval(intent, now, jitter), deadline), now + FLOOR)


def looks(
    intent: Intent, created: datetime | None, horizon: timedelta, jitter: float
) -> Iterator[datetime]:
    """Every look at an intent that stays as it is, from its creation on."""
    now = intent.created
    while (look := next_poll(intent, now, created, horizon, jitter)) is not None:
        yield look
        now = look


def last_moment(intent: Intent, created: datetime | None, horizon: timedelta) -> datetime:
    """The later of horizon and known deadline: past it nothing more is to be expected by itself."""
    limit = (created or intent.created) + horizon
    deadline = known_deadline(intent)
    return limit if deadline is None else max(limit, deadline)


def deadlines(intent: Intent) -> tuple[datetime, ...]:
    """The moments after which an intent is worth a look of its own, besides the end of its polling; in any order."""
    match intent.outcome:
        case Outcome.PROCESSING:
            return (processing_deadline(intent),)
        case Outcome.AUTHORIZED:
            start, until = _held(intent)
            # halfway a forgotten capture is still easily made; then when the warning is due, and when the hold has ended
            return (start + (until - start) / 2, until - CAPTURE_WARNING, until)
        case Outcome.INCOMPLETE if intent.next_action is not None and intent.next_action.expires_at:
            expiry = intent.next_action.expires_at
            # who pays in the last minutes is known on the next business day
            last = voucher_deadline(intent) or expiry
            return (expiry, add_business_days(expiry, 1), last)
        case _:
            return ()


def _held(intent: Intent) -> tuple[datetime, datetime]:
    """From when until when the money is held, as far as is known."""
    charge = intent.charge
    start = intent.created if charge is None else charge.created
    if charge is not None and charge.capture_before is not None:
        return start, charge.capture_before
    return start, start + AUTHORIZATIONS.get(intent.method or "", OTHER_AUTHORIZATIONS)


def _by_interval(intent: Intent, now: datetime, jitter: float) -> datetime:
    """The next slot of its pace that is at least half an interval away."""
    interval = poll_interval_of(intent, now)
    elapsed, began = interval.elapsed(now), interval.elapsed(intent.changed_at)
    step = interval.step(elapsed - began)
    slot = _slot(max(elapsed + step / 2, began + interval.first), step)
    return interval.moment(slot + jitter * JITTER * step)


def _after_deadlines(
    intent: Intent, limit: datetime, jitter: float
) -> list[tuple[datetime, datetime]]:
    """Each deadline with the look that comes after it, and before the next one, in order; the last is the limit."""

    def after(deadline: datetime, width: timedelta) -> datetime:
        return MONDAY + _slot(deadline + LAG - MONDAY, width) + jitter * JITTER * width

    moments = sorted({*(moment for moment in deadlines(intent) if moment < limit), limit})
    found = [
        (deadline, min(after(deadline, SLOT_AFTER_DEADLINE), following))
        for deadline, following in pairwise(moments)
    ]
    return [*found, (limit, after(limit, SLOT_AFTER_LIMIT))]


def _slot(elapsed: timedelta, width: timedelta) -> timedelta:
    """The next multiple of a width."""
    return -(-elapsed // width) * width
