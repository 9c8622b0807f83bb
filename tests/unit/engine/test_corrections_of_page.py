"""What a page writes for a correction: rows, ledger entries and findings; and why it writes none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.domain.audit.ledger_entry import Action
from reconciler.domain.findings.discrepancy import Kind, Reason, State
from reconciler.domain.model.page import RefusedWrite
from reconciler.domain.model.payment import Payment
from reconciler.domain.model.recheck import TABLE_REFUSED, Recheck
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Flag
from reconciler.domain.rules.grace import Wait
from reconciler.engine.page.page_changes import refusal_in_force
from reconciler.engine.report import Mode, Writing
from reconciler.engine.review import Review, ReviewedLine
from reconciler.engine.sweep_context import Actor
from tests.unit.domain.samples import NOW, SECOND, intent, match_of
from tests.unit.engine.page_samples import (
    MISSED,
    OVERDUE,
    PAID,
    PERSON,
    ROW,
    SERVICE,
    changes_of,
    record_of,
)

PARTS = (replace(ROW, key="part1"), replace(ROW, key="part2"))
REFUSAL = RefusedWrite(Reason.REFUSED_BY_TABLE, "paid_needs_a_date", "new row violates a check")


def _correct(*rows: Payment, **changes: object) -> Correct:
    usual = Correct(rows or (ROW,), Outcome.SUCCEEDED, "paid", (MISSED, OVERDUE))
    return replace(usual, **changes)  # type: ignore[arg-type]


def test_a_correction_is_one_write_with_its_entry_and_its_findings() -> None:
    """The entry has both states of the row, what was set, who asked, and which answer of Stripe it rests on."""
    changes = changes_of(replace(PERSON, claimed_by="alice"))
    assert changes.add(match_of(PAID, ROW), _correct(), ()) == _correct()
    record = changes.page((), 25)
    assert record is not None
    (write,) = record.writes
    assert (write.payment, write.to_status, write.payment_intent) == (ROW, "paid", "pi_1")
    assert write.sets is Outcome.SUCCEEDED
    assert write.entry.action is Action.CORRECTION
    assert write.entry.body == {
        "sweep": 8,
        "asked_by": "ops",
        "claimed_by": "alice",
        "key": "p1",
        "payment_intent": "pi_1",
        "outcome": "succeeded",
        "before": {"status": "pending", "payment_intent": "pi_1"},
        "after": {"status": "paid", "payment_intent": "pi_1"},
        "amount": 4200,
        "currency": "eur",
        "request_id": "req_1",
        "seen_at": NOW,
    }
    assert {update.kind: update.state for update in record.updates} == {
        Kind.MISSED_OUTCOME: State.CORRECTED,
        Kind.OVERDUE: State.OPEN,
    }
    assert [draft.body["sweep"] for draft in record.drafts] == [8, 8]
    assert [draft.body["claimed_by"] for draft in record.drafts] == ["alice", "alice"]
    assert (record.seen_at, record.sweep, record.most_an_hour) == (NOW, 8, 25)
    assert (changes.held_back, changes.paused) == (0, 0)


def test_a_row_is_pointed_at_the_intent_that_was_paid() -> None:
    """Where another intent paid for the row, the write and its entry name that one, and the entry the old one too."""
    changes = changes_of()
    changes.add(match_of(intent("canceled"), ROW), _correct(to_intent="pi_9"), ())
    (write,) = record_of(changes).writes
    assert write.payment_intent == "pi_9"
    assert write.entry.body["payment_intent"] == "pi_9"
    assert write.entry.body["before"] == {"status": "pending", "payment_intent": "pi_1"}
    assert write.entry.body["after"] == {"status": "paid", "payment_intent": "pi_9"}


@pytest.mark.parametrize(
    ("actor", "reason", "is_shown_as_correction"),
    [
        (replace(PERSON, writing=Writing.NOTHING), Reason.NOT_APPLIED, True),
        (replace(PERSON, writing=Writing.FINDINGS), Reason.NOT_APPLIED, True),
        (replace(SERVICE, writing=Writing.FINDINGS, mode=Mode.REPORT), Reason.REPORT_MODE, True),
    ],
)
def test_a_sweep_that_may_not_write_rows_stores_why(
    actor: Actor, reason: Reason, is_shown_as_correction: bool
) -> None:
    """Only the finding that would be corrected has the reason. The decision stays the correction that it would be."""
    changes = changes_of(actor, corrections_left=0, is_paused=True)
    decision = changes.add(match_of(PAID, ROW), _correct(), ())
    assert isinstance(decision, Correct) is is_shown_as_correction
    record = record_of(changes)
    assert record.writes == ()
    assert {update.kind: update.state for update in record.updates} == {
        Kind.MISSED_OUTCOME: State.OPEN,
        Kind.OVERDUE: State.OPEN,
    }
    reasons = {one.kind: one.finding.reason for one in record.updates if one.finding}
    assert reasons == {Kind.MISSED_OUTCOME: reason, Kind.OVERDUE: None}
    assert (changes.held_back, changes.paused) == (0, 0)


def test_a_paused_account_counts_the_rows_that_it_holds_back() -> None:
    """A pause comes before the hourly limit, and what it holds back is a flag with this reason."""
    changes = changes_of(SERVICE, corrections_left=0, is_paused=True)
    for name in ("pi_1", "pi_2"):
        match = match_of(intent("succeeded", id=name), *PARTS)
        decision = changes.add(match, _correct(*PARTS), ())
        assert isinstance(decision, Flag)
        assert [found.reason for found in decision.findings] == [Reason.PAUSED, None]
    assert (changes.paused, changes.held_back) == (4, 0)
    assert record_of(changes).writes == ()


def test_the_hourly_limit_is_exact_and_parts_count_each() -> None:
    """Of three rows that are left, a payment of two parts takes two; another one is held back whole, a single row is not."""
    changes = changes_of(SERVICE, corrections_left=3)
    others = tuple(replace(row, key=f"{row.key}b") for row in PARTS)
    single = replace(ROW, key="single")
    first = changes.add(match_of(PAID, *PARTS), _correct(*PARTS), ())
    second = changes.add(match_of(intent("succeeded", id="pi_2"), *others), _correct(*others), ())
    third = changes.add(match_of(intent("succeeded", id="pi_3"), single), _correct(single), ())
    more = replace(ROW, key="more")
    fourth = changes.add(match_of(intent("succeeded", id="pi_4"), more), _correct(more), ())
    assert isinstance(first, Correct)
    assert isinstance(third, Correct)
    assert isinstance(second, Flag)
    assert isinstance(fourth, Flag)
    assert [found.reason for found in second.findings] == [Reason.HOURLY_LIMIT, None]
    assert (changes.held_back, changes.paused) == (3, 0)
    assert [write.payment.key for write in record_of(changes).writes] == [
        "part1",
        "part2",
        "single",
    ]


def test_a_reviewed_preview_allows_exactly_its_lines() -> None:
    """Another status, or another line, is not written; the side finding need not be in the preview."""
    line = ReviewedLine("pi_1", "missed_outcome", MISSED.fingerprint, "paid")
    allowed, other = changes_of(review=Review((line,))), replace(line, to_status="void")
    assert isinstance(allowed.add(match_of(PAID, ROW), _correct(), ()), Correct)
    for review in (Review((other,)), Review(())):
        changes = changes_of(review=review)
        decision = changes.add(match_of(PAID, ROW), _correct(), ())
        assert isinstance(decision, Flag)
        assert [found.reason for found in decision.findings] == [Reason.NOT_APPLIED, None]
        assert record_of(changes).writes == ()


def test_a_second_correction_of_a_row_waits_until_now() -> None:
    """A part that is already written makes the whole second payment wait, and it is due at once."""
    changes = changes_of()
    changes.add(match_of(PAID, *PARTS), _correct(*PARTS), ())
    shared = (PARTS[1], replace(ROW, key="part3"))
    decision = changes.add(match_of(intent("succeeded", id="pi_2"), *shared), _correct(*shared), ())
    why = "another correction of the same page already writes this row"
    assert decision == Wait(NOW, why)
    record = record_of(changes)
    assert record.rechecks == (Recheck("pi_2", NOW, why),)
    assert [write.payment.key for write in record.writes] == ["part1", "part2"]


@pytest.mark.parametrize("actor", [PERSON, SERVICE])
def test_what_the_table_refuses_is_a_finding_and_is_tried_again_in_six_hours(actor: Actor) -> None:
    """The finding names the constraint and the message beside its evidence; a side finding stays as it is.

    The recheck is the only one, for the service too. A refused row takes nothing of the hourly limit.
    """
    changes = changes_of(actor, refused={"p1": REFUSAL}, corrections_left=1)
    decision = changes.add(match_of(PAID, ROW), _correct(), ())
    refused = {"constraint": "paid_needs_a_date", "message": "new row violates a check"}
    found = replace(MISSED, reason=Reason.REFUSED_BY_TABLE, evidence={"method": "card", **refused})
    assert decision == Flag((found, OVERDUE))
    other = replace(ROW, key="other")
    next_one = match_of(intent("succeeded", id="pi_2"), other)
    assert isinstance(changes.add(next_one, _correct(other), ()), Correct)
    record = record_of(changes)
    assert [write.payment.key for write in record.writes] == ["other"]
    stored = [one.finding for one in record.updates if one.subject == "pi_1" and one.finding]
    assert [(one.kind, one.reason, one.evidence) for one in stored] == [
        (Kind.MISSED_OUTCOME, Reason.REFUSED_BY_TABLE, found.evidence),
        (Kind.OVERDUE, None, {"method": "card"}),
    ]
    assert {one.state for one in record.updates if one.subject == "pi_1"} == {State.OPEN}
    # what the reason says is read by a statement, and again by the next sweep
    reason = "refused by the table: pending 4200 EUR -> paid"
    again = Recheck("pi_1", NOW + timedelta(hours=6), reason)
    assert [one for one in record.rechecks if one.payment_intent == "pi_1"] == [again]
    assert "pi_1" not in record.settled


def test_one_refused_part_refuses_the_payment() -> None:
    """All parts are written or none, and the recheck tells the parts apart from a single row."""
    changes = changes_of(refused={"part2": REFUSAL})
    parts = (PARTS[0], replace(PARTS[1], stored_amount=None))
    assert isinstance(changes.add(match_of(PAID, *parts), _correct(*parts), ()), Flag)
    record = record_of(changes)
    assert record.writes == ()
    (again,) = record.rechecks
    assert again.reason == "parts refused by the table: pending 4200 EUR; pending EUR -> paid"


def test_a_refused_correction_waits_while_its_row_is_the_same() -> None:
    """It is not tried again before it is due; after that, for a changed row, and for a person who names it, it is."""
    reason = "refused by the table: pending 4200 EUR -> paid"
    waiting = Recheck("pi_1", NOW + SECOND, reason)
    changes = changes_of(waiting=(waiting,))
    match = match_of(PAID, ROW)
    assert changes.add(match, _correct(), ()) == Wait(waiting.due_at, TABLE_REFUSED)
    record = record_of(changes)
    assert (record.writes, record.rechecks, record.updates) == ((), (waiting,), ())

    elsewhere = replace(waiting, payment_intent="pi_2")
    by_name = replace(PERSON, names_payments=True)
    assert isinstance(changes_of(waiting=(elsewhere,)).add(match, _correct(), ()), Correct)
    assert isinstance(changes_of(by_name, waiting=(waiting,)).add(match, _correct(), ()), Correct)


@pytest.mark.parametrize(
    ("recheck", "is_in_force"),
    [
        (None, False),
        (Recheck("pi_1", NOW + SECOND, "refused by the table: pending 4200 EUR -> paid"), True),
        (Recheck("pi_1", NOW, "refused by the table: pending 4200 EUR -> paid"), False),
        (Recheck("pi_1", NOW + SECOND, "refused by the table: pending 4300 EUR -> paid"), False),
        (Recheck("pi_1", NOW + SECOND, "refused by the table: pending 4200 EUR -> void"), False),
        (Recheck("pi_1", NOW + SECOND, "too early"), False),
    ],
)
def test_a_refusal_is_in_force_for_the_same_write_until_it_is_due(
    recheck: Recheck | None, is_in_force: bool
) -> None:
    """Another amount, another status to write, or another reason is no refusal of this write."""
    expected = recheck if is_in_force else None
    assert refusal_in_force(_correct(), recheck, NOW) is expected
