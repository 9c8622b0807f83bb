"""The read_recent_events at fresh events: what it reads, and that it always ends."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.domain.model.intent import Event
from reconciler.engine.reads.recent_events import CHANGING_TYPES, LONGEST_LOOK, read_recent_events
from reconciler.errors import StripeUnavailableError
from tests.unit.engine.doubles import NOW, PlainStripe


def an_event(number: int, intent: str | None) -> Event:
    return Event(f"evt_{number}", "payment_intent.succeeded", NOW, intent)


def test_the_types_fit_into_one_query() -> None:
    """Stripe takes 20 types at most in one query."""
    assert len(CHANGING_TYPES) == len(set(CHANGING_TYPES)) == 20


def test_a_look_gathers_the_events_of_each_intent_over_all_pages() -> None:
    """Every page is read; events that name no intent are left out."""
    pages = [(an_event(1, "pi_a"), an_event(2, None)), (an_event(3, "pi_b"), an_event(4, "pi_a"))]
    seen = read_recent_events(PlainStripe(event_pages=pages), NOW - timedelta(minutes=2))
    assert {intent: [event.id for event in events] for intent, events in seen.events.items()} == {
        "pi_a": ["evt_1", "evt_4"],
        "pi_b": ["evt_3"],
    }
    assert seen.now == NOW


def test_a_look_that_does_not_end_fails() -> None:
    """A flood of events ends the read_recent_events by an error, in a bounded number of reads."""
    stripe = PlainStripe(event_pages=[()] * (LONGEST_LOOK + 1))
    with pytest.raises(StripeUnavailableError, match="did not end"):
        read_recent_events(stripe, NOW)
    assert stripe.reads == LONGEST_LOOK
