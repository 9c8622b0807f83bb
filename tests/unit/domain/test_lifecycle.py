"""The life of a discrepancy, for every kind and state: what a verdict does to what is stored."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.domain.findings.discrepancy import (
    Closing,
    Finding,
    Kind,
    Reason,
    Severity,
    State,
    StoredDiscrepancy,
)
from reconciler.domain.findings.lifecycle import (
    DiscrepancyUpdate,
    is_settled_by_person,
    updates_after_verdict,
)
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.findings.reverted_correction import Revert
from reconciler.domain.money import Money
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Flag, decide
from tests.unit.domain.samples import NOW, charge, intent_of, match_of, payment, rules

STORED_ID = 7
PAIR_KINDS = [kind for kind in Kind if not kind.is_side]
SIDE_KINDS = [kind for kind in Kind if kind.is_side]


def _finding(kind: Kind, *, status: str = "pending", reason: Reason | None = None) -> Finding:
    return Finding(
        kind=kind,
        severity=Severity.WARNING,
        stake=Money(4200, "eur"),
        payment_intent="pi_1",
        keys=("p1",),
        local={"status": status},
        stripe={"status": "succeeded"},
        reason=reason,
    )


def _known(kind: Kind, state: State, *, reason: Reason | None = None) -> StoredDiscrepancy:
    return StoredDiscrepancy(STORED_ID, "pi_1", kind, state, _finding(kind).fingerprint, reason)


def _facts(update: DiscrepancyUpdate) -> tuple[int | None, State, bool, Closing | None]:
    return update.id, update.state, update.is_news, update.closing


def _expected(
    state: State | None, *, same: bool, same_reason: bool, corrected: bool
) -> tuple[State, bool]:
    """The next state of what was found, and whether that is news: the documented rules in their order."""
    if corrected:
        return State.CORRECTED, True
    if state in {State.RESOLVED, State.IGNORED} and same:
        assert state is not None
        return state, False
    if state is State.OPEN and same and same_reason:
        return State.OPEN, False
    return State.OPEN, True


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("state", [None, *State])
def test_what_is_found(kind: Kind, state: State | None) -> None:
    """It is opened, seen again, changed, reopened, corrected or left as a person settled it, always with its id."""
    for same, same_reason, corrected in itertools.product([True, False], repeat=3):
        reason = None if same_reason else Reason.HOURLY_LIMIT
        found = _finding(kind, status="pending" if same else "declined", reason=reason)
        stored = () if state is None else (_known(kind, state),)
        (update,) = updates_after_verdict(stored, (found,), corrected=corrected)
        done = corrected and kind.is_correctable
        expected, news = _expected(state, same=same, same_reason=same_reason, corrected=done)
        assert _facts(update) == (None if state is None else STORED_ID, expected, news, None)
        subject = "pi_1" if state is not None else found.subject
        assert (update.subject, update.kind, update.finding) == (subject, kind, found)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("state", list(State))
def test_what_is_not_found_any_more(kind: Kind, state: State) -> None:
    """An open one is closed: superseded by another kind, else by agreement; a side finding because its condition is gone."""
    for beside in [None, *Kind]:
        if beside is kind:
            continue
        found = () if beside is None else (_finding(beside),)
        result = {
            update.kind: _facts(update)
            for update in updates_after_verdict((_known(kind, state),), found, corrected=False)
        }
        if beside is not None:
            assert result.pop(beside) == (None, State.OPEN, True, None)
        unseen = kind.is_side and beside is Kind.MISSING_AT_STRIPE
        if kind.is_side:
            closing = Closing.CONDITION_GONE
        else:
            closing = Closing.SUPERSEDED if beside in PAIR_KINDS else Closing.AGREEMENT
        closed = {kind: (STORED_ID, State.CLOSED, True, closing)}
        assert result == ({} if unseen or state is not State.OPEN else closed), beside


@pytest.mark.parametrize("kind", SIDE_KINDS)
def test_a_404_closes_no_side_finding(kind: Kind) -> None:
    """A 404 does not show that an intent was captured in time or given back."""
    known = (_known(kind, State.OPEN),)
    result = updates_after_verdict(known, (_finding(Kind.MISSING_AT_STRIPE),), corrected=False)
    assert [update.kind for update in result] == [Kind.MISSING_AT_STRIPE]


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("state", list(State))
def test_a_404_without_a_row_closes_nothing(kind: Kind, state: State) -> None:
    """The critical finding about a payment without a row stays open if Stripe does not show the intent any more."""
    assert updates_after_verdict((_known(kind, state),), (), corrected=False, shown=False) == ()


@pytest.mark.parametrize("kind", PAIR_KINDS)
def test_a_404_with_a_row_supersedes_the_earlier_finding(kind: Kind) -> None:
    """missing_at_stripe takes the place of another kind, and side findings stay open."""
    if kind is Kind.MISSING_AT_STRIPE:
        return
    known = (_known(kind, State.OPEN), replace(_known(Kind.OVERDUE, State.OPEN), id=8))
    gone = (_finding(Kind.MISSING_AT_STRIPE),)
    result = {
        update.kind: _facts(update)
        for update in updates_after_verdict(known, gone, corrected=False, shown=False)
    }
    assert result == {
        Kind.MISSING_AT_STRIPE: (None, State.OPEN, True, None),
        kind: (STORED_ID, State.CLOSED, True, Closing.SUPERSEDED),
    }


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("before", [State.CLOSED, State.CORRECTED])
def test_a_discrepancy_found_again_reopens_with_its_id(kind: Kind, before: State) -> None:
    """It is news even with the same values, because it was closed or corrected."""
    (update,) = updates_after_verdict((_known(kind, before),), (_finding(kind),), corrected=False)
    assert _facts(update) == (STORED_ID, State.OPEN, True, None)


def test_a_second_correction_is_news_too() -> None:
    """The merchant's code undid the first correction, and the next sweep corrected the row again."""
    known = (_known(Kind.MISSED_OUTCOME, State.CORRECTED),)
    (update,) = updates_after_verdict(known, (_finding(Kind.MISSED_OUTCOME),), corrected=True)
    assert _facts(update) == (STORED_ID, State.CORRECTED, True, None)


