"""What happens at both sides while a sweep is at work must not be undone by what the sweep has seen before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from reconciler.domain.findings.discrepancy import Kind
from reconciler.domain.model.intent import Event, Snapshot
from reconciler.domain.outcome import Outcome
from reconciler.engine.report import SweepKind, Writing
from tests.integration.engine.sweeps import SweepRunner
from tests.unit.engine.doubles import NOW, an_intent

LAST_WEEK = (NOW - timedelta(days=7)).isoformat()


def a_payment(
    sweeps: SweepRunner, key: int, intent: str | None, status: str = "pending", **row: object
) -> None:
    values = {"amount": 1000, "created": LAST_WEEK, **row}
    sweeps.shop.insert(key=key, payment_intent=intent, status=status, **values)


def knows(sweeps: SweepRunner, ident: str, status: str = "succeeded", **changes: object) -> None:
    facts = {"created": NOW - timedelta(days=7), **changes}
    sweeps.stripe.intents[ident] = an_intent(ident, status, **facts)


def an_event(
    ident: str, intent: str, created=NOW, snapshot=None, type_="payment_intent.succeeded"
) -> Event:
    return Event(ident, type_, created, intent, snapshot=snapshot)


class Around:
    """A store that does something just before a page's transaction begins."""

    def __init__(self, store, before) -> None:
        self._store = store
        self._before = before

    def __getattr__(self, name):
        return getattr(self._store, name)

    @contextmanager
    def transaction(self, epoch: int) -> Iterator[object]:
        self._before()
        with self._store.transaction(epoch) as page:
            yield page


def test_a_sibling_paid_during_the_pass_is_the_candidate(sweeps: SweepRunner) -> None:
    """Among the intents of an order only a paid one is a candidate: also one that was paid since the list was read."""
    sweeps.with_rules(link_metadata="order_id")
    a_payment(sweeps, 9, "pi_other", "paid", order="o9")
    knows(sweeps, "pi_other")
    a_payment(sweeps, 1, None, order="o1")
    meta = {"order_id": "o1"}
    knows(
        sweeps,
        "pi_a",
        "requires_payment_method",
        metadata=meta,
        created=NOW - timedelta(days=6, hours=2),
    )
    knows(
        sweeps,
        "pi_b",
        "canceled",
        metadata=meta,
        created=NOW - timedelta(days=6, hours=1),
        canceled_at=NOW - timedelta(days=6),
    )
    # the customer pays A a second after the list was read; the look shows it
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


