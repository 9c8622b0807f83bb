"""The history of a payment is one time line, made of the ledger, the notes and the outbox."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.domain.audit.ledger_entry import Entry
from reconciler.domain.findings.history_item import HistoryItem, HistoryNote, OutboxRow
from reconciler.domain.findings.history_text import by_text, history_text
from reconciler.domain.findings.payment_history import payment_history

AT = datetime(2026, 11, 2, tzinfo=UTC)
NUMBERS = {("pi_1", "missed_outcome"): 7}


def entry(seq: int, action: str, minutes: int = 0, **body: object) -> Entry:
    return Entry("default", seq, AT + timedelta(minutes=minutes), action, body, "", "")


def outbox(seq: int, **changes: object) -> OutboxRow:
    values: dict[str, object] = {
        "delivered_at": None,
        "given_up_at": None,
        "next_attempt_at": None,
        "last_error": None,
        **changes,
    }
    return OutboxRow(id=3, seq=seq, key="1", created_at=AT, attempts=1, **values)  # type: ignore[arg-type]


def texts(*items: HistoryItem) -> list[str]:
    return [history_text(item) for item in items]


def test_a_correction_comes_after_its_finding_and_before_its_message() -> None:
    """All of one transaction has one time; the ledger may have the write before the finding."""
    entries = [
        entry(
            1,
            "correction",
            sweep=2,
            asked_by="ana@host",
            claimed_by="Ana",
            key="1",
            payment_intent="pi_1",
            before={"status": "pending"},
            after={"status": "paid"},
        ),
        entry(
            2,
            "finding_opened",
            sweep=2,
            subject="pi_1",
            kind="missed_outcome",
            state="corrected",
            keys=["1"],
            reason=None,
        ),
    ]
    found, corrected, queued = payment_history(entries, (), [outbox(1)], NUMBERS)
    assert texts(found, corrected, queued) == [
        "found missed_outcome (discrepancy 7), by sweep 2",
        "corrected payment 1: pending -> paid, by sweep 2",
        "outbox row 3 written for payment 1: waiting",
    ]
    assert (found.key, by_text(found), by_text(corrected)) == ("1", "", "ana@host (Ana)")


def test_each_state_of_a_delivery() -> None:
    """Waiting with its last error, delivered, or given up."""
    failing = outbox(1, last_error="500")
    assert texts(*payment_history((), (), [failing], {})) == [
        "outbox row 3 written for payment 1: waiting; last error: 500"
    ]
    later = AT + timedelta(minutes=1)
    assert texts(*payment_history((), (), [outbox(1, delivered_at=later)], {})) == [
        "outbox row 3 written for payment 1",
        "outbox row 3 delivered",
    ]
    given_up = outbox(1, given_up_at=later, last_error="500")
    assert texts(*payment_history((), (), [given_up], {})) == [
        "outbox row 3 written for payment 1",
        "outbox row 3 given up: 500",
    ]


FINDING = {"subject": "pi_1", "kind": "missed_outcome"}


@pytest.mark.parametrize(
    ("action", "body", "text"),
    [
        (
            "finding_changed",
            {**FINDING, "state": "open", "reason": "order_paid"},
            "found missed_outcome (discrepancy 7) again with other values: order_paid",
        ),
        (
            "finding_changed",
            {**FINDING, "state": "closed", "closing": "agreement", "sweep": 4},
            "closed missed_outcome (discrepancy 7), by sweep 4: agreement",
        ),
        (
            "revert",
            {"sweep": 4, "key": "1", "before": {"status": "paid"}, "after": {"status": None}},
            "reverted payment 1: paid -> no status, a correction of sweep 4",
        ),
        (
            "resolution",
            {**FINDING, "discrepancy": 7, "state": "resolved", "note": "by hand"},
            "resolved missed_outcome (discrepancy 7): by hand",
        ),
        (
            "resolution",
            {
                **FINDING,
                "discrepancy": 7,
                "state": "resolved",
                "before": {"status": "pending"},
                "after": {"status": "paid"},
            },
            "resolved missed_outcome (discrepancy 7), pending -> paid",
        ),
        (
            "resolution",
            {**FINDING, "discrepancy": 7, "state": "ignored", "note": "a test"},
            "ignored missed_outcome (discrepancy 7): a test",
        ),
        (
            "assignment",
            {**FINDING, "owner": "bo", "before": None},
            "assigned missed_outcome (discrepancy 7) to bo",
        ),
        (
            "assignment",
            {**FINDING, "owner": None, "before": "bo"},
            "assigned missed_outcome (discrepancy 7) to no person",
        ),
        ("reopening", FINDING, "reopened missed_outcome (discrepancy 7)"),
        ("some_action", {"subject": "pi_2"}, "some action a discrepancy"),
    ],
)
def test_each_action(action: str, body: dict[str, object], text: str) -> None:
    """What happened stands in one sentence; an action that is not known here keeps its name."""
    assert texts(*payment_history([entry(1, action, **body)], (), (), NUMBERS)) == [text]


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("finding_changed", {**FINDING, "state": "corrected"}),
        ("finding_changed", {**FINDING, "state": "resolved"}),
        ("finding_changed", {**FINDING, "state": "open", "reverted": {}}),
        ("note", {"discrepancy": 7}),
    ],
)
def test_nothing_is_said_twice(action: str, body: dict[str, object]) -> None:
    """A correction, a verdict, a revert and a note each have a line of their own."""
    assert payment_history([entry(1, action, **body)], (), (), NUMBERS) == ()


def test_notes_stand_in_their_place() -> None:
    """A note's text, and that one was removed."""
    notes = [HistoryNote(7, "bo", "asked", AT), HistoryNote(7, "bo", None, AT)]
    assert texts(*payment_history((), notes, (), {})) == [
        "note on discrepancy 7: asked",
        "note on discrepancy 7: (removed)",
    ]
