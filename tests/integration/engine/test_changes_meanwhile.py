"""Changes on either side while a sweep runs: the sweep must not undo them by what it has read before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from reconciler.domain.findings.discrepancy import Kind
from reconciler.domain.model.intent import Event, Snapshot
from reconciler.domain.outcome import Outcome
from reconciler.engine.report import SweepKind
from tests.integration.engine.sweeps import SweepRunner
from tests.unit.engine.doubles import NOW


def an_event(
    ident: str, intent: str, created=NOW, snapshot=None, type_="payment_intent.succeeded"
) -> Event:
    return Event(ident, type_, created, intent, snapshot=snapshot)


def test_an_intent_of_the_order_is_paid_meanwhile(sweeps: SweepRunner) -> None:
    """Of the intents of an order only a paid one may be linked, also if it was paid after the list was read."""
    sweeps.with_rules(link_metadata="order_id")
    sweeps.add_row(9, "pi_other", "paid", order="o9")
    sweeps.add_intent("pi_other")
    sweeps.add_row(1, None, order="o1")
    meta = {"order_id": "o1"}
    sweeps.add_intent(
        "pi_a",
        "requires_payment_method",
        metadata=meta,
        created=NOW - timedelta(days=6, hours=2),
    )
    sweeps.add_intent(
        "pi_b",
        "canceled",
        metadata=meta,
        created=NOW - timedelta(days=6, hours=1),
        canceled_at=NOW - timedelta(days=6),
    )
    # the customer pays A a second after the list was read, and an event shows it
    listed = sweeps.stripe.list_intents

    def list_intents(created, after=None):
        page = listed(created, after)
        sweeps.stripe.present = NOW + timedelta(seconds=5)
        sweeps.stripe.intents["pi_a"] = replace(
            sweeps.stripe.intents["pi_a"], status="succeeded", amount_received=1000
        )
        sweeps.stripe.events = [an_event("evt_1", "pi_a", NOW + timedelta(seconds=1))]
        return page

    sweeps.stripe.list_intents = list_intents  # type: ignore[method-assign]
    sweeps.run(SweepKind.WINDOW)
    assert sweeps.statuses()["1"] == "pending"


def test_an_intent_of_the_order_is_created_and_paid_meanwhile(sweeps: SweepRunner) -> None:
    """If the recent events show a newer intent of the order, an older, canceled one is not linked."""
    sweeps.with_rules(link_metadata="order_id")
    sweeps.add_row(9, "pi_other", "paid", order="o9")
    sweeps.add_intent("pi_other")
    sweeps.add_row(1, None, order="o1")
    meta = {"order_id": "o1"}
    sweeps.add_intent(
        "pi_b",
        "canceled",
        metadata=meta,
        created=NOW - timedelta(days=6, hours=1),
        canceled_at=NOW - timedelta(days=6),
    )
    sweeps.stripe.events = []
    listed = sweeps.stripe.list_intents

    def list_intents(created, after=None):
        page = listed(created, after)
        sweeps.stripe.present = NOW + timedelta(seconds=5)
        sweeps.stripe.events = [
            an_event(
                "evt_1",
                "pi_c",
                NOW + timedelta(seconds=1),
                Snapshot(Outcome.SUCCEEDED, 1000, "eur", meta),
            )
        ]
        return page

    sweeps.stripe.list_intents = list_intents  # type: ignore[method-assign]
    sweeps.run(SweepKind.WINDOW)
    assert sweeps.statuses()["1"] == "pending"


def test_a_webhook_after_the_reading_of_recent_events_is_not_undone(sweeps: SweepRunner) -> None:
    """Stripe's answer says failed. The customer tries again, and the webhook writes processing before the row is locked."""
    sweeps.add_row(1, "pi_1")
    sweeps.add_intent("pi_1", "requires_payment_method", failure_code="card_declined")

    def webhook() -> None:
        sweeps.shop.execute("UPDATE public.payments SET status = 'processing' WHERE id = 1")

    sweeps.before_each_transaction(webhook)
    sweeps.run(SweepKind.DUE)
    assert sweeps.statuses() == {"1": "processing"}


def test_a_page_that_agreed_is_not_corrected_without_the_recent_events(
    sweeps: SweepRunner,
) -> None:
    """It agreed when it was loaded, so no events were read. Under the lock the row is newer than Stripe's answer."""
    sweeps.add_row(1, "pi_1", "processing")
    sweeps.add_intent("pi_1", "processing")
    sweeps.shop.execute(
        "INSERT INTO reconciler.rechecks VALUES ('default', 'pi_1', '2026-01-01T00:00:00Z', 'test')"
    )

    def webhook() -> None:
        sweeps.shop.execute("UPDATE public.payments SET status = 'failed' WHERE id = 1")

    sweeps.before_each_transaction(webhook)
    # an event shows it, but the events are not read for a page that agrees
    sweeps.stripe.events = [an_event("evt_1", "pi_1", NOW, type_="payment_intent.payment_failed")]
    sweeps.run(SweepKind.DUE)
    assert sweeps.statuses() == {"1": "failed"}


