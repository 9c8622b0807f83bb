"""What must hold of every subject that can be, tried with random ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.domain.findings.discrepancy import Kind, Severity
from reconciler.domain.findings.lifecycle import updates_after_verdict
from reconciler.domain.model.intent import Charge, Event, Intent, MissingIntent, NextAction
from reconciler.domain.model.match import Match, PaidSibling, Rules
from reconciler.domain.model.payment import Payment, StatusMap
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.comparison import compare
from reconciler.domain.rules.decision import Correct, Flag, Keep, decide
from reconciler.domain.rules.grace import Wait
from tests.unit.domain.samples import (
    HORIZON,
    LOCAL_STATUS,
    NOW,
    STATUS_OF,
    WRITTEN,
    intent_of,
    payment,
)

AMOUNTS = st.sampled_from([4200] * 6 + [0, 1, 4199, 4201])
MONEY_BACK = st.sampled_from([0] * 5 + [1, 4200])
CURRENCIES = st.sampled_from(["eur"] * 6 + ["usd", "jpy"])
TIMES = st.timedeltas(timedelta(days=-60), timedelta(minutes=3)).map(
    lambda back: (NOW + back).replace(microsecond=0)
)
PAST = st.one_of(TIMES, st.just(NOW - timedelta(hours=3)))
RARELY = st.sampled_from([False] * 5 + [True])
METHODS = st.sampled_from(["card", "sepa_debit", "us_bank_account", "klarna", None])

charges = st.builds(
    Charge,
    id=st.sampled_from(["ch_1", "ch_2"]),
    status=st.sampled_from(["succeeded", "failed", "pending"]),
    created=PAST,
    amount=AMOUNTS,
    amount_captured=AMOUNTS,
    amount_refunded=MONEY_BACK,
    refunded=RARELY,
    disputed=RARELY,
    capture_before=st.none() | TIMES,
)
intents = st.builds(
    Intent,
    id=st.just("pi_1"),
    status=st.sampled_from(
        [*STATUS_OF.values(), "requires_action", "requires_confirmation", "succeeded"]
    ),
    amount=AMOUNTS,
    amount_received=AMOUNTS,
    amount_capturable=AMOUNTS,
    currency=CURRENCIES,
    created=PAST,
    livemode=st.just(True),
    seen_at=st.just(NOW),
    canceled_at=st.none() | PAST,
    failure_code=st.sampled_from([None, None, "card_declined", ""]),
    method=METHODS,
    next_action=st.none() | st.builds(NextAction, st.just("voucher"), st.none() | TIMES),
    charge=st.none() | charges,
    metadata=st.sampled_from([{}, {"app": "shop"}]),
)
missing_intents = st.builds(
    MissingIntent, st.just("pi_1"), st.just(NOW), other_mode=st.booleans(), impossible=RARELY
)


@st.composite
def rows(draw: st.DrawFn) -> tuple[Payment, ...]:
    """Most often one row."""
    count = draw(st.sampled_from([0, 1, 1, 1, 1, 1, 2, 3]))
    held = []
    for n in range(count):
        outcome = draw(st.sampled_from(Outcome))
        held.append(
            payment(
                outcome,
                key=f"p{n}",
                amount=draw(st.none() | AMOUNTS | AMOUNTS | AMOUNTS),
                currency=draw(st.none() | CURRENCIES | CURRENCIES | CURRENCIES),
                payment_intent=draw(st.sampled_from(["pi_1", "pi_1", None])),
                created=draw(st.none() | TIMES),
            )
        )
    return tuple(held)


siblings = st.lists(
    st.builds(
        PaidSibling,
        payment_intent=st.sampled_from(["pi_0", "pi_1", "pi_2", "pi_3"]),
        key=st.sampled_from([None, "p9"]),
        amount=st.none() | AMOUNTS,
        currency=st.none() | CURRENCIES,
        created=st.none() | TIMES,
    ),
    max_size=3,
    unique_by=lambda item: item.payment_intent,
).map(tuple)
matches = st.builds(
    Match,
    account=st.just("default"),
    intent=st.one_of(intents, intents, intents, missing_intents),
    payments=rows(),
    order=st.sampled_from([None, "o1"]),
    siblings=siblings,
    contested=RARELY,
)
written = st.sets(st.sampled_from(list(WRITTEN)), min_size=0).map(
    lambda left_out: {outcome: WRITTEN[outcome] for outcome in WRITTEN if outcome not in left_out}
)
all_rules = st.builds(
    Rules,
    statuses=st.builds(
        StatusMap,
        read=st.just({status: outcome for outcome, status in LOCAL_STATUS.items()}),
        write=st.just(WRITTEN) | written,
    ),
    grace=st.sampled_from([timedelta(0), timedelta(minutes=2)]),
    horizon=st.just(HORIZON),
    metadata=st.sampled_from([{}, {"app": "shop"}]),
)
events = st.lists(
    st.builds(
        Event, id=st.just("evt"), type=st.just("x"), created=TIMES, payment_intent=st.just("pi_1")
    ),
    max_size=2,
).map(tuple)

many = settings(max_examples=600)


@many
@given(matches, all_rules, events)
def test_a_correction_is_safe(match: Match, rules: Rules, known_events: tuple[Event, ...]) -> None:
    """Never a settled or unknown row, never on a 404, exactly one row, the same money, nothing given or taken back."""
    decision = decide(match, rules, NOW, events=known_events)
    if not isinstance(decision, Correct):
        return
    intent = match.intent
    assert isinstance(intent, Intent)
    assert Outcome.UNKNOWN not in {decision.payment.outcome, intent.outcome}
    assert decision.payment.outcome.is_open
    assert match.payments == (decision.payment,)
    assert not match.contested
    assert decision.payment.currency == intent.currency
    assert decision.outcome is intent.outcome
    assert decision.outcome is not decision.payment.outcome
    assert rules.statuses.write[decision.outcome] == decision.status
    assert rules.statuses.outcome(decision.status) is decision.outcome
    if intent.outcome is Outcome.SUCCEEDED:
        assert intent.amount_received == decision.payment.amount
        assert intent.charge is None or not intent.charge.disputed
        assert intent.charge is None or (intent.charge.amount_refunded, intent.charge.refunded) == (
            0,
            False,
        )
    if intent.outcome is Outcome.AUTHORIZED:
        assert intent.amount_capturable == decision.payment.amount
        assert intent.amount_received == 0
    if intent.outcome is Outcome.CANCELED:
        assert intent.amount_received == 0
    assert NOW - intent.changed_at >= rules.grace
    assert all(event.created < intent.seen_at for event in known_events)


@st.composite
def correctable(draw: st.DrawFn) -> tuple[Match, Outcome]:
    """A subject that is likely to be corrected: one open row of the right money."""
    outcome = draw(st.sampled_from(list(WRITTEN)))
    held = draw(charges)
    seen = intent_of(outcome, charge=draw(st.none() | st.just(held)), amount=draw(AMOUNTS))
    local = draw(st.sampled_from([one for one in Outcome if one.is_open]))
    row = payment(local, created=draw(st.none() | TIMES))
    return Match("default", seen, (row,), siblings=draw(siblings), order="o1"), outcome


@many
@given(correctable(), all_rules)
def test_what_was_corrected_agrees(made: tuple[Match, Outcome], rules: Rules) -> None:
    """After the row has taken the outcome the pair has nothing left to say: no correction needs another."""
    match, outcome = made
    decision = decide(match, rules, NOW)
    if not isinstance(decision, Correct):
        return
    after = replace(decision.payment, status=decision.status, outcome=outcome)
    again = decide(replace(match, payments=(after,)), rules, NOW)
    assert isinstance(again, Keep | Flag)
    left = again.findings if isinstance(again, Flag) else ()
    assert all(found.kind.is_side for found in left)
    stored = updates_after_verdict((), decision.findings, corrected=True)
    assert {change.state for change in stored if change.kind is Kind.MISSED_OUTCOME} == {
        "corrected"
    }


@many
@given(matches, all_rules, st.integers(0, 10**6))
def test_a_404_is_flagged_or_kept_and_never_more(match: Match, rules: Rules, seconds: int) -> None:
    """A 404 is no verdict about money: with rows it is flagged at any time, without it is nothing."""
    gone = replace(match, intent=MissingIntent("pi_1", NOW))
    decision = decide(gone, rules, NOW + timedelta(seconds=seconds))
    assert isinstance(decision, Flag if match.payments else Keep)
    if isinstance(decision, Flag):
        named = [key for found in decision.findings for key in found.keys]
        assert sorted(named) == sorted(match.keys)


@many
@given(matches, all_rules, events)
def test_findings_are_well_formed(
    match: Match, rules: Rules, known_events: tuple[Event, ...]
) -> None:
    """No amount below zero, keys of the subject, one finding an identity, one pair kind for one row; it never raises."""
    comparison = compare(match, rules, NOW)
    found = comparison.findings
    assert len({(item.subject, item.kind) for item in found}) == len(found)
    assert all(item.stake.amount >= 0 for item in found)
    assert all(item.fingerprint for item in found)
    own = [item for item in found if item.subject == "pi_1" and not item.kind.is_side]
    assert all(set(item.keys) <= set(match.keys) for item in own)
    assert len(own) <= max(1, len(match.payments))
    assert all(item.severity is Severity.INFO for item in found if item.kind is Kind.OVERDUE)
    if comparison.correct is not None:
        assert match.payments == (comparison.correct,)
    decision = decide(match, rules, NOW, events=known_events)
    assert isinstance(decision, Keep) == (not found)
    if isinstance(decision, Wait):
        assert isinstance(match.intent, Intent)
        assert decision.until > min(NOW, match.intent.seen_at)


@given(matches, all_rules, st.timedeltas(timedelta(days=-400), timedelta(days=400)))
def test_deciding_is_pure(match: Match, rules: Rules, later: timedelta) -> None:
    """The same question has the same answer, and no time makes it fail."""
    assert decide(match, rules, NOW + later) == decide(match, rules, NOW + later)


def test_the_random_subjects_are_not_all_alike() -> None:
    """Every decision, and a correction to every outcome, is met: the rules above are not true of nothing."""
    met: set[str] = set()

    @settings(max_examples=400, derandomize=True, database=None)
    @given(matches, correctable(), all_rules)
    def gather(any_subject: Match, made: tuple[Match, Outcome], rules: Rules) -> None:
        met.add(type(decide(any_subject, rules, NOW)).__name__)
        decision = decide(made[0], rules, NOW)
        met.add(type(decision).__name__)
        if isinstance(decision, Correct):
            met.add(f"to {decision.outcome.value}")

    gather()
    corrected = {f"to {outcome.value}" for outcome in WRITTEN if outcome is not Outcome.INCOMPLETE}
    assert met == {"Keep", "Correct", "Flag", "Wait"} | corrected
