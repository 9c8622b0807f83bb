"""What of a page's decisions is written."""

from __future__ import annotations

import pytest

from reconciler.domain.findings.discrepancy import Kind, State, StoredDiscrepancy
from reconciler.domain.model.intent import Event
from reconciler.domain.model.match import Match
from reconciler.domain.model.match_facts import MatchFacts, OrderFacts
from reconciler.domain.model.recheck import Recheck
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Keep
from reconciler.domain.rules.grace import Wait
from reconciler.engine.page.page_changes import PageChanges
from reconciler.engine.report import Mode, Writing
from reconciler.engine.sweep_context import Actor
from tests.unit.domain.samples import NOW, event, intent, payment, rules

PERSON = Actor("default", 1, "ops", Mode.UPDATE, Writing.ROWS, epoch=1)


def test_a_row_is_written_once() -> None:
    """A second decision about a row waits: two writes would be two ledger entries and two events for one change."""
    changes = PageChanges(PERSON, rules(), {}, NOW, None, {}, ())
    row = payment(Outcome.INCOMPLETE)
    paid = Correct((row,), Outcome.SUCCEEDED, "paid", ())
    first = Match("default", intent("succeeded"), (row,))
    second = Match("default", intent("succeeded", id="pi_2"), (row,))

    assert changes.add(first, paid, ()) == paid
    assert isinstance(changes.add(second, paid, ()), Wait)
    record = changes.page((), None)
    assert record is not None
    assert [write.payment_intent for write in record.writes] == ["pi_1"]
    assert [recheck.payment_intent for recheck in record.rechecks] == ["pi_2"]


@pytest.mark.parametrize(("is_complete", "stays"), [(False, True), (True, False)])
def test_a_payment_by_another_intent_is_closed_only_by_a_known_order(
    is_complete: bool, stays: bool
) -> None:
    """A sweep that could not find out the order does not see whether another intent still pays for the row."""
    stored = StoredDiscrepancy(
        7, "row:p1", Kind.PAID_BY_OTHER_INTENT, State.OPEN, "0" * 64, payment_intent="pi_1"
    )
    changes = PageChanges(PERSON, rules(), {"pi_1": (stored,)}, NOW, None, {}, ())
    facts = MatchFacts(order=OrderFacts(is_complete=is_complete))
    row = payment(Outcome.INCOMPLETE)
    changes.add(Match("default", intent("canceled"), (row,), facts=facts), Keep(), ())
    record = changes.page((), None)
    if stays:
        assert record is None
    else:
        assert record is not None
        assert [update.kind for update in record.updates] == [Kind.PAID_BY_OTHER_INTENT]


def test_a_page_without_content_is_not_written() -> None:
    """A verdict that changes nothing begins no transaction; a recheck or an event alone does."""
    agreed = Match("default", intent("succeeded"), (payment(Outcome.SUCCEEDED),))

    def page_of(decision: Keep | Wait, events: tuple[Event, ...] = (), **before: Recheck) -> bool:
        changes = PageChanges(PERSON, rules(), {}, NOW, None, {}, ())
        changes.add(agreed, decision, events)
        return changes.page(tuple(before.values()), None) is not None

    assert not page_of(Keep())
    assert page_of(Keep(), (event(NOW),))
    assert page_of(Wait(NOW, "too early"))
    assert page_of(Keep(), earlier=Recheck("pi_1", NOW, "too early"))
