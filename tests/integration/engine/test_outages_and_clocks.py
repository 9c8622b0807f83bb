"""Wrong clocks, keys that are NULL, an outage during a sweep, and what other sweeps of the service do meanwhile."""

from __future__ import annotations

import signal
from datetime import timedelta

import pytest

from reconciler.adapters.postgres.database import Database
from reconciler.domain.model.intent import Event, Snapshot
from reconciler.domain.model.page import IntentPage
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import Outcome
from reconciler.engine.report import SweepKind
from reconciler.engine.sweep_context import SERVICE
from reconciler.errors import StripeUnavailableError
from tests.conftest import MakeShop
from tests.integration.engine.sweeps import HeldLease, HookedStore, SweepRunner
from tests.unit.engine.doubles import NOW


def test_a_null_key_does_not_make_a_sweep_endless(shop: MakeShop) -> None:
    """A row without a key is left out of the list by key, so that the list ends."""
    sweeps = SweepRunner(shop(columns={"key": ("id", "bigint UNIQUE")}))
    sweeps.add_row(None, "pi_1")
    sweeps.add_intent("pi_1")

    def end_test(*_: object) -> None:
        raise TimeoutError("the sweep does not end")

    signal.signal(signal.SIGALRM, end_test)
    signal.alarm(5)
    try:
        assert sweeps.run(SweepKind.DUE).examined == 0
    finally:
        signal.alarm(0)


def test_an_outage_between_fetch_and_record_is_reported(sweeps: SweepRunner) -> None:
    """Stale answers cannot be fetched again, and the recent events cannot be read: the sweep ends with its report."""
    for number in range(250):
        # the first page of the list is pi_000 and so on, because Stripe lists the newest intent first
        name, created = f"pi_{number:03}", NOW - timedelta(days=6, seconds=number)
        sweeps.add_row(number, name, "pending" if number in (5, 150) else "paid")
        sweeps.add_intent(name, created=created)
    sweeps.add_intent(
        "pi_005",
        "requires_payment_method",
        failure_code="card_declined",
        created=NOW - timedelta(days=6, seconds=5),
    )
    listed = sweeps.stripe.list_intents
    pages = 0

    def fail(_: str) -> None:
        raise StripeUnavailableError("Stripe is down.")

    def list_intents(created: TimeRange, after: str | None = None) -> IntentPage:
        nonlocal pages
        page = listed(created, after)
        pages += 1
        if pages == 3:
            sweeps.clock.advance(timedelta(seconds=40))
            sweeps.stripe.fail = fail
        return page

    sweeps.stripe.list_intents = list_intents  # type: ignore[method-assign]
    report = sweeps.run(SweepKind.WINDOW)
    assert not report.complete
    assert report.corrected == 0


def succeeded_event(number: int, created: timedelta) -> Event:
    """The event of pi_NUMBER, created so long after NOW."""
    snapshot = Snapshot(Outcome.SUCCEEDED, 1000, "eur")
    name = f"pi_{number}"
    return Event(
        f"evt_{number}", "payment_intent.succeeded", NOW + created, name, snapshot=snapshot
    )


def test_a_date_header_in_the_future_does_not_end_the_tail(sweeps: SweepRunner) -> None:
    """After one answer of a proxy with a wrong clock, the events of the right time are handled again."""
    sweeps.add_row(1, "pi_1")
    sweeps.add_both(2)
    sweeps.stripe.events = [succeeded_event(2, timedelta(minutes=-10))]
    sweeps.run(SweepKind.TAIL)
    sweeps.stripe.present = NOW + timedelta(days=400)
    sweeps.run(SweepKind.TAIL)
    sweeps.stripe.present = NOW + timedelta(hours=1)
    sweeps.add_intent("pi_1")
    sweeps.stripe.events.append(succeeded_event(1, timedelta(minutes=10)))
    sweeps.run(SweepKind.TAIL)
    assert sweeps.statuses()["1"] == "paid"


def test_two_sweeps_at_once_keep_to_the_hourly_limit(sweeps: SweepRunner) -> None:
    """The service runs tail, due and window at the same time: together they correct no more than per_hour rows."""
    sweeps.per_hour = 3
    for number in range(6):
        sweeps.add_both(number)
    has_run = False
    with Database(sweeps.shop.url) as database, sweeps.lease(database) as lease:
        plain = HeldLease(database, lease.epoch, lease.raise_if_lost)

        def run_other() -> None:
            nonlocal has_run
            if not has_run:
                has_run = True
                sweeps.run_under(plain, SweepKind.DUE, intents=("pi_0", "pi_1", "pi_2"))

        hooked = HeldLease(
            database,
            lease.epoch,
            lease.raise_if_lost,
            lambda store: HookedStore(store, run_other),  # type: ignore[arg-type, return-value]
        )
        sweeps.run_under(hooked, SweepKind.DUE, intents=("pi_3", "pi_4", "pi_5"))
    assert has_run
    assert len(sweeps.query("SELECT * FROM reconciler.ledger WHERE action = 'correction'")) == 3


@pytest.mark.parametrize("status", ["requires_payment_method", "processing"])
def test_a_next_poll_does_not_replace_a_wait(sweeps: SweepRunner, status: str) -> None:
    """Every Wait stores a recheck that only a verdict removes: the next poll of another sweep must not delay it."""
    sweeps.add_row(1, "pi_1", "processing" if status == "processing" else "pending")
    sweeps.add_intent("pi_1", status)
    why = "the PaymentIntent changed only recently (within corrections.grace)"

    def store_wait_of_tail() -> None:
        sweeps.shop.execute(
            "INSERT INTO reconciler.rechecks VALUES"
            f" ('default', 'pi_1', '2026-03-04T12:02:00Z', '{why}') ON CONFLICT DO NOTHING"
        )

    sweeps.before_each_transaction(store_wait_of_tail)
    sweeps.run(SweepKind.DUE, asked_by=SERVICE)
    (recheck,) = sweeps.query("SELECT due_at, reason FROM reconciler.rechecks")
    assert recheck["reason"] == why
