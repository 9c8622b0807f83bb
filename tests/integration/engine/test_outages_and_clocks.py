"""Clocks that are wrong, keys that are null, an outage in mid-pass, two sweeps at once."""

from __future__ import annotations

import signal
from dataclasses import replace
from datetime import timedelta

from reconciler.domain.model.intent import Snapshot
from reconciler.domain.outcome import Outcome
from reconciler.engine.report import SweepKind, Writing
from reconciler.errors import StripeUnavailableError
from tests.conftest import MakeShop
from tests.integration.engine.sweeps import SweepRunner
from tests.integration.engine.test_overtaken import Around, a_payment, an_event, knows
from tests.unit.engine.doubles import NOW


def test_a_null_key_does_not_make_a_pass_endless(shop: MakeShop) -> None:
    """A row without a key is read once, whatever becomes of it."""
    sweeps = SweepRunner(shop(columns={"key": ("id", "bigint UNIQUE")}))
    a_payment(sweeps, None, "pi_1")
    knows(sweeps, "pi_1")

    def late(*_):
        raise TimeoutError("the sweep does not end")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(5)
    try:
        sweeps.run(SweepKind.DUE)
    finally:
        signal.alarm(0)


def test_an_outage_between_fetch_and_record_is_reported(sweeps: SweepRunner) -> None:
    """Stale pages that cannot be fetched again, and a look that fails: the sweep ends with its report."""
    for number in range(250):
        paid = number > 10
        a_payment(sweeps, number, f"pi_{number:03}", "paid" if paid else "pending")
        knows(sweeps, f"pi_{number:03}", created=NOW - timedelta(days=6, seconds=number))
    # the first page (newest first: pi_000..) has what is not final
    knows(
        sweeps,
        "pi_005",
        "requires_payment_method",
        failure_code="card_declined",
        created=NOW - timedelta(days=6, seconds=5),
    )
    for n in (0, 1, 2, 3, 4, 6, 7, 8, 9, 10):
        sweeps.shop.execute(f"UPDATE public.payments SET status='paid' WHERE id={n}")
    sweeps.shop.execute("UPDATE public.payments SET status='pending' WHERE id=150")
    listed = sweeps.stripe.list_intents
    calls = [0]

    def list_intents(created, after=None):
        page = listed(created, after)
        calls[0] += 1
        if calls[0] == 3:
            sweeps.clock.advance(timedelta(seconds=40))

            def down(_):
                raise StripeUnavailableError("Stripe is down.")

            sweeps.stripe.fail = down
        return page

    sweeps.stripe.list_intents = list_intents
    report = sweeps.run(SweepKind.WINDOW)
    assert not report.complete


def test_a_date_header_of_the_future_does_not_end_the_tail(sweeps: SweepRunner) -> None:
    """One answer of a proxy with a wrong clock: afterwards events are handled again."""
    a_payment(sweeps, 1, "pi_1")
    a_payment(sweeps, 2, "pi_2")
    knows(sweeps, "pi_2")
    sweeps.stripe.events = [
        an_event(
            "evt_0", "pi_2", NOW - timedelta(minutes=10), Snapshot(Outcome.SUCCEEDED, 1000, "eur")
        )
    ]
    sweeps.run(SweepKind.TAIL)
    sweeps.stripe.present = NOW + timedelta(days=400)
    sweeps.run(SweepKind.TAIL)
    sweeps.stripe.present = NOW + timedelta(hours=1)
    knows(sweeps, "pi_1")
    sweeps.stripe.events.append(
        an_event(
            "evt_1", "pi_1", NOW + timedelta(minutes=10), Snapshot(Outcome.SUCCEEDED, 1000, "eur")
        )
    )
    sweeps.run(SweepKind.TAIL)
    assert sweeps.statuses()["1"] == "paid"


def test_two_passes_at_once_keep_the_hourly_limit(sweeps: SweepRunner) -> None:
    """The service runs tail, due and window side by side: together they correct no more than per_hour."""
    sweeps.per_hour = 3
    for n in range(6):
        a_payment(sweeps, n, f"pi_{n}")
        knows(sweeps, f"pi_{n}")
    done = []
    from tests.integration.engine import sweeps as mod

    class Shared:
        """One lease, two lanes."""

    def inner() -> None:
        if done:
            return
        done.append(1)
        # the other lane's sweep, under the same epoch
        from contextlib import ExitStack

        from reconciler.engine.actor import SERVICE, Actor

        from reconciler.adapters.postgres.database import Database
        from reconciler.adapters.postgres.merchant.inspection import inspect
        from reconciler.adapters.postgres.page.store import PostgresStore
        from reconciler.engine.report import Mode, SweepRequest
        from reconciler.engine.sweep.sweep import Sweep

        with ExitStack() as stack:
            db = stack.enter_context(Database(sweeps.shop.url))
            store = PostgresStore(
                db, inspect(db, sweeps.shop.mapping, writes=True).table_or_raise(), "default"
            )
            sweep = store.start_sweep(
                {"kind": "due", "mode": "update", "applied": True, "asked_by": SERVICE}
            )
            asked = SweepRequest(
                kind=SweepKind.DUE,
                writing=Writing.ROWS,
                asked_by=SERVICE,
                intents=("pi_0", "pi_1", "pi_2"),
            )
            sur = context[0]
            actor = Actor("default", sweep, SERVICE, Mode.UPDATE, Writing.ROWS, 1)
            Sweep(replace(sur, store=store), asked, actor, lambda: None, mod.NoProgress()).run()

    context = []
    real = mod.SweepContext

    def keep(**values):
        made = real(**values)
        context.append(made)
        return made

    mod.SweepContext = keep
    try:
        sweeps.around = lambda store: Around(store, inner)
        sweeps.run(SweepKind.DUE, asked_by="service", intents=("pi_3", "pi_4", "pi_5"))
    finally:
        mod.SweepContext = real
    assert len(sweeps.table("SELECT * FROM reconciler.ledger WHERE action = 'correction'")) == 3


def test_a_schedule_does_not_replace_a_wait(sweeps: SweepRunner) -> None:
    """Every Wait leaves a check that goes only with a verdict: another lane's schedule must not put it off."""
    a_payment(sweeps, 1, "pi_1")
    knows(sweeps, "pi_1", "requires_payment_method")

    def the_tail_waits() -> None:
        # what the tail's lane commits between this pass's load and its note: event seen, check in two minutes
        sweeps.shop.execute(
            "INSERT INTO reconciler.rechecks VALUES ('default', 'pi_1', '2026-03-04T12:02:00Z', 'it changed less than the grace ago')"
            " ON CONFLICT DO NOTHING"
        )

    sweeps.around = lambda store: Around(store, the_tail_waits)
    sweeps.run(SweepKind.DUE, asked_by="service")
    (recheck,) = sweeps.table("SELECT due_at, reason FROM reconciler.rechecks")
    assert recheck["reason"] == "it changed less than the grace ago"