def test_all_discrepancies_of_one_subject() -> None:
    """A correction supersedes the finding before it, and each side finding follows its own rules."""
    known = (
        replace(_known(Kind.REGRESSED, State.OPEN), id=1),
        replace(_known(Kind.OVERDUE, State.OPEN), id=2),
        replace(_known(Kind.EXHAUSTED, State.IGNORED), id=3),
        replace(_known(Kind.AMOUNT_MISMATCH, State.RESOLVED), id=4),
        replace(_known(Kind.MISSED_OUTCOME, State.CLOSED), id=5),
    )
    found = (
        _finding(Kind.MISSED_OUTCOME),
        _finding(Kind.EXHAUSTED),
        _finding(Kind.DUPLICATE_PAYMENT),
    )
    result = {
        update.kind: _facts(update)
        for update in updates_after_verdict(known, found, corrected=True)
    }
    assert result == {
        Kind.MISSED_OUTCOME: (5, State.CORRECTED, True, None),
        Kind.EXHAUSTED: (3, State.IGNORED, False, None),
        Kind.DUPLICATE_PAYMENT: (None, State.OPEN, True, None),
        Kind.REGRESSED: (1, State.CLOSED, True, Closing.SUPERSEDED),
        Kind.OVERDUE: (2, State.CLOSED, True, Closing.CONDITION_GONE),
    }


def test_agreement_with_nothing_stored_changes_nothing() -> None:
    """This is the usual case."""
    assert updates_after_verdict((), (), corrected=False) == ()


def test_only_a_person_settles() -> None:
    """A person resolves and ignores; Reconciler opens, corrects and closes."""
    assert {state for state in State if state.is_by_person} == {State.RESOLVED, State.IGNORED}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("same_values", [True, False])
@pytest.mark.parametrize("same_kind", [True, False])
def test_what_a_person_has_settled_is_not_corrected(
    state: State, same_values: bool, same_kind: bool
) -> None:
    """That holds while both sides' values are the same. Another value or another kind is a new question."""
    match = match_of(intent_of(Outcome.SUCCEEDED), payment(Outcome.INCOMPLETE))
    before = decide(match, rules(), NOW)
    assert isinstance(before, Correct)
    (missed,) = before.findings
    fingerprint = missed.fingerprint if same_values else "0" * 64
    kind = Kind.MISSED_OUTCOME if same_kind else Kind.REGRESSED
    known = (StoredDiscrepancy(STORED_ID, "pi_1", kind, state, fingerprint),)
    decision = decide(match, rules(), NOW, known=known)
    settled = state in {State.RESOLVED, State.IGNORED} and same_values and same_kind
    assert is_settled_by_person(known, missed) == settled
    if not settled:
        assert isinstance(decision, Correct)
        return
    assert decision == Flag((missed,))
    (update,) = updates_after_verdict(known, decision.findings, corrected=False)
    assert _facts(update) == (STORED_ID, state, False, None)


