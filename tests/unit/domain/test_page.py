"""What is written about a page at once."""

from __future__ import annotations

from dataclasses import fields

import pytest

from reconciler.domain.audit.ledger_entry import Action, Draft
from reconciler.domain.findings.discrepancy import Kind, State
from reconciler.domain.findings.lifecycle import DiscrepancyUpdate
from reconciler.domain.model.page import Loaded, PageRecord, RowWrite
from reconciler.domain.model.recheck import Recheck
from reconciler.domain.outcome import Outcome
from tests.unit.domain.samples import NOW, event, payment

_DRAFT = Draft(Action.CORRECTION, {})
CONTENT = {
    "writes": RowWrite(payment(Outcome.INCOMPLETE), "paid", "pi_1", _DRAFT),
    "updates": DiscrepancyUpdate(None, "pi_1", Kind.OVERDUE, State.OPEN, None, True),
    "rechecks": Recheck("pi_1", NOW, "changed a moment ago"),
    "settled": "pi_1",
    "events": event(NOW),
    "drafts": _DRAFT,
}


def test_a_record_without_content_is_empty() -> None:
    """The sweep and its time alone are no content, so no transaction begins."""
    assert PageRecord().is_empty
    assert PageRecord(seen_at=NOW, sweep=1).is_empty
    assert {field.name for field in fields(PageRecord)} == {
        *CONTENT,
        "seen_at",
        "sweep",
        "most_an_hour",
    }


@pytest.mark.parametrize("name", CONTENT)
def test_a_record_with_any_content_is_not_empty(name: str) -> None:
    """Every field that holds content counts."""
    content: dict[str, tuple[object, ...]] = {name: (CONTENT[name],)}
    assert not PageRecord(**content).is_empty  # type: ignore[arg-type]


def test_the_intents_that_have_a_recheck() -> None:
    """A verdict about one of them ends its recheck."""
    loaded = Loaded((), (), (), (), (), NOW, waiting=(Recheck("pi_1", NOW, "too early"),))
    assert loaded.rechecks == ("pi_1",)
