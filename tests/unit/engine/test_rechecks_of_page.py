"""When a payment is read again after a verdict, and which findings a page opens and closes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.domain.findings.discrepancy import Kind, State, StoredDiscrepancy
from reconciler.domain.model.intent import Intent, MissingIntent
from reconciler.domain.model.match_facts import MatchFacts, OrderFacts
from reconciler.domain.model.recheck import Recheck
from reconciler.domain.outcome import Outcome
from reconciler.domain.polling.next_poll import next_poll
from reconciler.domain.rules.decision import Correct, Flag, Keep
from reconciler.domain.rules.grace import Wait
from reconciler.engine.page.page_changes import jitter_of, next_recheck
from tests.unit.domain.samples import (
    CREATED,
    HORIZON,
    NOW,
    event,
    intent,
    match_of,
    missing,
    payment,
)
from tests.unit.engine.page_samples import (
    MISSED,
    OVERDUE,
    PAID,
    PERSON,
    ROW,
    SERVICE,
    changes_of,
    finding_of,
    record_of,
)

IN_A_DAY = NOW + timedelta(days=1)
WAITING = intent("requires_payment_method")


def _stored(kind: Kind, subject: str = "pi_1", **changes: object) -> StoredDiscrepancy:
    usual = StoredDiscrepancy(7, subject, kind, State.OPEN, "0" * 64)
    return replace(usual, **changes)  # type: ignore[arg-type]


def test_an_open_finding_is_read_again_in_a_day() -> None:
    """The service looks once a day whether a person has repaired it."""
    settled = match_of(PAID, payment(Outcome.SUCCEEDED))
    again = next_recheck(settled, NOW, HORIZON, 0.5, has_finding=True)
    assert again == Recheck("pi_1", IN_A_DAY, "a finding is open")
    assert next_recheck(settled, NOW, HORIZON, 0.5) is None


@pytest.mark.parametrize("seen", [PAID, missing()])
def test_an_open_row_whose_intent_is_final_is_read_again_in_a_day(
    seen: Intent | MissingIntent,
) -> None:
    """Stripe's side changes no more: only a person, or the next sweep that may write, can end this."""
    again = next_recheck(match_of(seen, ROW), NOW, HORIZON, 0.5)
    assert again == Recheck("pi_1", IN_A_DAY, "schedule")


def test_an_open_payment_is_polled_by_the_schedule_of_its_first_open_row() -> None:
    """A settled row does not count. Past the horizon the payment is polled no more: the next poll is a hundred years away."""
    old = replace(ROW, created=CREATED - timedelta(days=20))
    match = match_of(WAITING, payment(Outcome.SUCCEEDED), old, replace(ROW, key="p2"))
    # the schedule follows the row's own age here, and the account's jitter
    now = NOW + timedelta(days=10) - timedelta(hours=3)
    due_at = next_poll(WAITING, now, old.created, HORIZON, 0.5)
    assert due_at is not None
    assert due_at != next_poll(WAITING, now, None, HORIZON, 0.5)
    assert due_at != next_poll(WAITING, now, old.created, HORIZON, 0.0)
    assert next_recheck(match, now, HORIZON, 0.5) == Recheck("pi_1", due_at, "schedule")
    late = NOW + timedelta(days=60)
    never = late + timedelta(days=36_500)
    assert next_recheck(match, late, HORIZON, 0.5) == Recheck("pi_1", never, "schedule")


def test_an_account_has_one_jitter_and_another_account_another() -> None:
    """It never changes, or all payments would be polled anew after an upgrade."""
    assert jitter_of("default") == 0x37A8EEC1 / 2**32
    assert jitter_of("other") == 0xD9298A10 / 2**32


