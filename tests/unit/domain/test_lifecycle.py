"""The life of a discrepancy, exhaustively: what an examination does to what is stored."""

from __future__ import annotations

import itertools
from dataclasses import replace

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
from reconciler.domain.money import Money
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Flag, decide
from tests.unit.domain.samples import NOW, intent_of, match_of, payment, rules

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


def _seen(change: DiscrepancyUpdate) -> tuple[int | None, State, bool, Closing | None]:
    return change.id, change.state, change.is_news, change.closing


def _expected(
    state: State | None, *, same: bool, same_reason: bool, corrected: bool
) -> tuple[State, bool]:
    """The next state of what was met, and whether that is news: the design's sentences in order."""
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
def test_what_is_met(kind: Kind, state: State | None) -> None:
    """Opened, seen again, changed, reopened, corrected or left to the person who settled it; always with its id."""
    for same, same_reason, corrected in itertools.product([True, False], repeat=3):
        reason = None if same_reason else Reason.HOURLY_LIMIT
        found = _finding(kind, status="pending" if same else "declined", reason=reason)
        stored = () if state is None else (_known(kind, state),)
        (change,) = updates_after_verdict(stored, (found,), corrected=corrected)
        done = corrected and kind is Kind.MISSED_OUTCOME
        expected, news = _expected(state, same=same, same_reason=same_reason, corrected=done)
        assert _seen(change) == (None if state is None else STORED_ID, expected, news, None)
        subject = "pi_1" if state is not None else found.subject
        assert (change.subject, change.kind, change.finding) == (subject, kind, found)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("state", list(State))
def test_what_is_gone(kind: Kind, state: State) -> None:
    """Only an open one is closed: superseded by another pair kind, else by agreement, a side condition as gone."""
    for beside in [None, *Kind]:
        if beside is kind:
            continue
        found = () if beside is None else (_finding(beside),)
        result = {
            change.kind: _seen(change)
            for change in updates_after_verdict((_known(kind, state),), found, corrected=False)
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
def test_a_404_is_no_verdict_about_what_stands_beside(kind: Kind) -> None:
    """An intent that is not to be seen has neither been captured in time nor given back: its side findings stay."""
    known = (_known(kind, State.OPEN),)
    result = updates_after_verdict(known, (_finding(Kind.MISSING_AT_STRIPE),), corrected=False)
    assert [change.kind for change in result] == [Kind.MISSING_AT_STRIPE]


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("state", list(State))
def test_a_404_without_a_row_closes_nothing(kind: Kind, state: State) -> None:
    """A payment without a row that Stripe no longer shows is not in order: its critical finding stays open."""
    assert updates_after_verdict((_known(kind, state),), (), corrected=False, shown=False) == ()


@pytest.mark.parametrize("kind", PAIR_KINDS)
def test_a_404_with_a_row_supersedes_what_was_said_of_the_pair(kind: Kind) -> None:
    """missing_at_stripe takes the place of another pair kind, and of that only."""
    if kind is Kind.MISSING_AT_STRIPE:
        return
    known = (_known(kind, State.OPEN), replace(_known(Kind.OVERDUE, State.OPEN), id=8))
    gone = (_finding(Kind.MISSING_AT_STRIPE),)
    result = {
        change.kind: _seen(change)
        for change in updates_after_verdict(known, gone, corrected=False, shown=False)
    }
    assert result == {
        Kind.MISSING_AT_STRIPE: (None, State.OPEN, True, None),
        kind: (STORED_ID, State.CLOSED, True, Closing.SUPERSEDED),
    }


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("before", [State.CLOSED, State.CORRECTED])
def test_met_again_it_reopens_with_its_id(kind: Kind, before: State) -> None:
    """Even with the very same values: what was closed or corrected and is back is news."""
    (change,) = updates_after_verdict((_known(kind, before),), (_finding(kind),), corrected=False)
    assert _seen(change) == (STORED_ID, State.OPEN, True, None)


def test_a_row_that_was_corrected_twice_is_news_twice() -> None:
    """The merchant's code wrote it back and it was corrected in one sweep: the second time is not merely seen."""
    known = (_known(Kind.MISSED_OUTCOME, State.CORRECTED),)
    (change,) = updates_after_verdict(known, (_finding(Kind.MISSED_OUTCOME),), corrected=True)
    assert _seen(change) == (STORED_ID, State.CORRECTED, True, None)


def test_all_of_a_subject_at_once() -> None:
    """A correction supersedes the finding before it, and the side findings live their own lives."""
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
        change.kind: _seen(change) for change in updates_after_verdict(known, found, corrected=True)
    }
    assert result == {
        Kind.MISSED_OUTCOME: (5, State.CORRECTED, True, None),
        Kind.EXHAUSTED: (3, State.IGNORED, False, None),
        Kind.DUPLICATE_PAYMENT: (None, State.OPEN, True, None),
        Kind.REGRESSED: (1, State.CLOSED, True, Closing.SUPERSEDED),
        Kind.OVERDUE: (2, State.CLOSED, True, Closing.CONDITION_GONE),
    }


def test_agreement_with_nothing_stored_is_nothing() -> None:
    """The usual case of every page."""
    assert updates_after_verdict((), (), corrected=False) == ()


def test_only_a_person_settles() -> None:
    """Resolved and ignored are a person's words; open, corrected and closed are the program's."""
    assert {state for state in State if state.is_by_person} == {State.RESOLVED, State.IGNORED}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("same_values", [True, False])
@pytest.mark.parametrize("same_kind", [True, False])
def test_what_a_person_has_settled_is_not_corrected_behind_their_back(
    state: State, same_values: bool, same_kind: bool
) -> None:
    """While both sides' values are the same; another value or another kind is another question."""
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
    (change,) = updates_after_verdict(known, decision.findings, corrected=False)
    assert _seen(change) == (STORED_ID, state, False, None)


def test_a_settled_finding_comes_up_again_when_stripe_moves() -> None:
    """The person settled a payment as it was: a refund makes it another one."""
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
    (change,) = updates_after_verdict(known, after.findings, corrected=True)
    assert _seen(change) == (STORED_ID, State.CORRECTED, True, None)


def test_the_identity_names_the_intent_or_the_row() -> None:
    """The subject of a finding: the intent, or the row where there is none."""
    found = _finding(Kind.OVERDUE)
    assert found.subject == "pi_1"
    assert replace(found, payment_intent=None).subject == "row:p1"


def test_a_kind_whose_end_was_not_seen_stands() -> None:
    """Who else was paid for an order is not always known: while this one is paid, the pair is not closed."""
    item = StoredDiscrepancy(7, "pi_1", Kind.DUPLICATE_PAYMENT, State.OPEN, "f")
    unseen = frozenset({Kind.DUPLICATE_PAYMENT})
    assert updates_after_verdict((item,), (), corrected=False, unseen=unseen) == ()
    assert [change.state for change in updates_after_verdict((item,), (), corrected=False)] == [
        State.CLOSED
    ]
