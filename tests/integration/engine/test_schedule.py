"""The service looks at a payment again when that is worth a read; a person's pass takes all that is open."""

from __future__ import annotations

from datetime import timedelta

from reconciler.engine.actor import SERVICE
from reconciler.engine.report import SweepKind, SweepReport, Writing
from tests.integration.engine.passes import Passes
from tests.unit.engine.doubles import NOW, an_intent

CREATED = NOW - timedelta(days=3)


def a_payment(passes: Passes, number: int, status: str = "requires_payment_method") -> None:
    created = CREATED - timedelta(hours=number)
    passes.shop.insert(
        key=number,
        payment_intent=f"pi_{number}",
        status="pending",
        amount=1000,
        created=created.isoformat(),
    )
    passes.stripe.intents[f"pi_{number}"] = an_intent(f"pi_{number}", status, created=created)


def by_service(passes: Passes) -> SweepReport:
    return passes.run(SweepKind.DUE, asked_by=SERVICE)


def later(passes: Passes, by: timedelta) -> None:
    passes.stripe.present += by
    passes.clock.advance(by)


def test_what_was_looked_at_is_not_asked_for_until_it_is_due(passes: Passes) -> None:
    """The first pass of the service leaves a check for each open payment; the next one has nothing to ask."""
    for number in range(5):
        a_payment(passes, number)
    assert by_service(passes).examined == 5
    assert len(passes.table("SELECT * FROM reconciler.checks WHERE reason = 'schedule'")) == 5
    again = by_service(passes)
    assert (again.examined, again.reads) == (0, 0)


def test_the_next_look_comes(passes: Passes) -> None:
    """Once its time has come a payment is looked at again, and corrected if Stripe has moved on."""
    a_payment(passes, 1)
    by_service(passes)
    passes.stripe.intents["pi_1"] = an_intent("pi_1", created=CREATED)
    later(passes, timedelta(days=20))
    assert by_service(passes).corrected == 1
    assert passes.table("SELECT * FROM reconciler.checks") == []


def test_a_new_payment_is_looked_at_at_once(passes: Passes) -> None:
    """A row without a check has never been looked at."""
    a_payment(passes, 1)
    by_service(passes)
    a_payment(passes, 2)
    by_service(passes)
    assert passes.stripe.asked == ["pi_1", "pi_2"]


def test_a_row_that_was_settled_meanwhile_costs_no_read(passes: Passes) -> None:
    """Its webhook came: what was only scheduled has nothing more to say."""
    a_payment(passes, 1)
    by_service(passes)
    passes.shop.execute("UPDATE public.payments SET status = 'paid'")
    later(passes, timedelta(days=2))
    report = by_service(passes)
    assert (report.examined, report.reads) == (0, 0)


def test_a_person_takes_all_that_is_open(passes: Passes) -> None:
    """A one-off pass asks for everything, due or not."""
    a_payment(passes, 1)
    by_service(passes)
    assert passes.run(SweepKind.DUE).examined == 1


def test_a_finding_that_waits_for_a_person_is_looked_at_once_a_day(passes: Passes) -> None:
    """Its row stays open; asking Stripe every few minutes would change nothing."""
    a_payment(passes, 1, "succeeded")
    passes.shop.execute("UPDATE public.payments SET amount = 999")
    assert by_service(passes).discrepancies.total() == 1
    assert by_service(passes).reads == 0
    later(passes, timedelta(days=1))
    assert by_service(passes).examined == 1


def test_past_its_horizon_a_payment_is_left_alone(passes: Passes) -> None:
    """Nobody comes back to that cart: it is no longer polled by itself."""
    a_payment(passes, 1)
    long_ago = NOW - timedelta(days=90)
    passes.shop.execute(f"UPDATE public.payments SET created_at = '{long_ago.isoformat()}'")
    passes.stripe.intents["pi_1"] = an_intent("pi_1", "requires_payment_method", created=long_ago)
    assert by_service(passes).abandoned == 1
    later(passes, timedelta(days=30))
    assert by_service(passes).reads == 0


def test_a_dry_run_leaves_no_schedule(passes: Passes) -> None:
    """It writes nothing."""
    a_payment(passes, 1)
    passes.run(SweepKind.DUE, Writing.NOTHING, asked_by=SERVICE)
    assert passes.table("SELECT * FROM reconciler.checks") == []
