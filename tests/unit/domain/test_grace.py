"""The grace: a difference that is only moments old waits for its webhook."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest

from reconciler.domain.model.intent import Intent
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Flag, Keep, decide
from reconciler.domain.rules.grace import Wait
from tests.unit.domain.samples import (
    AMOUNT,
    GRACE,
    NOW,
    SECOND,
    charge,
    event,
    intent_of,
    match_of,
    missing,
    payment,
    rules,
    sibling,
)
from tests.unit.domain.test_decision_table import EXPECTED, GIVEN_BACK

LONG_AGO = NOW - timedelta(days=3)


def _changed(source: str, at: datetime) -> tuple[Intent, dict[str, Any]]:
    """A paid or canceled intent with its latest change at ``at``, as this source shows it, and the known events."""
    calm = charge(created=LONG_AGO)
    match source:
        case "created":
            return intent_of(Outcome.SUCCEEDED, created=at, charge=calm), {}
        case "canceled_at":
            return intent_of(Outcome.CANCELED, created=LONG_AGO, canceled_at=at), {}
        case "charge.created":
            recent = charge(created=at)
            return intent_of(Outcome.SUCCEEDED, created=LONG_AGO, charge=recent), {}
        case _:
            known = (event(LONG_AGO), event(at, id="evt_2"), event(LONG_AGO, id="evt_3"))
            old = intent_of(Outcome.SUCCEEDED, created=LONG_AGO, charge=calm)
            return old, {"events": known}


SOURCES = ["created", "canceled_at", "charge.created", "newest event"]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    ("age", "waits"),
    [
        (timedelta(0), True),
        (SECOND, True),
        (GRACE - SECOND, True),
        (GRACE, False),
        (GRACE + SECOND, False),
        (timedelta(seconds=-5), True),
    ],
    ids=str,
)
def test_a_change_younger_than_the_grace_waits(source: str, age: timedelta, waits: bool) -> None:
    """The latest of created, canceled_at, charge.created and the newest event counts; exactly the grace is enough."""
    at = NOW - age
    seen, known = _changed(source, at)
    seen = _seen_later(seen)
    decision = decide(match_of(seen, payment(Outcome.INCOMPLETE)), rules(), NOW, **known)
    if waits:
        assert isinstance(decision, Wait)
        assert decision.until == at + GRACE
        assert decision.why
    else:
        assert isinstance(decision, Correct)


def _seen_later(seen: Intent) -> Intent:
    """Read after every event, so that only the grace decides."""
    return intent_of(
        seen.outcome,
        created=seen.created,
        canceled_at=seen.canceled_at,
        charge=seen.charge,
        seen_at=NOW + timedelta(minutes=1),
    )


@pytest.mark.parametrize("source", SOURCES)
def test_without_grace_nothing_waits(source: str) -> None:
    """With grace 0 a change of this second is corrected."""
    seen, known = _changed(source, NOW)
    decision = decide(
        match_of(_seen_later(seen), payment(Outcome.INCOMPLETE)),
        rules(grace=timedelta(0)),
        NOW,
        **known,
    )
    assert isinstance(decision, Correct)


@pytest.mark.parametrize("grace", [timedelta(0), SECOND, GRACE], ids=str)
@pytest.mark.parametrize(
    ("after_read", "waits"),
    [(-SECOND, False), (timedelta(0), True), (SECOND, True), (timedelta(seconds=40), True)],
    ids=str,
)
def test_an_event_as_new_as_the_read_waits_with_every_grace(
    grace: timedelta, after_read: timedelta, waits: bool
) -> None:
    """The intent may have been read before the event, even in the same second, so it gives no verdict."""
    read_at = NOW - timedelta(hours=1)
    seen = intent_of(Outcome.SUCCEEDED, seen_at=read_at)
    happened = read_at + after_read
    decision = decide(
        match_of(seen, payment(Outcome.INCOMPLETE)),
        rules(grace=grace),
        NOW,
        events=(event(happened),),
    )
    if waits:
        assert isinstance(decision, Wait)
        assert decision.until == happened + max(grace, SECOND)
    else:
        assert isinstance(decision, Correct)


@pytest.mark.parametrize(
    ("local", "stripe"), [pair for pair, cell in EXPECTED.items() if cell == "Keep"]
)
def test_waiting_never_replaces_keep(local: str, stripe: str) -> None:
    """If both sides agree there is nothing to wait for, however recent the change is."""
    back = GIVEN_BACK.get(Outcome(local)) if stripe == "succeeded" else None
    seen = intent_of(Outcome(stripe), created=NOW, charge=charge(**back) if back else None)
    events = (event(NOW + SECOND),)
    decision = decide(match_of(seen, payment(Outcome(local))), rules(), NOW, events=events)
    assert decision == Keep()


@pytest.mark.parametrize(
    ("local", "stripe"), [pair for pair, cell in EXPECTED.items() if cell != "Keep"]
)
def test_waiting_replaces_every_correction_and_every_finding(local: str, stripe: str) -> None:
    """No finding is recorded within the grace, however critical it is."""
    seen = intent_of(Outcome(stripe), created=NOW - SECOND)
    decision = decide(match_of(seen, payment(Outcome(local))), rules(), NOW)
    assert isinstance(decision, Wait)


def test_findings_without_a_row_and_beside_the_pair_wait_too() -> None:
    """A webhook may be on its way for missing rows, unknown statuses and side findings too."""
    recent = {"created": NOW - SECOND}
    twice = match_of(
        intent_of(Outcome.SUCCEEDED, **recent),
        payment(Outcome.SUCCEEDED),
        order="o1",
        siblings=(sibling("pi_0"),),
    )
    for match in (
        match_of(intent_of(Outcome.SUCCEEDED, **recent)),
        match_of(intent_of(Outcome.UNKNOWN, **recent), payment(Outcome.INCOMPLETE)),
        match_of(intent_of(Outcome.SUCCEEDED, **recent), payment(Outcome.UNKNOWN)),
        twice,
    ):
        assert isinstance(decide(match, rules(), NOW), Wait)


def test_a_404_is_flagged_at_once() -> None:
    """No webhook is on its way for an intent that does not exist, and an event is no reason to wait either."""
    for local, grace in itertools.product(Outcome, [GRACE, timedelta(days=9)]):
        decision = decide(
            match_of(missing(), payment(local, created=NOW)),
            rules(grace=grace),
            NOW,
            events=(event(NOW + SECOND),),
        )
        assert isinstance(decision, Flag)


def test_an_old_event_does_not_end_the_grace_of_a_recent_intent() -> None:
    """The latest change counts, in every order of the events."""
    seen = intent_of(Outcome.SUCCEEDED, created=NOW - SECOND, amount_received=AMOUNT)
    decision = decide(
        match_of(seen, payment(Outcome.INCOMPLETE)), rules(), NOW, events=(event(LONG_AGO),)
    )
    assert isinstance(decision, Wait)
    assert decision.until > NOW


@pytest.mark.parametrize(
    ("age", "waits"),
    [(0, True), (119, True), (120, False), (-60, True), (-3600, False), (None, False)],
)
def test_a_row_that_just_became_refunded_waits_for_the_refund(age: int | None, waits: bool) -> None:
    """The shop may write the row before it asks Stripe; a time far ahead is a wrong clock's."""
    changed = None if age is None else NOW - age * SECOND
    row = payment(Outcome.REFUNDED, updated=changed)
    decision = decide(match_of(intent_of(Outcome.SUCCEEDED, charge=charge()), row), rules(), NOW)
    assert isinstance(decision, Wait if waits else Flag)
    if isinstance(decision, Wait) and changed is not None:
        assert decision.until == changed + GRACE
