"""The reading of the recent events: what it reads, and that it always ends."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.domain.model.intent import Event
from reconciler.engine.reads.recent_events import (
    MOST_PAGES,
    RECENT_TYPES,
    TAIL_TYPES,
    read_recent_events,
)
from reconciler.errors import StripeUnavailableError
from tests.unit.engine.doubles import NOW, PlainStripe


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
    with pytest.raises(StripeUnavailableError, match="did not end"):
        read_recent_events(stripe, NOW)
    assert stripe.reads == MOST_PAGES
