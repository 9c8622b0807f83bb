"""The tail over a real database: it finds every change that has an event, with about one read."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from reconciler.domain.findings.discrepancy import Kind
from reconciler.domain.model.intent import Event, Snapshot
from reconciler.domain.outcome import Outcome
from reconciler.engine.report import SweepKind, SweepReport, Writing
from reconciler.errors import StripeUnavailableError
from tests.integration.engine.sweeps import SweepRunner
from tests.unit.engine.doubles import NOW, an_intent

HOUR = timedelta(hours=1)


def add_event(
    sweeps: SweepRunner,
    number: int,
    age: timedelta,
    outcome: Outcome = Outcome.SUCCEEDED,
    name: str = "",
) -> Event:
    """Let Stripe have an event of this age about the intent of this number."""
    received = 1000 if outcome is Outcome.SUCCEEDED else 0
    event = Event(
        f"evt_{name or number}_{outcome}",
        f"payment_intent.{outcome}",
        sweeps.stripe.present - age,
        f"pi_{number}",
        snapshot=Snapshot(outcome, received, "eur"),
    )
    sweeps.stripe.events.append(event)
    return event


def tail(sweeps: SweepRunner, writing: Writing = Writing.ROWS) -> SweepReport:
    return sweeps.run(SweepKind.TAIL, writing)


def cursor(sweeps: SweepRunner) -> datetime | None:
    rows = sweeps.query("SELECT handled_until FROM reconciler.cursors WHERE name = 'tail'")
    return rows[0]["handled_until"] if rows else None  # type: ignore[return-value]


def test_a_lost_webhook_whose_event_exists_is_corrected(sweeps: SweepRunner) -> None:
    """The event names the intent, the intent is retrieved, and the row is corrected. The cursor stands at the start of the grace."""
    sweeps.add_both(1)
    event = add_event(sweeps, 1, timedelta(minutes=5))
    report = tail(sweeps)
    assert (report.corrected, report.complete) == (1, True)
    assert sweeps.statuses() == {"1": "paid"}
    assert cursor(sweeps) == NOW - timedelta(minutes=2)
    assert [row["id"] for row in sweeps.query("SELECT id FROM reconciler.events")] == [event.id]


@pytest.mark.parametrize("payments", [1, 300])
def test_a_tail_without_new_events_costs_one_read(sweeps: SweepRunner, payments: int) -> None:
    """It costs one read however many payments are open."""
    for number in range(payments):
        sweeps.add_both(number)
    add_event(sweeps, 0, timedelta(minutes=5))
    tail(sweeps)
    sweeps.advance(timedelta(seconds=10))
    report = tail(sweeps)
    assert (report.reads, report.examined) == (1, 0)


def test_an_event_that_agrees_with_the_row_costs_no_further_read(sweeps: SweepRunner) -> None:
    """Its webhook was handled: the intent is not retrieved, and the event counts as seen."""
    sweeps.add_both(1, "paid")
    add_event(sweeps, 1, timedelta(minutes=5))
    assert tail(sweeps).reads == 1
    assert sweeps.stripe.asked == []
    assert len(sweeps.query("SELECT * FROM reconciler.events")) == 1


def test_an_event_within_the_grace_is_left_to_a_later_sweep(sweeps: SweepRunner) -> None:
    """Its webhook may be on the way. The cursor stays before it."""
    sweeps.add_both(1)
    event = add_event(sweeps, 1, timedelta(seconds=30))
    report = tail(sweeps)
    assert (report.examined, report.corrected) == (0, 0)
    assert cursor(sweeps) == NOW - timedelta(minutes=2)
    sweeps.advance(timedelta(minutes=2))
    assert tail(sweeps).corrected == 1
    assert cursor(sweeps) == event.created + timedelta(seconds=30)


def test_a_list_that_breaks_off_loses_nothing(sweeps: SweepRunner) -> None:
    """Stripe lists the newest event first: had the cursor moved with the first page, the older events would be lost."""
    for number in range(150):
        sweeps.add_both(number)
        add_event(sweeps, number, timedelta(minutes=5, seconds=number))
    add_event(sweeps, 0, timedelta(hours=3), name="first")
    sweeps.shop.execute(
        "INSERT INTO reconciler.cursors (account, name, handled_until) VALUES"
        f" ('default', 'tail', '{(NOW - timedelta(hours=4)).isoformat()}')"
    )

    def fail(what: str) -> None:
        if what.startswith("events after evt"):
            raise StripeUnavailableError("Stripe answered 500.", "Try again later.")

    sweeps.stripe.fail = fail
    report = tail(sweeps)
    assert (report.complete, report.corrected) == (False, 100)
    assert cursor(sweeps) == NOW - timedelta(hours=4)
    sweeps.stripe.fail = lambda _: None
    report = tail(sweeps)
    assert (report.complete, report.corrected) == (True, 50)
    assert set(sweeps.statuses().values()) == {"paid"}
    assert len(sweeps.query("SELECT * FROM reconciler.outbox")) == 150


def test_an_event_that_is_listed_late_is_found_by_the_overlap(sweeps: SweepRunner) -> None:
    """It appears behind the cursor: every tail reads a minute back, and a deep one a quarter of an hour."""
    sweeps.add_both(1)
    sweeps.add_both(2)
    add_event(sweeps, 1, timedelta(minutes=5))
    tail(sweeps)
    add_event(sweeps, 2, timedelta(minutes=13), name="late")
    sweeps.advance(timedelta(minutes=1))
    assert tail(sweeps).corrected == 0
    sweeps.advance(timedelta(minutes=1))
    sweeps.shop.execute(
        "UPDATE reconciler.cursors SET handled_until = handled_until - interval '10 minutes'"
        " WHERE name = 'tail.deep'"
    )
    assert tail(sweeps).corrected == 1


def test_a_cursor_that_is_too_old_makes_the_sweep_read_the_window(
    sweeps: SweepRunner,
) -> None:
    """Stripe keeps events for 30 days. After a longer absence the window is read instead, and the report says so."""
    sweeps.add_both(1)
    sweeps.shop.execute(
        "INSERT INTO reconciler.cursors (account, name, handled_until) VALUES"
        f" ('default', 'tail', '{(NOW - timedelta(days=29)).isoformat()}')"
    )
    report = tail(sweeps)
    assert report.corrected == 1
    assert "Reconciler read all recent payments (window)" in report.notes[0]
    assert cursor(sweeps) == NOW - timedelta(minutes=2)


def test_an_intent_that_cannot_be_read_leaves_a_recheck(sweeps: SweepRunner) -> None:
    """It does not keep the cursor back, and its recheck makes a later sweep read it."""
    sweeps.add_both(1)
    sweeps.add_both(2)
    add_event(sweeps, 1, timedelta(minutes=5))
    add_event(sweeps, 2, timedelta(minutes=6))

    def fail(what: str) -> None:
        if what == "pi_2":
            raise StripeUnavailableError("Stripe answered 500.", "Try again later.")

    sweeps.stripe.fail = fail
    report = tail(sweeps)
    assert (report.complete, report.corrected) == (False, 1)
    assert cursor(sweeps) == NOW - timedelta(minutes=2)
    assert [row["payment_intent"] for row in sweeps.query("SELECT * FROM reconciler.rechecks")] == [
        "pi_2"
    ]
    sweeps.stripe.fail = lambda _: None
    assert sweeps.run(SweepKind.DUE).corrected == 1


def test_a_dry_run_moves_no_cursor(sweeps: SweepRunner) -> None:
    """It reports what it would do, and the next sweep reads the same events."""
    sweeps.add_both(1)
    add_event(sweeps, 1, timedelta(minutes=5))
    assert tail(sweeps, Writing.NOTHING).would_correct == 1
    assert cursor(sweeps) is None
    assert sweeps.query("SELECT * FROM reconciler.events") == []
    assert tail(sweeps).corrected == 1


def test_the_intent_decides_and_not_its_event(sweeps: SweepRunner) -> None:
    """If the event says succeeded and the retrieved intent says canceled, the row becomes canceled."""
    sweeps.add_both(1)
    add_event(sweeps, 1, timedelta(minutes=5))
    sweeps.stripe.intents["pi_1"] = an_intent(
        "pi_1", "canceled", created=NOW - timedelta(days=1), canceled_at=NOW - HOUR
    )
    assert tail(sweeps).corrected == 1
    assert sweeps.statuses() == {"1": "canceled"}


def test_an_intent_without_a_row_is_found_by_its_event(sweeps: SweepRunner) -> None:
    """No row names it, so the due source cannot find it."""
    sweeps.add_both(1, "paid")
    add_event(sweeps, 1, timedelta(minutes=5))
    sweeps.stripe.intents["pi_7"] = an_intent("pi_7")
    add_event(sweeps, 7, timedelta(minutes=5))
    report = tail(sweeps)
    assert dict(report.discrepancies) == {Kind.MISSING_LOCALLY: 1}


# What one source cannot find, another source finds.


def test_due_finds_a_payment_without_an_event(sweeps: SweepRunner) -> None:
    """The event was never generated, so the tail does not find the payment. Its row is still open."""
    sweeps.add_both(1)
    assert tail(sweeps).corrected == 0
    assert sweeps.run(SweepKind.DUE).corrected == 1


def test_the_window_finds_a_settled_row_that_disagrees(sweeps: SweepRunner) -> None:
    """It has no event and is not open, so only the list of all intents shows it."""
    sweeps.add_both(1, "canceled")
    assert tail(sweeps).discrepancies == {}
    assert sweeps.run(SweepKind.DUE).discrepancies == {}
    assert sweeps.run(SweepKind.WINDOW).discrepancies == {Kind.PAID_AFTER_CANCEL: 1}


def test_due_and_the_tail_find_a_row_older_than_the_window(sweeps: SweepRunner) -> None:
    """A window of creation does not contain an old payment that changed today."""
    for number in (1, 2):
        sweeps.add_both(number)
        sweeps.stripe.intents[f"pi_{number}"] = an_intent(
            f"pi_{number}", created=NOW - timedelta(days=60)
        )
    sweeps.shop.execute("UPDATE public.payments SET created_at = created_at - interval '60 days'")
    assert sweeps.run(SweepKind.WINDOW).corrected == 0
    add_event(sweeps, 1, timedelta(minutes=5))
    assert tail(sweeps).corrected == 1
    assert sweeps.run(SweepKind.DUE).corrected == 1
