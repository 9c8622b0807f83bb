"""What of a page's decisions is written."""

from __future__ import annotations

from reconciler.domain.model.match import Match
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct
from reconciler.domain.rules.grace import Wait
from reconciler.engine.page.page_changes import PageChanges
from reconciler.engine.report import Mode, Writing
from reconciler.engine.sweep_context import Actor
from tests.unit.domain.samples import NOW, intent, payment, rules

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
    assert [write.payment_intent for write in record.writes] == ["pi_1"]
    assert [recheck.payment_intent for recheck in record.rechecks] == ["pi_2"]
