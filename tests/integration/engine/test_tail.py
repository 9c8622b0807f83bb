"""The tail over a real database: every change that has an event, for about one read a tick."""

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


def a_payment(sweeps: SweepRunner, number: int, status: str = "pending") -> str:
    intent = f"pi_{number}"
    created = (NOW - timedelta(days=1)).isoformat()
    sweeps.shop.insert(
        key=number, payment_intent=intent, status=status, amount=1000, created=created
    )
    sweeps.stripe.intents[intent] = an_intent(intent, created=NOW - timedelta(days=1))
    return intent


def heard(
    sweeps: SweepRunner,
    number: int,
    age: timedelta,
    outcome: Outcome = Outcome.SUCCEEDED,
    name: str = "",
) -> Event:
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


def later(sweeps: SweepRunner, by: timedelta) -> None:
    sweeps.stripe.present += by
    sweeps.clock.advance(by)


def tail(sweeps: SweepRunner, writing: Writing = Writing.ROWS) -> SweepReport:
    return sweeps.run(SweepKind.TAIL, writing)


def cursor(sweeps: SweepRunner) -> datetime | None:
    rows = sweeps.table("SELECT handled_until FROM reconciler.cursors WHERE name = 'tail'")
    return rows[0]["handled_until"] if rows else None  # type: ignore[return-value]


def test_a_lost_webhook_whose_event_exists_is_corrected(sweeps: SweepRunner) -> None:
    """The event names the intent, the intent is retrieved, the row is corrected, the cursor stands where the grace begins."""
    a_payment(sweeps, 1)
    event = heard(sweeps, 1, timedelta(minutes=5))
    report = tail(sweeps)
    assert (report.corrected, report.complete) == (1, True)
    assert sweeps.statuses() == {"1": "paid"}
    assert cursor(sweeps) == NOW - timedelta(minutes=2)
    assert [row["id"] for row in sweeps.table("SELECT id FROM reconciler.events")] == [event.id]


@pytest.mark.parametrize("payments", [1, 300])
def test_a_quiet_tick_costs_one_read(sweeps: SweepRunner, payments: int) -> None:
    """However many payments are open, a tick with nothing new in its overlap is one read."""
    for number in range(payments):
        a_payment(sweeps, number)
    heard(sweeps, 0, timedelta(minutes=5))
    tail(sweeps)
    later(sweeps, timedelta(seconds=10))
    report = tail(sweeps)
    assert (report.reads, report.examined) == (1, 0)


def test_a_webhook_that_was_handled_costs_nothing_more(sweeps: SweepRunner) -> None:
    """Its snapshot agrees with the row: the intent is not retrieved, and the event not looked at again."""
    a_payment(sweeps, 1, "paid")
    heard(sweeps, 1, timedelta(minutes=5))
    assert tail(sweeps).reads == 1
    assert sweeps.stripe.asked == []
    assert len(sweeps.table("SELECT * FROM reconciler.events")) == 1


def test_an_event_within_the_grace_is_left_for_later(sweeps: SweepRunner) -> None:
    """Its webhook may be on the way; the cursor does not pass it."""
    a_payment(sweeps, 1)
    event = heard(sweeps, 1, timedelta(seconds=30))
    report = tail(sweeps)
    assert (report.examined, report.corrected) == (0, 0)
    assert cursor(sweeps) == NOW - timedelta(minutes=2)
    later(sweeps, timedelta(minutes=2))
    assert tail(sweeps).corrected == 1
    assert cursor(sweeps) == event.created + timedelta(seconds=30)


def test_a_list_that_breaks_off_loses_nothing(sweeps: SweepRunner) -> None:
    """Newest first: had the cursor moved with the first page, the older events would be skipped for ever."""
    for number in range(150):
        a_payment(sweeps, number)
        heard(sweeps, number, timedelta(minutes=5, seconds=number))
    heard(sweeps, 0, timedelta(hours=3), name="first")
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
    assert len(sweeps.table("SELECT * FROM reconciler.outbox")) == 150


def test_an_event_that_is_listed_late_is_met_by_the_overlap(sweeps: SweepRunner) -> None:
    """It appears behind the cursor: within a minute by every tick, within a quarter of an hour by a deep one."""
    a_payment(sweeps, 1)
    a_payment(sweeps, 2)
    heard(sweeps, 1, timedelta(minutes=5))
    tail(sweeps)
    heard(sweeps, 2, timedelta(minutes=13), name="late")
    later(sweeps, timedelta(minutes=1))
    assert tail(sweeps).corrected == 0
    later(sweeps, timedelta(minutes=1))
    sweeps.shop.execute(
        "UPDATE reconciler.cursors SET handled_until = handled_until - interval '10 minutes'"
        " WHERE name = 'tail.deep'"
    )
    assert tail(sweeps).corrected == 1


