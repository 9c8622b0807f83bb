"""The service reads an open payment again when its next poll is due; a person's sweep reads every open payment."""

from __future__ import annotations

from datetime import timedelta

from reconciler.engine.report import SweepKind, SweepReport, Writing
from reconciler.engine.sweep_context import SERVICE
from tests.integration.engine.sweeps import SweepRunner
from tests.unit.engine.doubles import NOW, an_intent

CREATED = NOW - timedelta(days=3)


def add_open(sweeps: SweepRunner, number: int, status: str = "requires_payment_method") -> None:
    """A pending row, three days old, and its intent with this status."""
    created = CREATED - timedelta(hours=number)
    sweeps.shop.insert(
        key=number,
        payment_intent=f"pi_{number}",
        status="pending",
        amount=1000,
        created=created.isoformat(),
    )
    sweeps.stripe.intents[f"pi_{number}"] = an_intent(f"pi_{number}", status, created=created)


def by_service(sweeps: SweepRunner) -> SweepReport:
    return sweeps.run(SweepKind.DUE, asked_by=SERVICE)


def test_a_payment_is_not_read_again_before_it_is_due(sweeps: SweepRunner) -> None:
    """The first sweep of the service stores the next poll of each open payment; the next sweep reads nothing."""
    for number in range(5):
        add_open(sweeps, number)
    assert by_service(sweeps).examined == 5
    assert len(sweeps.query("SELECT * FROM reconciler.rechecks WHERE reason = 'schedule'")) == 5
    again = by_service(sweeps)
    assert (again.examined, again.reads) == (0, 0)


def test_a_payment_is_read_again_when_it_is_due(sweeps: SweepRunner) -> None:
    """Once its next poll is due, it is read again, and corrected if Stripe has another outcome by then."""
    add_open(sweeps, 1)
    by_service(sweeps)
    sweeps.stripe.intents["pi_1"] = an_intent("pi_1", created=CREATED)
    sweeps.advance(timedelta(days=20))
    assert by_service(sweeps).corrected == 1
    assert sweeps.query("SELECT * FROM reconciler.rechecks") == []


def test_a_new_payment_is_read_at_once(sweeps: SweepRunner) -> None:
    """A row without a next poll has never been read."""
    add_open(sweeps, 1)
    by_service(sweeps)
    add_open(sweeps, 2)
    by_service(sweeps)
    assert sweeps.stripe.asked == ["pi_1", "pi_2"]


def test_a_row_that_was_settled_before_its_poll_costs_no_read(sweeps: SweepRunner) -> None:
    """Its webhook has arrived, so its planned poll is not needed any more."""
    add_open(sweeps, 1)
    by_service(sweeps)
    sweeps.shop.execute("UPDATE public.payments SET status = 'paid'")
    sweeps.advance(timedelta(days=2))
    report = by_service(sweeps)
    assert (report.examined, report.reads) == (0, 0)


def test_a_persons_sweep_reads_every_open_payment(sweeps: SweepRunner) -> None:
    """It reads them whether their next poll is due or not."""
    add_open(sweeps, 1)
    by_service(sweeps)
    assert sweeps.run(SweepKind.DUE).examined == 1


def test_a_payment_that_waits_for_a_person_is_read_once_a_day(sweeps: SweepRunner) -> None:
    """Its row stays open, and a read every few minutes would change nothing."""
    add_open(sweeps, 1, "succeeded")
    sweeps.shop.execute("UPDATE public.payments SET amount = 999")
    assert by_service(sweeps).discrepancies.total() == 1
    assert by_service(sweeps).reads == 0
    sweeps.advance(timedelta(days=1))
    assert by_service(sweeps).examined == 1


def test_a_payment_past_its_horizon_is_not_polled(sweeps: SweepRunner) -> None:
    """It is an abandoned cart, so the service does not read it again."""
    add_open(sweeps, 1)
    long_ago = NOW - timedelta(days=90)
    sweeps.shop.execute(f"UPDATE public.payments SET created_at = '{long_ago.isoformat()}'")
    sweeps.stripe.intents["pi_1"] = an_intent("pi_1", "requires_payment_method", created=long_ago)
    assert by_service(sweeps).abandoned == 1
    sweeps.advance(timedelta(days=30))
    assert by_service(sweeps).reads == 0


def test_a_dry_run_stores_no_next_poll(sweeps: SweepRunner) -> None:
    """A dry run of the service writes nothing, so the payment has no recheck afterwards."""
    add_open(sweeps, 1)
    sweeps.run(SweepKind.DUE, Writing.NOTHING, asked_by=SERVICE)
    assert sweeps.query("SELECT * FROM reconciler.rechecks") == []