def test_a_webhook_after_the_recent_events_makes_no_critical_finding(sweeps: SweepRunner) -> None:
    """The webhook marks the row as paid before the lock: the older answer of Stripe must not contradict it."""
    sweeps.add_row(1, "pi_1")
    sweeps.add_intent("pi_1", "processing")

    def webhook() -> None:
        sweeps.shop.execute("UPDATE public.payments SET status = 'paid' WHERE id = 1")

    sweeps.before_each_transaction(webhook)
    sweeps.run(SweepKind.DUE)
    assert sweeps.query("SELECT kind FROM reconciler.discrepancies") == []


def test_a_trigger_that_changes_the_status_is_reported(sweeps: SweepRunner) -> None:
    """A row in which a trigger puts another status than the one written is a finding that says so, in a complete sweep."""
    sweeps.add_row(1, "pi_1")
    sweeps.add_intent("pi_1")
    sweeps.shop.execute(
        "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.status := 'complete'; RETURN NEW; END $$;"
        " CREATE TRIGGER t BEFORE UPDATE ON public.payments FOR EACH ROW EXECUTE FUNCTION public.f()"
    )
    found = {"kind": "missed_outcome", "reason": "not_kept_by_table", "state": "open"}
    for kind in (SweepKind.DUE, SweepKind.TAIL, SweepKind.WINDOW):
        report = sweeps.run(kind)
        assert (report.complete, report.corrected) == (True, 0)
        assert sweeps.query("SELECT kind, reason, state FROM reconciler.discrepancies") == [found]
        assert sweeps.statuses() == {"1": "pending"}


def test_refused_rows_do_not_end_a_sweep(sweeps: SweepRunner) -> None:
    """A hundred rows were written before. The rows that a CHECK of the table refuses do not stop the others."""
    sweeps.shop.execute(
        "ALTER TABLE public.payments ADD CONSTRAINT closed_period CHECK (id < 100 OR id > 110 OR status <> 'paid')"
    )
    for number in range(130):
        sweeps.add_row(number, f"pi_{number:03}")
        # created long ago, so that the lists do not show them
        sweeps.add_intent(f"pi_{number:03}", created=NOW - timedelta(days=40))
    report = sweeps.run(SweepKind.DUE)
    assert report.failure is None


def test_a_locked_row_does_not_end_a_sweep_that_records_one_by_one(sweeps: SweepRunner) -> None:
    """One row is refused by a CHECK and another is locked: two matches are not recorded, and the sweep goes on."""
    sweeps.shop.execute(
        "ALTER TABLE public.payments ADD CONSTRAINT closed_period CHECK (id <> 2 OR status <> 'paid')"
    )
    sweeps.shop.execute(
        "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF NEW.id = 1 THEN RAISE EXCEPTION 'busy' USING ERRCODE = 'lock_not_available'; END IF; RETURN NEW; END $$;"
        " CREATE TRIGGER t BEFORE UPDATE ON public.payments FOR EACH ROW EXECUTE FUNCTION public.f()"
    )
    for number in (1, 2, 3):
        sweeps.add_row(number, f"pi_{number}")
        sweeps.add_intent(f"pi_{number}")
    # row 2 has to be refused first, and the trigger of row 1 fires before it: so row 1 is busy from the second try on
    sweeps.shop.execute("CREATE SEQUENCE public.tries")
    sweeps.shop.execute(
        "CREATE OR REPLACE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF NEW.id = 1 AND nextval('public.tries') > 1 THEN RAISE EXCEPTION 'busy' USING ERRCODE = 'lock_not_available'; END IF; RETURN NEW; END $$"
    )
    report = sweeps.run(SweepKind.DUE)
    assert report.failure is None
    assert sweeps.statuses()["3"] == "paid"


def test_the_totals_of_a_sweep_of_all_sources_count_what_the_tail_met(sweeps: SweepRunner) -> None:
    """The totals of a day count every intent that Stripe created on that day."""
    for number in (1, 2):
        sweeps.add_row(number, f"pi_{number}")
        sweeps.add_intent(f"pi_{number}")
    sweeps.stripe.events = [
        an_event(
            "evt_1", "pi_1", NOW - timedelta(minutes=10), Snapshot(Outcome.SUCCEEDED, 1000, "eur")
        )
    ]
    report = sweeps.run(SweepKind.ALL)
    assert report.complete
    (entry,) = sweeps.query("SELECT body FROM reconciler.ledger WHERE action = 'day_totals'")
    assert entry["body"]["stripe"] == {"succeeded": {"count": 2, "amount": 2000}}  # type: ignore[index]


