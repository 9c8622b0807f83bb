"""Why a webhook was lost, as far as the known events show it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.domain.findings.discrepancy import Cause, Kind
from reconciler.domain.model.intent import Event
from reconciler.domain.model.payment import StatusMap
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Flag, cause_of, decide
from tests.unit.domain.samples import (
    CREATED,
    NOW,
    SECOND,
    WRITTEN,
    event,
    intent_of,
    match_of,
    payment,
    rules,
    sibling,
)

OLD = NOW - timedelta(hours=1)
DELIVERED, UNDELIVERED = event(OLD, delivered=True), event(OLD, id="evt_2")


@pytest.mark.parametrize(
    ("events", "cause"),
    [
        ((), None),
        ((DELIVERED,), Cause.NOTHING_PENDING),
        ((UNDELIVERED,), Cause.UNDELIVERED),
        ((DELIVERED, UNDELIVERED), Cause.UNDELIVERED),
        ((DELIVERED, DELIVERED), Cause.NOTHING_PENDING),
    ],
)
@pytest.mark.parametrize("writable", [True, False])
def test_the_cause_of_a_missed_outcome_follows_from_its_events(
    events: tuple[Event, ...], cause: Cause | None, writable: bool
) -> None:
    """No known event: no cause. All events acknowledged: not handled. Else: not delivered. A Flag has the cause too."""
    statuses = StatusMap(rules().statuses.read, WRITTEN if writable else {})
    match = match_of(
        intent_of(Outcome.SUCCEEDED, seen_at=NOW),
        payment(Outcome.INCOMPLETE),
        order="o1",
        siblings=(sibling("pi_0"),),
    )
    decision = decide(match, rules(statuses=statuses), NOW, events=events)
    assert isinstance(decision, Correct if writable else Flag)
    causes = {found.kind: found.cause for found in decision.findings}
    assert causes == {Kind.MISSED_OUTCOME: cause, Kind.DUPLICATE_PAYMENT: None}


@pytest.mark.parametrize("local", [Outcome.SUCCEEDED, Outcome.CANCELED, Outcome.UNKNOWN])
def test_only_a_missed_outcome_has_a_cause(local: Outcome) -> None:
    """A lost webhook does not explain a contradiction."""
    seen = intent_of(Outcome.AUTHORIZED)
    decision = decide(match_of(seen, payment(local)), rules(), NOW, events=(DELIVERED,))
    assert isinstance(decision, Flag)
    assert [found.cause for found in decision.findings] == [None]


def test_the_cause_is_not_a_part_of_the_fingerprint() -> None:
    """An event that is found later does not change the finding's identity."""
    match = match_of(intent_of(Outcome.SUCCEEDED), payment(Outcome.INCOMPLETE))
    different: set[str] = set()
    for events in [(), (DELIVERED,), (UNDELIVERED,)]:
        decision = decide(match, rules(), NOW, events=events)
        assert isinstance(decision, Correct)
        different.add(decision.findings[0].fingerprint)
    assert len(different) == 1


def test_only_the_event_of_the_missed_outcome_shows_its_cause() -> None:
    """An undelivered payment_intent.created says nothing about the webhook of payment_intent.succeeded."""
    old = CREATED + timedelta(minutes=1)
    created = Event("evt_0", "payment_intent.created", old, "pi_1", delivered=False)
    succeeded = Event("evt_1", "payment_intent.succeeded", old, "pi_1", delivered=True)
    seen = intent_of(Outcome.SUCCEEDED)
    assert cause_of(seen, (created, succeeded), NOW, None) is Cause.NOTHING_PENDING
    assert cause_of(seen, (created,), NOW, None) is None


def test_an_event_that_a_complete_list_does_not_show_was_never_generated() -> None:
    """Only a list that reaches back to the change shows that; an older change is out of reach after 30 days."""
    seen = intent_of(Outcome.SUCCEEDED)
    assert cause_of(seen, (), NOW, seen.changed_at) is Cause.NEVER_GENERATED
    assert cause_of(seen, (), NOW, seen.changed_at + SECOND) is None
    match = match_of(seen, payment(Outcome.INCOMPLETE))
    decision = decide(match, rules(), NOW, events_known_since=seen.changed_at)
    assert isinstance(decision, Correct)
    assert [found.cause for found in decision.findings] == [Cause.NEVER_GENERATED]
    late = seen.changed_at + timedelta(days=30)
    assert cause_of(seen, (), late, None) is None
    assert cause_of(seen, (), late + SECOND, None) is Cause.OUT_OF_REACH