def test_an_intent_created_and_paid_during_the_pass(sweeps: SweepRunner) -> None:
    """A newer intent of the order that the look shows keeps an older, canceled one from being linked."""
    sweeps.with_rules(link_metadata="order_id")
    a_payment(sweeps, 9, "pi_other", "paid", order="o9")
    knows(sweeps, "pi_other")
    a_payment(sweeps, 1, None, order="o1")
    meta = {"order_id": "o1"}
    knows(
        sweeps,
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


def test_a_webhook_that_arrives_after_the_look_is_not_undone(sweeps: SweepRunner) -> None:
    """The snapshot says failed; the customer tries again and the webhook writes processing before we lock."""
    a_payment(sweeps, 1, "pi_1")
    knows(sweeps, "pi_1", "requires_payment_method", failure_code="card_declined")

    def webhook() -> None:
        sweeps.shop.execute("UPDATE public.payments SET status = 'processing' WHERE id = 1")

    sweeps.around = lambda store: Around(store, webhook)  # type: ignore[assignment,return-value]
    sweeps.run(SweepKind.DUE)
    assert sweeps.statuses() == {"1": "processing"}


def test_a_page_that_agreed_when_loaded_is_not_corrected_without_a_look(
    sweeps: SweepRunner,
) -> None:
    """It agreed at load, so nobody looked at events; under the lock the row is newer than the snapshot."""
    a_payment(sweeps, 1, "pi_1", "processing")
    knows(sweeps, "pi_1", "processing")
    sweeps.shop.execute(
        "INSERT INTO reconciler.rechecks VALUES ('default', 'pi_1', '2026-01-01T00:00:00Z', 'test')"
    )

    def webhook() -> None:
        sweeps.shop.execute("UPDATE public.payments SET status = 'failed' WHERE id = 1")

    sweeps.around = lambda store: Around(store, webhook)  # type: ignore[assignment,return-value]
    # Stripe's events would show it, had anybody looked
    sweeps.stripe.events = [an_event("evt_1", "pi_1", NOW, type_="payment_intent.payment_failed")]
    sweeps.run(SweepKind.DUE)
    assert sweeps.statuses() == {"1": "failed"}


def test_a_webhook_after_the_look_makes_no_critical_finding(sweeps: SweepRunner) -> None:
    """Row paid by its webhook between look and lock: the stale snapshot must not call it contradicted."""
    a_payment(sweeps, 1, "pi_1")
    knows(sweeps, "pi_1", "processing")

    def webhook() -> None:
        sweeps.shop.execute("UPDATE public.payments SET status = 'paid' WHERE id = 1")

    sweeps.around = lambda store: Around(store, webhook)  # type: ignore[assignment,return-value]
    sweeps.run(SweepKind.DUE)
    assert sweeps.table("SELECT kind FROM reconciler.discrepancies") == []


def test_a_trigger_that_rewrites_the_status_is_told(sweeps: SweepRunner) -> None:
    """A row that was locked and not written as asked will never be: the sweep says so instead of waiting for ever."""
    a_payment(sweeps, 1, "pi_1")
    knows(sweeps, "pi_1")
    sweeps.shop.execute(
        "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.status := 'complete'; RETURN NEW; END $$;"
        " CREATE TRIGGER t BEFORE UPDATE ON public.payments FOR EACH ROW EXECUTE FUNCTION public.f()"
    )
    reports = [sweeps.run(SweepKind.DUE)] + [sweeps.run(SweepKind.TAIL) for _ in range(3)]
    assert not reports[0].complete or reports[0].discrepancies


def test_refused_rows_do_not_end_a_pass_that_has_recorded_others(sweeps: SweepRunner) -> None:
    """A hundred rows were written before; three that the merchant's rule refuses lose themselves alone."""
    sweeps.shop.execute(
        "ALTER TABLE public.payments ADD CONSTRAINT closed_period CHECK (id < 100 OR id > 110 OR status <> 'paid')"
    )
    for number in range(130):
        a_payment(sweeps, number, f"pi_{number:03}")
        # not on the list's pages of others: created long ago
        knows(sweeps, f"pi_{number:03}", created=NOW - timedelta(days=40))
    sweeps.clock.monotonic()
    report = sweeps.run(SweepKind.DUE)
    assert report.failure is None


def test_a_busy_row_does_not_end_the_pass_on_the_one_by_one_path(sweeps: SweepRunner) -> None:
    """One row refused by a rule, another whose lock is not to be had: two items are lost, not the sweep."""
    sweeps.shop.execute(
        "ALTER TABLE public.payments ADD CONSTRAINT closed_period CHECK (id <> 2 OR status <> 'paid')"
    )
    sweeps.shop.execute(
        "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF NEW.id = 1 THEN RAISE EXCEPTION 'busy' USING ERRCODE = 'lock_not_available'; END IF; RETURN NEW; END $$;"
        " CREATE TRIGGER t BEFORE UPDATE ON public.payments FOR EACH ROW EXECUTE FUNCTION public.f()"
    )
    for number in (1, 2, 3):
        a_payment(sweeps, number, f"pi_{number}")
        knows(sweeps, f"pi_{number}")
    # row 2 is refused first: by key order the trigger of 1 fires first, so make 1 busy only from the second try on
    sweeps.shop.execute("CREATE SEQUENCE public.tries")
    sweeps.shop.execute(
        "CREATE OR REPLACE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF NEW.id = 1 AND nextval('public.tries') > 1 THEN RAISE EXCEPTION 'busy' USING ERRCODE = 'lock_not_available'; END IF; RETURN NEW; END $$"
    )
    report = sweeps.run(SweepKind.DUE)
    assert report.failure is None
    assert sweeps.statuses()["3"] == "paid"


def test_a_person_s_verdict_on_a_duplicate_survives_a_pass_that_waited_first(
    sweeps: SweepRunner,
) -> None:
    """Resolved stays so while the fingerprint is the same."""
    for number, age in ((1, 8), (2, 7)):
        a_payment(
            sweeps,
            number,
            f"pi_{number}",
            order="o1",
            created=(NOW - timedelta(days=age)).isoformat(),
        )
        knows(sweeps, f"pi_{number}", created=NOW - timedelta(days=age))
    sweeps.run(SweepKind.DUE, Writing.FINDINGS)
    sweeps.shop.execute(
        "UPDATE reconciler.discrepancies SET state = 'resolved', resolved_by = 'ann', note = 'both wanted'"
        " WHERE kind = 'duplicate_payment'"
    )
    sweeps.shop.execute("UPDATE public.payments SET status = 'paid' WHERE id = 2")
    # pi_1 alone is asked for, within the grace when fetched and past it when the look is over
    knows(sweeps, "pi_1", created=NOW - timedelta(days=8), canceled_at=NOW - timedelta(seconds=119))
    listed = sweeps.stripe.list_events

    def list_events(created, types, after=None):
        sweeps.stripe.present = NOW + timedelta(seconds=3)
        return listed(created, types, after)

    sweeps.stripe.list_events = list_events  # type: ignore[method-assign]
    sweeps.run(SweepKind.DUE, Writing.FINDINGS, intents=("pi_1",))
    (found,) = sweeps.table(
        "SELECT state, note, resolved_by FROM reconciler.discrepancies WHERE kind = 'duplicate_payment'"
    )
    assert found == {"state": "resolved", "note": "both wanted", "resolved_by": "ann"}


def test_a_duplicate_is_not_closed_by_looking_at_one_of_the_pair(sweeps: SweepRunner) -> None:
    """Only an examination of that same pair closes it: the other intent was paid all the same."""
    for number, age in ((1, 8), (2, 7)):
        a_payment(
            sweeps,
            number,
            f"pi_{number}",
            order="o1",
            created=(NOW - timedelta(days=age)).isoformat(),
        )
        knows(sweeps, f"pi_{number}", created=NOW - timedelta(days=age))
    sweeps.run(SweepKind.DUE, Writing.FINDINGS)
    sweeps.run(SweepKind.DUE, Writing.FINDINGS, intents=("pi_2",))
    (found,) = sweeps.table(
        "SELECT state, closing FROM reconciler.discrepancies WHERE kind = 'duplicate_payment'"
    )
    assert found["state"] == "open"


def test_a_pass_of_all_nets_counts_what_the_tail_met(sweeps: SweepRunner) -> None:
    """Day totals count every intent that Stripe created on the day."""
    for number in (1, 2):
        a_payment(sweeps, number, f"pi_{number}")
        knows(sweeps, f"pi_{number}")
    sweeps.stripe.events = [
        an_event(
            "evt_1", "pi_1", NOW - timedelta(minutes=10), Snapshot(Outcome.SUCCEEDED, 1000, "eur")
        )
    ]
    report = sweeps.run(SweepKind.ALL)
    assert report.complete
    (entry,) = sweeps.table("SELECT body FROM reconciler.ledger WHERE action = 'day_totals'")
    assert entry["body"]["stripe"] == {"succeeded": {"count": 2, "amount": 2000}}  # type: ignore[index]


def test_a_day_that_ended_during_the_pass_is_not_whole(sweeps: SweepRunner) -> None:
    """The list was read before midnight: what was created after it is in no total."""
    sweeps.stripe.present = NOW.replace(hour=23, minute=59, second=50)
    a_payment(sweeps, 1, "pi_1")
    knows(sweeps, "pi_1", created=NOW)
    listed = sweeps.stripe.list_intents

    def list_intents(created, after=None):
        page = listed(created, after)
        sweeps.stripe.present = NOW.replace(hour=23, minute=59, second=50) + timedelta(minutes=5)
        return page

    sweeps.stripe.list_intents = list_intents  # type: ignore[method-assign]
    sweeps.run(SweepKind.WINDOW)
    assert sweeps.table("SELECT body FROM reconciler.ledger WHERE action = 'day_totals'") == []


def test_a_first_tick_without_events_leaves_a_cursor(sweeps: SweepRunner) -> None:
    """A quiet first tick, then an hour's outage: the events of that hour are read."""
    a_payment(sweeps, 1, "pi_1")
    sweeps.run(SweepKind.TAIL)
    knows(sweeps, "pi_1", created=NOW + timedelta(minutes=5))
    sweeps.stripe.events = [
        an_event(
            "evt_1", "pi_1", NOW + timedelta(minutes=5), Snapshot(Outcome.SUCCEEDED, 1000, "eur")
        )
    ]
    sweeps.stripe.present = NOW + timedelta(hours=1)
    sweeps.run(SweepKind.TAIL)
    assert sweeps.statuses() == {"1": "paid"}


def test_a_row_that_is_refused_does_not_hold_the_tail_s_cursor(sweeps: SweepRunner) -> None:
    """Each tick would read all events since, and retrieve the intent again, for 28 days."""
    sweeps.shop.execute(
        "ALTER TABLE public.payments ADD CONSTRAINT closed_period CHECK (id <> 1 OR status <> 'paid')"
    )
    for number in (1, 2):
        a_payment(sweeps, number, f"pi_{number}")
        knows(sweeps, f"pi_{number}")
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
    assert sweeps.table("SELECT name FROM reconciler.cursors WHERE name = 'tail'") != []


def test_a_tail_until_is_obeyed(sweeps: SweepRunner) -> None:
    """--until bounds the event's created: what is after it is not touched, and the cursor stays."""
    a_payment(sweeps, 1, "pi_1")
    knows(sweeps, "pi_1")
    sweeps.stripe.events = [
        an_event(
            "evt_1", "pi_1", NOW - timedelta(minutes=10), Snapshot(Outcome.SUCCEEDED, 1000, "eur")
        )
    ]
    sweeps.run(SweepKind.TAIL, since=timedelta(hours=2), until=timedelta(hours=1))
    assert sweeps.statuses() == {"1": "pending"}


def test_what_has_no_row_is_found_in_a_busy_account_too(sweeps: SweepRunner) -> None:
    """More events than one look can hold have happened since the list's first page was read."""
    a_payment(sweeps, 1, "pi_1", "paid")
    knows(sweeps, "pi_1")
    knows(sweeps, "pi_lost")
    listed = sweeps.stripe.list_intents

    def list_intents(created, after=None):
        page = listed(created, after)
        sweeps.stripe.present = NOW + timedelta(minutes=40)  # a long sweep: pages of others follow
        sweeps.clock.advance(timedelta(minutes=40))
        sweeps.stripe.events = [
            an_event(f"evt_{n}", f"pi_new{n}", NOW + timedelta(seconds=n // 3)) for n in range(5100)
        ]
        return page

    sweeps.stripe.list_intents = list_intents  # type: ignore[method-assign]
    report = sweeps.run(SweepKind.WINDOW)
    assert report.discrepancies == {Kind.MISSING_LOCALLY: 1}