def test_a_day_that_ended_meanwhile_has_no_totals(sweeps: SweepRunner) -> None:
    """The list was read before midnight, so it lacks what was created after it."""
    sweeps.stripe.present = NOW.replace(hour=23, minute=59, second=50)
    sweeps.add_row(1, "pi_1")
    sweeps.add_intent("pi_1", created=NOW)
    listed = sweeps.stripe.list_intents

    def list_intents(created, after=None):
        page = listed(created, after)
        sweeps.stripe.present = NOW.replace(hour=23, minute=59, second=50) + timedelta(minutes=5)
        return page

    sweeps.stripe.list_intents = list_intents  # type: ignore[method-assign]
    sweeps.run(SweepKind.WINDOW)
    entries = sweeps.query(
        "SELECT body ->> 'day' AS day FROM reconciler.ledger WHERE action = 'day_totals'"
    )
    assert {"day": NOW.date().isoformat()} not in entries


def test_a_first_tail_without_events_stores_a_cursor(sweeps: SweepRunner) -> None:
    """If an outage of an hour follows, the next tail reads the events of that hour."""
    sweeps.add_row(1, "pi_1")
    sweeps.run(SweepKind.TAIL)
    sweeps.add_intent("pi_1", created=NOW + timedelta(minutes=5))
    sweeps.stripe.events = [
        an_event(
            "evt_1", "pi_1", NOW + timedelta(minutes=5), Snapshot(Outcome.SUCCEEDED, 1000, "eur")
        )
    ]
    sweeps.stripe.present = NOW + timedelta(hours=1)
    sweeps.run(SweepKind.TAIL)
    assert sweeps.statuses() == {"1": "paid"}


def test_a_refused_row_does_not_keep_the_tails_cursor_back(sweeps: SweepRunner) -> None:
    """Otherwise each tail would read all events since then, and retrieve the intent again, for 28 days."""
    sweeps.shop.execute(
        "ALTER TABLE public.payments ADD CONSTRAINT closed_period CHECK (id <> 1 OR status <> 'paid')"
    )
    for number in (1, 2):
        sweeps.add_row(number, f"pi_{number}")
        sweeps.add_intent(f"pi_{number}")
    sweeps.stripe.events = [
        an_event(
            f"evt_{n}",
            f"pi_{n}",
            NOW - timedelta(minutes=10),
            Snapshot(Outcome.SUCCEEDED, 1000, "eur"),
        )
        for n in (1, 2)
    ]
    sweeps.run(SweepKind.TAIL)
    assert sweeps.query("SELECT name FROM reconciler.cursors WHERE name = 'tail'") != []


def test_a_tail_keeps_to_until(sweeps: SweepRunner) -> None:
    """--until bounds the creation of the events: later events are not handled, and the cursor stays."""
    sweeps.add_row(1, "pi_1")
    sweeps.add_intent("pi_1")
    sweeps.stripe.events = [
        an_event(
            "evt_1", "pi_1", NOW - timedelta(minutes=10), Snapshot(Outcome.SUCCEEDED, 1000, "eur")
        )
    ]
    sweeps.run(SweepKind.TAIL, since=timedelta(hours=2), until=timedelta(hours=1))
    assert sweeps.statuses() == {"1": "pending"}


def test_an_intent_without_a_row_is_found_in_a_busy_account(sweeps: SweepRunner) -> None:
    """Thousands of events have happened since the first page of the list was read."""
    sweeps.add_row(1, "pi_1", "paid")
    sweeps.add_intent("pi_1")
    sweeps.add_intent("pi_lost")
    listed = sweeps.stripe.list_intents

    def list_intents(created, after=None):
        page = listed(created, after)
        sweeps.stripe.present = NOW + timedelta(minutes=40)  # the sweep takes long
        sweeps.clock.advance(timedelta(minutes=40))
        sweeps.stripe.events = [
            an_event(f"evt_{n}", f"pi_new{n}", NOW + timedelta(seconds=n // 3)) for n in range(5100)
        ]
        return page

    sweeps.stripe.list_intents = list_intents  # type: ignore[method-assign]
    report = sweeps.run(SweepKind.WINDOW)
    assert report.discrepancies == {Kind.MISSING_LOCALLY: 1}
