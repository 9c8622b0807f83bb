"""What is read and written together."""

from __future__ import annotations

from dataclasses import fields

import pytest

from reconciler.domain.audit.ledger_entry import Action, Draft
from reconciler.domain.findings.discrepancy import Kind, State
from reconciler.domain.findings.lifecycle import DiscrepancyUpdate
from reconciler.domain.model.page import PageRecord, RowWrite
from reconciler.domain.model.recheck import Recheck
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import Outcome
from tests.unit.domain.samples import NOW, SECOND, event, payment


def test_a_range_holds_its_first_moment_and_not_its_last() -> None:
    """From since up to and without until: neighbours share no second and lose none."""
    hour = TimeRange(NOW, NOW + 3600 * SECOND)
    assert NOW in hour
    assert NOW - SECOND not in hour
    assert NOW + 3599 * SECOND in hour
    assert NOW + 3600 * SECOND not in hour


def test_a_missing_bound_is_no_bound() -> None:
    """None is without a bound on that side."""
    assert NOW in TimeRange()
    assert NOW in TimeRange(since=NOW)
    assert NOW not in TimeRange(since=NOW + SECOND)
    assert NOW in TimeRange(until=NOW + SECOND)
    assert NOW not in TimeRange(until=NOW)


_DRAFT = Draft(Action.CORRECTION, {})
CONTENT = {
    "writes": RowWrite(payment(Outcome.INCOMPLETE), "paid", "pi_1", _DRAFT),
    "updates": DiscrepancyUpdate(None, "pi_1", Kind.OVERDUE, State.OPEN, None, True),
    "rechecks": Recheck("pi_1", NOW, "fresh"),
    "settled": "pi_1",
    "events": event(NOW),
    "drafts": _DRAFT,
}


def test_a_page_about_which_nothing_is_known_is_empty() -> None:
    """Nothing to write is no transaction; the sweep and its time alone are nothing."""
    assert PageRecord().is_empty
    assert PageRecord(seen_at=NOW, sweep=1).is_empty
    assert {field.name for field in fields(PageRecord)} == {
        *CONTENT,
        "seen_at",
        "sweep",
        "most_an_hour",
    }


@pytest.mark.parametrize("name", CONTENT)
def test_a_page_with_anything_to_write_is_not_empty(name: str) -> None:
    """Not one sort of content may be forgotten."""
    content: dict[str, tuple[object, ...]] = {name: (CONTENT[name],)}
    assert not PageRecord(**content).is_empty  # type: ignore[arg-type]
