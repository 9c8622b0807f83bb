"""The findings that explain a difference, as the ledger knew them at a moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.domain.statement.reconciling_item import FindingHistory, FindingRecord

START = datetime(2026, 10, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
FOUND = FindingRecord(
    1,
    START,
    "pi_1",
    "missed_outcome",
    "open",
    {"eur": -500},
    START - HOUR,
    "warning",
    "report_mode",
)
CLOSED = replace(FOUND, seq=2, at=START + HOUR, state="closed", difference={}, payment_created=None)


def test_an_item_is_what_was_found() -> None:
    """It carries what a person wants to see of it."""
    (item,) = FindingHistory([FOUND]).at_entry(1)
    assert (item.subject, item.kind, item.state) == ("pi_1", "missed_outcome", "open")
    assert (item.currency, item.amount) == ("eur", -500)
    assert (item.payment_created, item.since) == (START - HOUR, START)
    assert (item.severity, item.reason) == ("warning", "report_mode")


def test_it_is_there_from_its_entry_to_its_end() -> None:
    """By the number of an entry, or by time."""
    items = FindingHistory([FOUND, CLOSED])
    assert [len(items.at_entry(seq)) for seq in (0, 1, 2)] == [0, 1, 0]
    moments = (START - HOUR, START, START + HOUR)
    assert [len(items.at_time(moment)) for moment in moments] == [0, 1, 0]


@pytest.mark.parametrize(
    ("state", "differs"),
    [
        ("open", True),
        ("resolved", True),
        ("ignored", True),
        ("corrected", False),
        ("closed", False),
    ],
)
def test_what_a_person_settled_still_differs(state: str, differs: bool) -> None:
    """Only a correction or an examination that found an agreement ends the difference."""
    assert bool(FindingHistory([replace(FOUND, state=state)]).at_entry(1)) is differs


def test_a_difference_in_two_currencies_is_two_items() -> None:
    """Amounts of two currencies are never added up; a currency that agrees is none."""
    two = replace(FOUND, difference={"eur": -500, "usd": 700, "gbp": 0})
    assert [(item.currency, item.amount) for item in FindingHistory([two]).at_entry(1)] == [
        ("eur", -500),
        ("usd", 700),
    ]


def test_a_finding_without_a_time_explains_no_day() -> None:
    """Then it is not known to which day its payment belongs."""
    assert FindingHistory([replace(FOUND, payment_created=None)]).at_entry(1) == ()


def test_it_is_old_since_it_came_up_last() -> None:
    """Another amount keeps the age; after an agreement it begins anew."""
    other = replace(FOUND, seq=2, at=START + HOUR, difference={"eur": -300})
    (item,) = FindingHistory([FOUND, other]).at_entry(2)
    assert (item.since, item.amount) == (START, -300)
    again = replace(FOUND, seq=3, at=START + 2 * HOUR)
    (item,) = FindingHistory([FOUND, CLOSED, again]).at_entry(3)
    assert item.since == again.at


def test_what_came_and_went_between() -> None:
    """Found after the beginning and cleared before the end, with what it was last."""
    items = FindingHistory([FOUND, CLOSED])
    later = START + 2 * HOUR
    assert [item.amount for item in items.between(START - HOUR, later)] == [-500]
    # it was there at the beginning, or still is at the end, or was over before
    assert items.between(START, later) == ()
    assert items.between(START - HOUR, START) == ()
    assert items.between(later, later + HOUR) == ()
    never = replace(FOUND, state="corrected")
    assert FindingHistory([never]).between(START - HOUR, later) == ()