def test_a_cursor_that_events_may_have_outlived_falls_back_to_the_window(
    sweeps: SweepRunner,
) -> None:
    """Stripe keeps events for 30 days: after a longer absence the list is read, and the report says so."""
    a_payment(sweeps, 1)
    sweeps.shop.execute(
        "INSERT INTO reconciler.cursors (account, name, handled_until) VALUES"
        f" ('default', 'tail', '{(NOW - timedelta(days=29)).isoformat()}')"
    )
    report = tail(sweeps)
    assert report.corrected == 1
    assert "window was read instead" in report.notes[0]
    assert cursor(sweeps) == NOW - timedelta(minutes=2)


def test_an_intent_that_cannot_be_read_leaves_a_check(sweeps: SweepRunner) -> None:
    """One sick intent neither stops the tail nor is forgotten."""
    a_payment(sweeps, 1)
    a_payment(sweeps, 2)
    heard(sweeps, 1, timedelta(minutes=5))
    heard(sweeps, 2, timedelta(minutes=6))

    def fail(what: str) -> None:
        if what == "pi_2":
            raise StripeUnavailableError("Stripe answered 500.", "Try again later.")

    sweeps.stripe.fail = fail
    report = tail(sweeps)
    assert (report.complete, report.corrected) == (False, 1)
    assert cursor(sweeps) == NOW - timedelta(minutes=2)
    assert [row["payment_intent"] for row in sweeps.table("SELECT * FROM reconciler.rechecks")] == [
        "pi_2"
    ]
    sweeps.stripe.fail = lambda _: None
    assert sweeps.run(SweepKind.DUE).corrected == 1


def test_a_dry_run_moves_no_cursor(sweeps: SweepRunner) -> None:
    """It says what it would do, and the next sweep meets the same events."""
    a_payment(sweeps, 1)
    heard(sweeps, 1, timedelta(minutes=5))
    assert tail(sweeps, Writing.NOTHING).would_correct == 1
    assert cursor(sweeps) is None
    assert sweeps.table("SELECT * FROM reconciler.events") == []
    assert tail(sweeps).corrected == 1


def test_an_event_is_never_a_verdict(sweeps: SweepRunner) -> None:
    """The snapshot says succeeded and the intent, when asked for, says canceled: the intent is the truth."""
    a_payment(sweeps, 1)
    heard(sweeps, 1, timedelta(minutes=5))
    sweeps.stripe.intents["pi_1"] = an_intent(
        "pi_1", "canceled", created=NOW - timedelta(days=1), canceled_at=NOW - HOUR
    )
    assert tail(sweeps).corrected == 1
    assert sweeps.statuses() == {"1": "canceled"}


def test_money_without_a_row_is_found_by_its_event(sweeps: SweepRunner) -> None:
    """The due net has nothing to ask for; the event names it."""
    a_payment(sweeps, 1, "paid")
    heard(sweeps, 1, timedelta(minutes=5))
    sweeps.stripe.intents["pi_7"] = an_intent("pi_7")
    heard(sweeps, 7, timedelta(minutes=5))
    report = tail(sweeps)
    assert dict(report.discrepancies) == {Kind.MISSING_LOCALLY: 1}


# What each net alone cannot see, and that the others see it


def test_an_event_that_was_never_generated_is_seen_by_due(sweeps: SweepRunner) -> None:
    """The tail is blind to it; the payment is still open here."""
    a_payment(sweeps, 1)
    assert tail(sweeps).corrected == 0
    assert sweeps.run(SweepKind.DUE).corrected == 1


def test_a_settled_row_that_disagrees_is_seen_by_the_window(sweeps: SweepRunner) -> None:
    """No event, and not open: only the list of all intents shows it."""
    a_payment(sweeps, 1, "canceled")
    assert tail(sweeps).discrepancies == {}
    assert sweeps.run(SweepKind.DUE).discrepancies == {}
    assert sweeps.run(SweepKind.WINDOW).discrepancies == {Kind.PAID_AFTER_CANCEL: 1}


def test_a_row_older_than_the_window_is_seen_by_due_and_by_its_event(sweeps: SweepRunner) -> None:
    """A window on creation never sees an old payment that changed today."""
    for number in (1, 2):
        a_payment(sweeps, number)
        sweeps.stripe.intents[f"pi_{number}"] = an_intent(
            f"pi_{number}", created=NOW - timedelta(days=60)
        )
    sweeps.shop.execute("UPDATE public.payments SET created_at = created_at - interval '60 days'")
    assert sweeps.run(SweepKind.WINDOW).corrected == 0
    heard(sweeps, 1, timedelta(minutes=5))
    assert tail(sweeps).corrected == 1
    assert sweeps.run(SweepKind.DUE).corrected == 1
