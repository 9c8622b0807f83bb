"""What holds of every match, tried with random ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from reconciler.domain.findings.discrepancy import Kind, Severity
from reconciler.domain.findings.lifecycle import updates_after_verdict
from reconciler.domain.model.intent import Intent, MissingIntent
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.comparison import compare
from reconciler.domain.rules.decision import Correct, Flag, Keep, decide
from reconciler.domain.rules.grace import Wait
from reconciler.domain.rules.money_kept import dispute_that_counts, refunded
from tests.unit.domain.random_matches import Example, correctable_example, example
from tests.unit.domain.samples import NOW, WRITTEN
from tests.unit.domain.seeds import seeds

FEW = 2000


@seeds(few=FEW, many=40_000)
def test_a_correction_is_safe(numbers: range) -> None:
    """Only one open row of known status with the same money is corrected, and only if no money went back."""
    for seed in numbers:
        for one in (example(seed), correctable_example(seed)):
            decision = decide(one.match, one.rules, NOW, events=one.events)
            if isinstance(decision, Correct):
                _assert_is_safe(decision, one)


def _assert_is_safe(decision: Correct, one: Example) -> None:
    match, row, statuses = one.match, decision.payment, one.rules.statuses
    intent = match.intent
    assert isinstance(intent, Intent), one
    assert Outcome.UNKNOWN not in {row.outcome, intent.outcome}, one
    assert row.outcome.is_open, one
    assert row in match.payments, one
    assert set(decision.payments) <= set(match.payments), one
    assert not match.contested, one
    assert row.currency == intent.currency, one
    assert decision.outcome is intent.outcome is not row.outcome, one
    assert statuses.write[decision.outcome] == decision.status, one
    assert statuses.outcome(decision.status) is decision.outcome, one
    if intent.outcome is Outcome.SUCCEEDED:
        assert intent.amount_received == sum(part.amount for part in decision.payments), one
        if intent.charge is not None:
            assert not dispute_that_counts(match, intent.charge), one
            assert refunded(match, intent, intent.charge) == 0, one
    if intent.outcome is Outcome.AUTHORIZED:
        assert intent.amount_capturable == sum(part.amount for part in decision.payments), one
        assert intent.amount_received == 0, one
    if intent.outcome is Outcome.CANCELED:
        assert intent.amount_received == 0, one
    assert NOW - intent.changed_at >= one.rules.grace, one
    assert all(event.created < intent.seen_at for event in one.events), one


@seeds(few=FEW, many=40_000)
def test_a_corrected_row_needs_no_second_correction(numbers: range) -> None:
    """If the row is written as decided, only side findings remain, and the missed outcome is stored as corrected."""
    for seed in numbers:
        one = correctable_example(seed)
        decision = decide(one.match, one.rules, NOW)
        if not isinstance(decision, Correct):
            continue
        written = replace(decision.payment, status=decision.status, outcome=decision.outcome)
        again = decide(replace(one.match, payments=(written,)), one.rules, NOW)
        assert isinstance(again, Keep | Flag), one
        findings = again.findings if isinstance(again, Flag) else ()
        assert all(found.kind.is_side for found in findings), one

        updates = updates_after_verdict((), decision.findings, corrected=True)
        states = {update.state for update in updates if update.kind is Kind.MISSED_OUTCOME}
        assert states == {"corrected"}, one


@seeds(few=FEW, many=40_000)
def test_a_404_is_flagged_or_kept(numbers: range) -> None:
    """A 404 says nothing about money: its rows are flagged, each in one finding; without a row there is no finding."""
    for seed in numbers:
        one = example(seed)
        missing = replace(one.match, intent=MissingIntent("pi_1", NOW))
        decision = decide(missing, one.rules, NOW + timedelta(seconds=seed * 997 % 1_000_000))
        assert isinstance(decision, Flag if missing.payments else Keep), one
        if isinstance(decision, Flag):
            named = [key for found in decision.findings for key in found.keys]
            assert sorted(named) == sorted(missing.keys), one


@seeds(few=FEW, many=40_000)
def test_findings_are_well_formed(numbers: range) -> None:
    """One finding for each identity, at most one for each row, no negative amount, and only keys of the match."""
    for seed in numbers:
        one = example(seed)
        comparison = compare(one.match, one.rules, NOW)
        found = comparison.findings
        assert len({(item.subject, item.kind) for item in found}) == len(found), one
        assert all(item.stake.amount >= 0 for item in found), one
        assert all(item.fingerprint for item in found), one
        own = [item for item in found if item.subject == "pi_1" and not item.kind.is_side]
        assert all(set(item.keys) <= set(one.match.keys) for item in own), one
        assert len(own) <= max(1, len(one.match.payments)), one
        overdue = [item for item in found if item.kind is Kind.OVERDUE]
        assert all(item.severity is Severity.INFO for item in overdue), one
        assert set(comparison.correct) <= set(one.match.payments), one

        decision = decide(one.match, one.rules, NOW, events=one.events)
        assert isinstance(decision, Keep) == (not found), one
        if isinstance(decision, Wait):
            assert isinstance(one.match.intent, Intent), one
            assert decision.until > min(NOW, one.match.intent.seen_at), one


@seeds(few=500, many=20_000)
def test_the_same_question_has_the_same_answer(numbers: range) -> None:
    """Deciding changes nothing, and it raises nothing at any time."""
    for seed in numbers:
        one = example(seed)
        now = NOW + timedelta(hours=seed * 7919 % 19_200 - 9600)
        assert decide(one.match, one.rules, now) == decide(one.match, one.rules, now), one


def test_the_random_examples_reach_every_decision() -> None:
    """The first examples contain every decision and a correction to every outcome, so the rules above are tried."""
    reached: set[str] = set()
    for seed in range(FEW):
        for one in (example(seed), correctable_example(seed)):
            decision = decide(one.match, one.rules, NOW, events=one.events)
            reached.add(type(decision).__name__)
            if isinstance(decision, Correct):
                reached.add(f"to {decision.outcome.value}")
    corrected = {f"to {outcome.value}" for outcome in WRITTEN if outcome is not Outcome.INCOMPLETE}
    assert reached == {"Keep", "Correct", "Flag", "Wait"} | corrected
