"""Grace: a fresh difference waits for its webhook, and only a difference does."""

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
    """A paid or canceled intent whose latest change is known from this source, and the events known."""
    calm = charge(created=LONG_AGO)
    match source:
        case "created":
            return intent_of(Outcome.SUCCEEDED, created=at, charge=calm), {}
        case "canceled_at":
            return intent_of(Outcome.CANCELED, created=LONG_AGO, canceled_at=at), {}
        case "charge.created":
            fresh = charge(created=at)
            return intent_of(Outcome.SUCCEEDED, created=LONG_AGO, charge=fresh), {}
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
    """Fetched after every event, so that only the grace decides."""
    return intent_of(
        seen.outcome,
        created=seen.created,
        canceled_at=seen.canceled_at,
        charge=seen.charge,
        seen_at=NOW + timedelta(minutes=1),
    )


@pytest.mark.parametrize("source", SOURCES)
def test_without_grace_nothing_is_fresh(source: str) -> None:
    """Grace 0 acts on a change of this very second."""
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
    ("after_fetch", "waits"),
    [(-SECOND, False), (timedelta(0), True), (SECOND, True), (timedelta(seconds=40), True)],
    ids=str,
)
def test_an_event_as_new_as_the_fetch_waits_whatever_the_grace(
    grace: timedelta, after_fetch: timedelta, waits: bool
) -> None:
    """What was fetched may be older than the event, even in the same second, so it is no ground for a verdict."""
    fetched = NOW - timedelta(hours=1)
    seen = intent_of(Outcome.SUCCEEDED, seen_at=fetched)
    happened = fetched + after_fetch
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
    """Where both sides agree there is nothing to wait for, however fresh it is."""
    back = GIVEN_BACK.get(Outcome(local)) if stripe == "succeeded" else None
    seen = intent_of(Outcome(stripe), created=NOW, charge=charge(**back) if back else None)
    events = (event(NOW + SECOND),)
    decision = decide(match_of(seen, payment(Outcome(local))), rules(), NOW, events=events)
    assert decision == Keep()


@pytest.mark.parametrize(
    ("local", "stripe"), [pair for pair, cell in EXPECTED.items() if cell != "Keep"]
)
def test_waiting_replaces_every_correction_and_every_flag(local: str, stripe: str) -> None:
    """No finding of an intent is recorded within its grace, be it ever so critical."""
    seen = intent_of(Outcome(stripe), created=NOW - SECOND)
    decision = decide(match_of(seen, payment(Outcome(local))), rules(), NOW)
    assert isinstance(decision, Wait)


def test_findings_without_a_row_and_beside_the_pair_wait_too() -> None:
    """Missing rows, unknown statuses and side findings have a webhook on its way as well."""
    fresh = {"created": NOW - SECOND}
    twice = match_of(
        intent_of(Outcome.SUCCEEDED, **fresh),
        payment(Outcome.SUCCEEDED),
        order="o1",
        siblings=(sibling("pi_0"),),
    )
    for match in (
        match_of(intent_of(Outcome.SUCCEEDED, **fresh)),
        match_of(intent_of(Outcome.UNKNOWN, **fresh), payment(Outcome.INCOMPLETE)),
        match_of(intent_of(Outcome.SUCCEEDED, **fresh), payment(Outcome.UNKNOWN)),
        twice,
    ):
        assert isinstance(decide(match, rules(), NOW), Wait)


def test_a_404_is_flagged_at_once() -> None:
    """Nothing changed lately there, and an event is no reason to wait either."""
    for local, grace in itertools.product(Outcome, [GRACE, timedelta(days=9)]):
        decision = decide(
            match_of(missing(), payment(local, created=NOW)),
            rules(grace=grace),
            NOW,
            events=(event(NOW + SECOND),),
        )
        assert isinstance(decision, Flag)


def test_an_old_event_does_not_make_a_fresh_intent_old() -> None:
    """The latest of all counts, in whatever order the events come."""
    seen = intent_of(Outcome.SUCCEEDED, created=NOW - SECOND, amount_received=AMOUNT)
    decision = decide(
        match_of(seen, payment(Outcome.INCOMPLETE)), rules(), NOW, events=(event(LONG_AGO),)
    )
    assert isinstance(decision, Wait)
    assert decision.until > NOW