def test_the_service_schedules_by_the_row_as_it_is_after_the_write() -> None:
    """A corrected row that is settled needs no poll; one that stays open is polled, and a person's sweep polls nothing."""
    settled = changes_of(SERVICE)
    settled.add(match_of(PAID, ROW), Correct((ROW,), Outcome.SUCCEEDED, "paid", (MISSED,)), ())
    assert (record_of(settled).rechecks, record_of(settled).settled) == ((), ("pi_1",))

    at_the_bank = intent("processing")
    opened = changes_of(SERVICE)
    opened.add(
        match_of(at_the_bank, ROW),
        Correct((ROW,), Outcome.PROCESSING, "at_the_bank", (MISSED,)),
        (),
    )
    due_at = next_poll(at_the_bank, NOW, CREATED, HORIZON, jitter_of("default"))
    assert due_at is not None
    assert record_of(opened).rechecks == (Recheck("pi_1", due_at, "schedule"),)
    assert record_of(opened).settled == ()

    by_person = changes_of(PERSON)
    by_person.add(match_of(WAITING, ROW), Keep(), (event(NOW),))
    assert record_of(by_person).rechecks == ()


def test_an_agreement_is_scheduled_by_the_row_as_it_is() -> None:
    """Only a correction changes the row: without one an open row is read again, even though Stripe's side is final."""
    changes = changes_of(SERVICE)
    changes.add(match_of(PAID, ROW), Keep(), ())
    assert record_of(changes).rechecks == (Recheck("pi_1", IN_A_DAY, "schedule"),)


def test_a_finding_that_stays_open_is_scheduled_by_the_service() -> None:
    """A correction that leaves a side finding open is read again in a day; so is a flag."""
    corrected = changes_of(SERVICE)
    decision = Correct((ROW,), Outcome.SUCCEEDED, "paid", (MISSED, OVERDUE))
    corrected.add(match_of(PAID, ROW), decision, ())
    flagged = changes_of(SERVICE)
    flagged.add(match_of(PAID, ROW), Flag((MISSED,)), ())
    again = (Recheck("pi_1", IN_A_DAY, "a finding is open"),)
    assert record_of(corrected).rechecks == again
    assert record_of(flagged).rechecks == again


def test_a_verdict_of_the_service_removes_a_recheck_that_a_person_leaves() -> None:
    """A recheck that only schedules a poll is not among those that were loaded: the service removes it by name."""
    agreed = match_of(PAID, payment(Outcome.SUCCEEDED))
    service, person = changes_of(SERVICE), changes_of(PERSON)
    service.add(agreed, Keep(), ())
    person.add(agreed, Keep(), (event(NOW),))
    assert record_of(service).settled == ("pi_1",)
    assert record_of(person).settled == ()
    before = person.page((Recheck("pi_1", NOW, "too early"),), None)
    other = person.page((Recheck("pi_2", NOW, "too early"),), None)
    assert before is not None
    assert other is not None
    assert (before.settled, other.settled) == (("pi_1",), ())


def test_a_wait_stores_its_time_and_its_reason_and_all_events_are_kept() -> None:
    """Waiting is no verdict: it settles nothing and closes nothing."""
    changes = changes_of(SERVICE, stored={"pi_1": (_stored(Kind.MISSED_OUTCOME),)})
    until = NOW + timedelta(minutes=1)
    first, second = event(NOW), event(NOW, id="evt_2")
    assert changes.add(match_of(PAID, ROW), Wait(until, "too early"), (first,)) == Wait(
        until, "too early"
    )
    changes.add(match_of(intent("succeeded", id="pi_2")), Keep(), (second,))
    record = record_of(changes)
    assert record.rechecks == (Recheck("pi_1", until, "too early"),)
    assert (record.updates, record.settled) == ((), ("pi_2",))
    assert record.events == (first, second)


@pytest.mark.parametrize(
    ("seen", "closes"),
    [(PAID, False), (intent("canceled"), True), (missing(), False)],
)
def test_a_duplicate_payment_stays_open_while_the_intent_is_paid(
    seen: Intent | MissingIntent, closes: bool
) -> None:
    """This page does not always know the other intents of the order. A 404 says nothing about the money."""
    changes = changes_of(stored={"pi_1": (_stored(Kind.DUPLICATE_PAYMENT),)})
    changes.add(match_of(seen), Keep(), (event(NOW),))
    assert [one.state for one in record_of(changes).updates] == [State.CLOSED] * closes