def test_a_settled_finding_is_corrected_after_a_change_at_stripe() -> None:
    """The person settled the payment as it was then."""
    match = match_of(intent_of(Outcome.PROCESSING), payment(Outcome.INCOMPLETE))
    before = decide(match, rules(), NOW)
    assert isinstance(before, Correct)
    known = (
        StoredDiscrepancy(
            STORED_ID, "pi_1", Kind.MISSED_OUTCOME, State.IGNORED, before.findings[0].fingerprint
        ),
    )
    assert isinstance(decide(match, rules(), NOW, known=known), Flag)
    moved = match_of(intent_of(Outcome.SUCCEEDED), payment(Outcome.INCOMPLETE))
    after = decide(moved, rules(), NOW, known=known)
    assert isinstance(after, Correct)
    (update,) = updates_after_verdict(known, after.findings, corrected=True)
    assert _facts(update) == (STORED_ID, State.CORRECTED, True, None)


def _taken_back(outcome: str, *keys: str) -> tuple[StoredDiscrepancy, ...]:
    stored = _known(Kind.MISSED_OUTCOME, State.OPEN, reason=Reason.REVERTED)
    revert = Revert(7, outcome, "os:ana", "2026-11-02T12:00:00Z", keys)
    return (replace(stored, revert=revert),)


@pytest.mark.parametrize("keys", [("p1",), ("p0", "p1"), ()])
def test_what_was_taken_back_is_not_corrected(keys: tuple[str, ...]) -> None:
    """It stays so for the row and the outcome; only the sweep that a person names makes it again."""
    match = match_of(intent_of(Outcome.SUCCEEDED), payment(Outcome.INCOMPLETE))
    known = _taken_back("succeeded", *keys)
    decision = decide(match, rules(), NOW, known=known, again=6)
    assert isinstance(decision, Flag)
    (found,) = decision.findings
    assert found.reason is Reason.REVERTED
    assert found.evidence["reverted"] == {"sweep": 7, "by": "os:ana", "at": "2026-11-02T12:00:00Z"}
    (kept,) = updates_after_verdict(known, decision.findings, corrected=False)
    assert (kept.state, kept.ends_revert) == (State.OPEN, False)

    again = decide(match, rules(), NOW, known=known, again=7)
    assert isinstance(again, Correct)
    (update,) = updates_after_verdict(known, again.findings, corrected=True)
    assert (update.state, update.ends_revert) == (State.CORRECTED, True)


def test_only_the_correction_that_was_taken_back_says_so() -> None:
    """A finding beside it keeps its own reason."""
    held = charge(capture_before=NOW + timedelta(hours=3))
    seen = intent_of(Outcome.AUTHORIZED, charge=held)
    match = match_of(seen, payment(Outcome.INCOMPLETE))
    decision = decide(match, rules(), NOW, known=_taken_back("authorized", "p1"))
    assert isinstance(decision, Flag)
    reasons = {found.kind: found.reason for found in decision.findings}
    assert reasons == {Kind.MISSED_OUTCOME: Reason.REVERTED, Kind.CAPTURE_EXPIRING: None}


@pytest.mark.parametrize(("outcome", "key"), [("succeeded", "p2"), ("processing", "p1")])
def test_a_revert_ends_at_another_row_or_outcome(outcome: str, key: str) -> None:
    """It was about one row and one outcome."""
    match = match_of(intent_of(Outcome.SUCCEEDED), payment(Outcome.INCOMPLETE))
    known = _taken_back(outcome, key)
    decision = decide(match, rules(), NOW, known=known)
    assert isinstance(decision, Correct)
    (update,) = updates_after_verdict(known, decision.findings, corrected=False)
    assert update.ends_revert is (outcome == "processing")


