"""What was loaded about several pages together, parted again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from reconciler.domain.model.intent import Event
from reconciler.domain.model.page import Loaded, parts_of
from reconciler.domain.model.recheck import Recheck
from reconciler.domain.outcome import Outcome
from tests.unit.domain.samples import payment

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_each_page_has_what_belongs_to_its_intents() -> None:
    """Rows, events and rechecks by the intent, and paid rows by the orders of the page's rows."""
    rows = tuple(
        payment(Outcome.INCOMPLETE, key=name, payment_intent=f"pi_{name}", order=f"o{name}")
        for name in "12"
    )
    paid = tuple(replace(row, key=f"p{row.key}", payment_intent="pi_9") for row in rows)
    events = tuple(
        Event(f"evt_{n}", "payment_intent.succeeded", NOW, f"pi_{n}", True) for n in "12"
    )
    waiting = (Recheck("pi_2", NOW, "why"),)
    loaded = Loaded(rows, (), paid, (), events, NOW, waiting)
    first, second, third = parts_of(loaded, [["pi_1"], ["pi_2"], ["pi_3"]])
    assert (first.payments, first.paid, first.events) == (rows[:1], paid[:1], events[:1])
    assert (second.payments, second.paid, second.events) == (rows[1:], paid[1:], events[1:])
    assert (first.waiting, second.waiting) == ((), waiting)
    assert (third.payments, third.paid, third.events, third.at) == ((), (), (), NOW)
