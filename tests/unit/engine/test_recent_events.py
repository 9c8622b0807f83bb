"""The reading of the recent events: what it reads, and that it always ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from reconciler.domain.model.intent import Event
from reconciler.domain.model.page import EventPage
from reconciler.domain.model.time_range import TimeRange
from reconciler.engine.reads.recent_events import (
    MOST_HISTORY_PAGES,
    MOST_PAGES,
    RECENT_TYPES,
    TAIL_TYPES,
    RecentEventReader,
    read_recent_events,
)
from reconciler.errors import StripeUnavailableError
from tests.unit.engine.doubles import NOW, PlainStripe

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def an_event(number: int, intent: str | None) -> Event:
    return Event(f"evt_{number}", "payment_intent.succeeded", NOW, intent)


@pytest.mark.parametrize("types", [RECENT_TYPES, TAIL_TYPES], ids=["recent events", "tail"])
def test_the_types_fit_into_one_query(types: tuple[str, ...]) -> None:
    """Stripe takes 20 types at most in one query."""
    assert len(types) == len(set(types)) == 20


def test_the_events_of_each_intent_are_gathered_over_all_pages() -> None:
    """Every page is read; events that name no intent are left out."""
    pages = [(an_event(1, "pi_a"), an_event(2, None)), (an_event(3, "pi_b"), an_event(4, "pi_a"))]
    recent = read_recent_events(PlainStripe(event_pages=pages), NOW - timedelta(minutes=2))
    assert {intent: [event.id for event in events] for intent, events in recent.events.items()} == {
        "pi_a": ["evt_1", "evt_4"],
        "pi_b": ["evt_3"],
    }
    assert recent.now == NOW


def test_a_reading_that_does_not_end_fails() -> None:
    """A flood of events ends the reading with an error, after a bounded number of reads."""
    stripe = PlainStripe(event_pages=[()] * (MOST_PAGES + 1))
    with pytest.raises(StripeUnavailableError, match="stopped reading them"):
        read_recent_events(stripe, NOW)
    assert stripe.reads == MOST_PAGES


def a_stripe(count: int, apart: timedelta) -> PlainStripe:
    """A Stripe with so many events of as many payments, the newest at the present."""
    events = [
        Event(f"evt_{n}", "payment_intent.succeeded", NOW - n * apart, f"pi_{n}")
        for n in range(count)
    ]
    return PlainStripe(events=events)


def test_a_short_history_comes_with_the_recent_events() -> None:
    """One list that has both costs no read more; what is older than the recent events is kept apart."""
    stripe = a_stripe(50, MINUTE)
    read = RecentEventReader(stripe).read(NOW - 2 * MINUTE, NOW - 30 * MINUTE)
    assert stripe.reads == 1
    assert set(read.events) == {"pi_0", "pi_1", "pi_2"}
    assert set(read.history.events) == {f"pi_{n}" for n in range(3, 31)}
    assert read.history.since == NOW - 30 * MINUTE


def test_a_history_over_several_pages_is_known_from_its_start() -> None:
    """The recent events end with their first page; the rest is one list of what the rows may have missed."""
    stripe = a_stripe(450, MINUTE)
    reader = RecentEventReader(stripe)
    read = reader.read(NOW - 2 * MINUTE, NOW - 400 * MINUTE)
    assert stripe.reads == 1 + 4
    assert read.history.since == NOW - 400 * MINUTE
    # a second reading needs no history again
    reader.read(NOW - 2 * MINUTE, NOW - 300 * MINUTE)
    assert stripe.reads == 1 + 4 + 1


def test_a_long_history_is_known_as_far_as_it_was_read() -> None:
    """The newest events come first, so what was read is whole from its oldest second on."""
    stripe = a_stripe(100 * (MOST_HISTORY_PAGES + 5), SECOND)
    reader = RecentEventReader(stripe)
    read = reader.read(NOW - 2 * SECOND, NOW - 10_000 * SECOND)
    assert stripe.reads == 1 + MOST_HISTORY_PAGES
    known = read.history.since
    assert known is not None
    assert NOW - 1100 * SECOND <= known <= NOW - 1090 * SECOND
    reader.read(NOW - 2 * SECOND, NOW - 10_000 * SECOND)
    assert stripe.reads == 1 + MOST_HISTORY_PAGES + 1


def test_no_verdict_depends_on_the_history() -> None:
    """If the history cannot be read, the recent events are still there."""
    stripe = a_stripe(450, MINUTE)
    listed = stripe.list_events

    def list_events(
        created: TimeRange, types: Sequence[str], after: str | None = None
    ) -> EventPage:
        if created.until is not None:
            raise StripeUnavailableError("Stripe answers 500.", "")
        return listed(created, types, after)

    stripe.list_events = list_events  # type: ignore[method-assign]
    read = RecentEventReader(stripe).read(NOW - 2 * MINUTE, NOW - 400 * MINUTE)
    assert set(read.events) == {"pi_0", "pi_1", "pi_2"}
    assert read.history.since is not None
    assert read.history.since > NOW - 100 * MINUTE
