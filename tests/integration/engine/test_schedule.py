"""The service looks at a payment again when that is worth a read; a person's sweep takes all that is open."""

from __future__ import annotations

from datetime import timedelta

from reconciler.engine.actor import SERVICE

from reconciler.engine.report import SweepKind, SweepReport, Writing
from tests.integration.engine.sweeps import SweepRunner
from tests.unit.engine.doubles import NOW, an_intent

CREATED = NOW - timedelta(days=3)


def a_payment(sweeps: SweepRunner, number: int, status: str = "requires_payment_method") -> None:
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


def later(sweeps: SweepRunner, by: timedelta) -> None:
    sweeps.stripe.present += by
    sweeps.clock.advance(by)


def test_what_was_looked_at_is_not_asked_for_until_it_is_due(sweeps: SweepRunner) -> None:
    """The first sweep of the service leaves a check for each open payment; the next one has nothing to ask."""
    for number in range(5):
        a_payment(sweeps, number)
    assert by_service(sweeps).examined == 5
    assert len(sweeps.table("SELECT * FROM reconciler.rechecks WHERE reason = 'schedule'")) == 5
    again = by_service(sweeps)
    assert (again.examined, again.reads) == (0, 0)


def test_the_next_look_comes(sweeps: SweepRunner) -> None:
    """Once its time has come a payment is looked at again, and corrected if Stripe has moved on."""
    a_payment(sweeps, 1)
    by_service(sweeps)
    sweeps.stripe.intents["pi_1"] = an_intent("pi_1", created=CREATED)
    later(sweeps, timedelta(days=20))
    assert by_service(sweeps).corrected == 1
    assert sweeps.table("SELECT * FROM reconciler.rechecks") == []


def test_a_new_payment_is_looked_at_at_once(sweeps: SweepRunner) -> None:
    """A row without a check has never been looked at."""
    a_payment(sweeps, 1)
    by_service(sweeps)
    a_payment(sweeps, 2)
    by_service(sweeps)
    assert sweeps.stripe.asked == ["pi_1", "pi_2"]


def test_a_row_that_was_settled_meanwhile_costs_no_read(sweeps: SweepRunner) -> None:
    """Its webhook came: what was only scheduled has nothing more to say."""
    a_payment(sweeps, 1)
    by_service(sweeps)
    sweeps.shop.execute("UPDATE public.payments SET status = 'paid'")
    later(sweeps, timedelta(days=2))
    report = by_service(sweeps)
    assert (report.examined, report.reads) == (0, 0)


def test_a_person_takes_all_that_is_open(sweeps: SweepRunner) -> None:
    """A one-off sweep asks for everything, due or not."""
    a_payment(sweeps, 1)
    by_service(sweeps)
    assert sweeps.run(SweepKind.DUE).examined == 1


def test_a_finding_that_waits_for_a_person_is_looked_at_once_a_day(sweeps: SweepRunner) -> None:
    """Its row stays open; asking Stripe every few minutes would change nothing."""
    a_payment(sweeps, 1, "succeeded")
    sweeps.shop.execute("UPDATE public.payments SET amount = 999")
    assert by_service(sweeps).discrepancies.total() == 1
    assert by_service(sweeps).reads == 0
    later(sweeps, timedelta(days=1))
    assert by_service(sweeps).examined == 1


def test_past_its_horizon_a_payment_is_left_alone(sweeps: SweepRunner) -> None:
    """Nobody comes back to that cart: it is no longer polled by itself."""
    a_payment(sweeps, 1)
    long_ago = NOW - timedelta(days=90)
    sweeps.shop.execute(f"UPDATE public.payments SET created_at = '{long_ago.isoformat()}'")
    sweeps.stripe.intents["pi_1"] = an_intent("pi_1", "requires_payment_method", created=long_ago)
    assert by_service(sweeps).abandoned == 1
    later(sweeps, timedelta(days=30))
    assert by_service(sweeps).reads == 0


def test_a_dry_run_leaves_no_schedule(sweeps: SweepRunner) -> None:
    """It writes nothing."""
    a_payment(sweeps, 1)
    sweeps.run(SweepKind.DUE, Writing.NOTHING, asked_by=SERVICE)
    assert sweeps.table("SELECT * FROM reconciler.rechecks") == []