def test_a_revert_names_the_claimed_name_beside_the_person() -> None:
    """The name that nothing has checked stands beside the one that the system knows."""
    revert = Revert(7, "succeeded", "os:ana", "2026-11-02T12:00:00Z", (), "ana@example.com")
    assert revert.evidence["claimed_by"] == "ana@example.com"


def test_the_identity_names_the_intent_or_the_row() -> None:
    """The subject of a finding is the intent, or the row if it holds none."""
    found = _finding(Kind.OVERDUE)
    assert found.subject == "pi_1"
    assert replace(found, payment_intent=None).subject == "row:p1"


def test_a_stored_discrepancy_is_examined_with_its_intent() -> None:
    """A discrepancy about a row is examined with the intent that the row holds."""
    about_intent = _known(Kind.OVERDUE, State.OPEN)
    about_row = replace(about_intent, subject="row:p1", payment_intent="pi_1")
    assert about_intent.intent == about_row.intent == "pi_1"


def test_a_listed_discrepancy_has_the_subject_of_its_finding() -> None:
    """A person reads the same subject that identifies the discrepancy."""
    found = _finding(Kind.OVERDUE)
    shared = {field.name for field in fields(Finding)} & {
        field.name for field in fields(Discrepancy)
    }
    values: dict[str, Any] = dict.fromkeys(field.name for field in fields(Discrepancy))
    listed = Discrepancy(**values | {name: getattr(found, name) for name in shared})
    assert listed.subject == found.subject == "pi_1"


def test_a_kind_that_the_verdict_could_not_judge_stays_open() -> None:
    """A page does not always know which other intents were paid for the order."""
    item = StoredDiscrepancy(7, "pi_1", Kind.DUPLICATE_PAYMENT, State.OPEN, "f")
    unseen = frozenset({Kind.DUPLICATE_PAYMENT})
    assert updates_after_verdict((item,), (), corrected=False, unseen=unseen) == ()
    assert [update.state for update in updates_after_verdict((item,), (), corrected=False)] == [
        State.CLOSED
    ]


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize("found", [(), (Kind.MISSING_LOCALLY,)])
def test_a_row_that_left_closes_its_discrepancies(shown: bool, found: tuple[Kind, ...]) -> None:
    """What is about a row outside the mapping is out of scope, also if another finding or a 404 stands in its place."""
    known = (
        StoredDiscrepancy(1, "pi_1", Kind.AMOUNT_MISMATCH, State.OPEN, "f", keys=("1",)),
        StoredDiscrepancy(2, "pi_1", Kind.CAPTURE_EXPIRING, State.OPEN, "f", keys=("1",)),
        StoredDiscrepancy(3, "pi_1", Kind.OVERDUE, State.RESOLVED, "f", keys=("1",)),
    )
    findings = tuple(_finding(kind) for kind in found)
    updates = updates_after_verdict(
        known, findings, corrected=False, shown=shown, left=frozenset({1, 2, 3})
    )
    closed = {update.id: update.closing for update in updates if update.state is State.CLOSED}
    assert closed == {1: Closing.OUT_OF_SCOPE, 2: Closing.OUT_OF_SCOPE}


def test_what_is_about_rows() -> None:
    """Only an open discrepancy about a row can lose its row; missing_locally is about an intent without one."""
    about_row = StoredDiscrepancy(1, "pi_1", Kind.CONTRADICTED, State.OPEN, "f", keys=("1",))
    assert about_row.is_about_rows
    assert not replace(about_row, state=State.CLOSED).is_about_rows
    assert not replace(about_row, kind=Kind.MISSING_LOCALLY).is_about_rows
    assert not replace(about_row, keys=()).is_about_rows


def test_a_settled_finding_says_that_a_revert_of_another_outcome_is_over() -> None:
    """A person resolved it after the revert: it stays resolved, and the outcome at Stripe is another one now."""
    match = match_of(intent_of(Outcome.SUCCEEDED), payment(Outcome.INCOMPLETE))
    before = decide(match, rules(), NOW)
    assert isinstance(before, Correct)
    (missed,) = before.findings
    for outcome, ends in (("processing", True), ("succeeded", False)):
        (reverted,) = _taken_back(outcome, "p1")
        settled = replace(reverted, state=State.RESOLVED, fingerprint=missed.fingerprint)
        (update,) = updates_after_verdict((settled,), (missed,), corrected=False)
        assert (update.state, update.is_news, update.ends_revert) == (State.RESOLVED, False, ends)