@pytest.mark.parametrize(
    ("has_row", "order", "closes"),
    [
        (True, None, False),
        (True, OrderFacts(is_complete=False), False),
        (True, OrderFacts(is_complete=True), True),
        (False, None, True),
    ],
)
def test_a_payment_by_another_intent_stays_open_while_the_order_is_not_known(
    has_row: bool, order: OrderFacts | None, closes: bool
) -> None:
    """Only with the whole order it is seen that no other intent pays for the row any more."""
    stored = _stored(Kind.PAID_BY_OTHER_INTENT, "row:p1", payment_intent="pi_1")
    changes = changes_of(stored={"pi_1": (stored,)})
    rows = (ROW,) if has_row else ()
    match = match_of(intent("canceled"), *rows, facts=MatchFacts(order=order))
    changes.add(match, Keep(), (event(NOW),))
    assert [one.state for one in record_of(changes).updates] == [State.CLOSED] * closes


def test_a_paid_intent_closes_a_payment_by_another_intent_without_its_order() -> None:
    """It is paid itself, so no other intent has to be looked for."""
    stored = _stored(Kind.PAID_BY_OTHER_INTENT, "row:p1", payment_intent="pi_1")
    changes = changes_of(stored={"pi_1": (stored,)})
    match = match_of(PAID, payment(Outcome.SUCCEEDED), facts=MatchFacts())
    changes.add(match, Keep(), (event(NOW),))
    assert [one.state for one in record_of(changes).updates] == [State.CLOSED]


def test_a_row_that_left_the_mapping_closes_its_finding_as_out_of_scope() -> None:
    """Even after a 404: it is certain that the row left."""
    stored = _stored(Kind.MISSED_OUTCOME)
    changes = changes_of(stored={"pi_1": (stored,)}, left=frozenset({7}))
    changes.add(match_of(missing()), Keep(), (event(NOW),))
    (update,) = record_of(changes).updates
    assert (update.id, update.state, str(update.closing)) == (7, State.CLOSED, "out_of_scope")


def test_a_finding_of_a_sibling_is_stored_under_the_sibling() -> None:
    """It updates what is stored there of the same kind, and closes nothing of another kind."""
    double = finding_of(Kind.DUPLICATE_PAYMENT, payment_intent="pi_2")
    known = (
        _stored(Kind.OVERDUE, "pi_2", id=3),
        _stored(Kind.DUPLICATE_PAYMENT, "pi_2", id=4, fingerprint=double.fingerprint),
    )
    for stored, expected in (({}, (None, True)), ({"pi_2": known}, (4, False))):
        changes = changes_of(stored=stored)
        changes.add(match_of(PAID, payment(Outcome.SUCCEEDED)), Flag((double,)), ())
        (update,) = record_of(changes).updates
        assert (update.subject, update.kind) == ("pi_2", Kind.DUPLICATE_PAYMENT)
        assert (update.id, update.is_news, update.state) == (*expected, State.OPEN)
        assert len(record_of(changes).drafts) == expected[1]


def test_the_verdict_of_a_sibling_on_the_same_page_counts_more() -> None:
    """What the sibling's own examination says of the finding is not replaced by what its partner says of it."""
    said_by_partner = finding_of(Kind.DUPLICATE_PAYMENT, payment_intent="pi_2")
    said_by_itself = replace(said_by_partner, stripe={"status": "succeeded", "amount": 1})
    changes = changes_of()
    changes.add(match_of(PAID, payment(Outcome.SUCCEEDED)), Flag((said_by_partner,)), ())
    itself = intent("succeeded", id="pi_2")
    row = payment(Outcome.SUCCEEDED, key="p2", payment_intent="pi_2")
    changes.add(match_of(itself, row), Flag((said_by_itself,)), ())
    (update,) = record_of(changes).updates
    assert update.finding is not None
    assert update.finding.stripe == said_by_itself.stripe
