"""Others are at work on the same rows: the checkout, webhooks, people, another sweep."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from reconciler.adapters.postgres.coordination.lease_store import PostgresLeaseStore
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.discrepancies.discrepancy_store import PostgresDiscrepancyStore
from reconciler.clock import SystemClock
from reconciler.domain.findings.discrepancy import Kind, State
from reconciler.engine.actions.resolve import resolve
from reconciler.engine.lease.lease import Lease
from reconciler.engine.report import SweepKind, Writing
from reconciler.errors import ExitCode, LeaseHeldError, LeaseLostError
from tests.conftest import MakeShop
from tests.integration.engine.sweeps import SweepRunner
from tests.unit.engine.doubles import NOW, an_intent

AGE = timedelta(days=7)
TIMEOUTS = 1.0
"""Seconds: the lock_timeout of a page's transaction."""


def a_payment(
    sweeps: SweepRunner, key: int, status: str = "pending", stripe: str = "succeeded"
) -> str:
    """A row and its intent, a week old."""
    ident = f"pi_{key}"
    sweeps.shop.insert(
        key=key,
        payment_intent=ident,
        status=status,
        amount=1000,
        created=(NOW - AGE).isoformat(),
    )
    sweeps.stripe.intents[ident] = an_intent(ident, stripe, created=NOW - AGE)
    return ident


def meanwhile(sweeps: SweepRunner, decision: Callable[[], object]) -> list[str]:
    """Do something once between load and lock: while the sweep looks at fresh events. Says when it was done."""
    look = sweeps.stripe.list_events
    done: list[str] = []

    def looking(*args: object, **kwargs: object) -> object:
        if not done:
            done.append("done")
            decision()
        return look(*args, **kwargs)  # type: ignore[arg-type]

    sweeps.stripe.list_events = looking  # type: ignore[method-assign,assignment]
    return done


def test_a_row_that_the_checkout_holds_is_left_for_later(sweeps: SweepRunner) -> None:
    """A long transaction of the merchant's has the row: the sweep waits for nobody, and the row leaves a check."""
    for key in (1, 2, 3):
        a_payment(sweeps, key)
    clock = SystemClock()
    with psycopg.connect(sweeps.shop.url) as checkout:
        checkout.execute("UPDATE public.payments SET order_id = 'x' WHERE id = 2")
        began = clock.monotonic()
        report = sweeps.run(SweepKind.DUE)
        assert clock.monotonic() - began < TIMEOUTS
        assert (report.corrected, report.waiting, report.complete) == (2, 1, True)
        assert sweeps.table("SELECT payment_intent FROM reconciler.rechecks") == [
            {"payment_intent": "pi_2"}
        ]
        checkout.rollback()
    assert sweeps.run(SweepKind.DUE).corrected == 1
    assert set(sweeps.statuses().values()) == {"paid"}
    assert sweeps.table("SELECT * FROM reconciler.rechecks") == []


def test_the_checkout_does_not_wait_for_a_reader_of_the_row(sweeps: SweepRunner) -> None:
    """A row that somebody references by a foreign key (FOR KEY SHARE) is corrected all the same."""
    a_payment(sweeps, 1)
    with psycopg.connect(sweeps.shop.url) as other:
        other.execute("SELECT 1 FROM public.payments FOR KEY SHARE")
        assert sweeps.run(SweepKind.DUE).corrected == 1


def test_a_webhook_in_the_middle_of_its_work(sweeps: SweepRunner) -> None:
    """The late webhook's transaction is open while the sweep records: the row is its own, and is not told twice."""
    a_payment(sweeps, 1)
    webhook = psycopg.connect(sweeps.shop.url)
    done = meanwhile(
        sweeps,
        lambda: webhook.execute("UPDATE public.payments SET status = 'paid' WHERE id = 1"),
    )
    report = sweeps.run(SweepKind.DUE)
    assert done
    assert (report.corrected, report.waiting) == (0, 1)
    webhook.commit()
    webhook.close()
    sweeps.run(SweepKind.ALL)
    assert sweeps.statuses() == {"1": "paid"}
    assert sweeps.table("SELECT * FROM reconciler.outbox") == []
    assert sweeps.table("SELECT * FROM reconciler.rechecks") == []


def test_a_webhook_that_was_quicker(sweeps: SweepRunner) -> None:
    """Committed between load and lock: both sides agree by then, and there is nothing to tell."""
    a_payment(sweeps, 1)
    meanwhile(sweeps, lambda: sweeps.shop.execute("UPDATE public.payments SET status = 'paid'"))
    report = sweeps.run(SweepKind.DUE)
    assert (report.corrected, report.waiting, dict(report.discrepancies)) == (0, 0, {})
    assert sweeps.table("SELECT * FROM reconciler.outbox") == []
    assert sweeps.table("SELECT * FROM reconciler.discrepancies") == []


def test_a_row_that_goes_over_to_another_payment_of_the_page(sweeps: SweepRunner) -> None:
    """The second payment has two rows at the lock: which is meant nobody knows, and neither is written."""
    for key in (1, 2):
        a_payment(sweeps, key)
    meanwhile(
        sweeps,
        lambda: sweeps.shop.execute(
            "UPDATE public.payments SET stripe_payment_intent_id = 'pi_2' WHERE id = 1"
        ),
    )
    report = sweeps.run(SweepKind.DUE)
    assert (report.corrected, report.waiting) == (0, 1)
    assert dict(report.discrepancies) == {Kind.AMBIGUOUS_ROW: 1}
    (found,) = sweeps.table("SELECT keys FROM reconciler.discrepancies")
    assert found["keys"] == ["1", "2"]
    assert set(sweeps.statuses().values()) == {"pending"}


def test_two_rows_that_change_places(sweeps: SweepRunner) -> None:
    """Each holds the other's payment at the lock: no row is written by what the other's payment became."""
    a_payment(sweeps, 1, stripe="succeeded")
    a_payment(sweeps, 2, stripe="canceled")
    meanwhile(
        sweeps,
        lambda: sweeps.shop.execute(
            "UPDATE public.payments SET stripe_payment_intent_id ="
            " CASE id WHEN 1 THEN 'pi_2' ELSE 'pi_1' END"
        ),
    )
    sweeps.run(SweepKind.DUE)
    for _ in range(2):
        sweeps.run(SweepKind.DUE)
    assert sweeps.statuses() == {"1": "canceled", "2": "paid"}
    assert len(sweeps.table("SELECT * FROM reconciler.outbox")) == 2


def test_a_second_row_that_appears(sweeps: SweepRunner) -> None:
    """A row with the same payment is inserted between load and lock: it counts, and nothing is written."""
    a_payment(sweeps, 1)
    meanwhile(
        sweeps,
        lambda: sweeps.shop.insert(
            key=9,
            payment_intent="pi_1",
            status="pending",
            amount=1000,
            created=(NOW - AGE).isoformat(),
        ),
    )
    report = sweeps.run(SweepKind.DUE)
    assert (report.corrected, dict(report.discrepancies)) == (0, {Kind.AMBIGUOUS_ROW: 1})


def test_a_row_that_appears_for_a_payment_without_one(sweeps: SweepRunner) -> None:
    """The merchant writes its row while the sweep looks: it is judged by it, and is no money without an order."""
    a_payment(sweeps, 1, "paid")
    sweeps.stripe.intents["pi_9"] = an_intent("pi_9", created=NOW - AGE)
    meanwhile(
        sweeps,
        lambda: sweeps.shop.insert(
            key=9,
            payment_intent="pi_9",
            status="paid",
            amount=1000,
            created=(NOW - AGE).isoformat(),
        ),
    )
    report = sweeps.run(SweepKind.WINDOW)
    assert Kind.MISSING_LOCALLY not in report.discrepancies
    assert sweeps.table("SELECT * FROM reconciler.discrepancies WHERE state = 'open'") == []


def test_two_passes_at_once(sweeps: SweepRunner) -> None:
    """The second one does not begin, and says who is at work."""
    a_payment(sweeps, 1)
    second: list[LeaseHeldError] = []

    def another() -> None:
        with pytest.raises(LeaseHeldError) as held:
            SweepRunner(sweeps.shop, sweeps.stripe).run(SweepKind.DUE)
        second.append(held.value)

    meanwhile(sweeps, another)
    assert sweeps.run(SweepKind.DUE).corrected == 1
    assert "test" in str(second[0])
    assert len(sweeps.table("SELECT * FROM reconciler.outbox")) == 1


def test_a_pass_that_slept_too_long_writes_nothing(sweeps: SweepRunner) -> None:
    """Its lease ran out and another did the work: the sleeper is fenced off, whatever it had decided."""
    for key in (1, 2):
        a_payment(sweeps, key)

    def another() -> None:
        sweeps.shop.execute("UPDATE reconciler.leases SET expires_at = now() - '1 s'::interval")
        assert SweepRunner(sweeps.shop, sweeps.stripe).run(SweepKind.DUE).corrected == 2
        sweeps.shop.execute("UPDATE public.payments SET status = 'pending' WHERE id = 1")

    meanwhile(sweeps, another)
    report = sweeps.run(SweepKind.DUE)
    assert report.corrected == 0
    assert report.failure is not None
    assert report.failure.exit_code is ExitCode.TEMPORARY
    assert sweeps.statuses() == {"1": "pending", "2": "paid"}
    assert len(sweeps.table("SELECT * FROM reconciler.outbox")) == 2


def _settle(sweeps: SweepRunner, *, ignore: bool) -> None:
    (found,) = sweeps.table("SELECT id FROM reconciler.discrepancies")
    with Database(sweeps.shop.url) as database:
        discrepancy_store = PostgresDiscrepancyStore(database, "default")
        resolve(discrepancy_store, int(str(found["id"])), "I know", "ann@desk", ignore=ignore)


@pytest.mark.parametrize("ignore", [False, True])
def test_a_person_settles_it_while_the_pass_looks(sweeps: SweepRunner, ignore: bool) -> None:
    """What a person decided between load and lock stands: no correction behind their back, and their note stays."""
    a_payment(sweeps, 1)
    sweeps.run(SweepKind.DUE, Writing.FINDINGS)
    done = meanwhile(sweeps, lambda: _settle(sweeps, ignore=ignore))
    report = sweeps.run(SweepKind.DUE)
    assert done
    assert report.corrected == 0
    assert sweeps.statuses() == {"1": "pending"}
    (found,) = sweeps.table("SELECT state, note, resolved_by FROM reconciler.discrepancies")
    state = State.IGNORED if ignore else State.RESOLVED
    assert found == {"state": state.value, "note": "I know", "resolved_by": "ann@desk"}


def test_a_person_who_keeps_a_discrepancy_locked(sweeps: SweepRunner) -> None:
    """The page gives up after a second, whole: its row is not written, the report says so, the next sweep does it."""
    a_payment(sweeps, 1)
    sweeps.run(SweepKind.DUE, Writing.FINDINGS)
    clock = SystemClock()
    with psycopg.connect(sweeps.shop.url) as person:
        person.execute("UPDATE reconciler.discrepancies SET note = 'hm'")
        began = clock.monotonic()
        report = sweeps.run(SweepKind.DUE)
        assert clock.monotonic() - began < 3 * TIMEOUTS
        assert (report.complete, report.corrected, report.unexamined_count) == (False, 0, 1)
        assert sweeps.statuses() == {"1": "pending"}
        person.rollback()
    assert sweeps.run(SweepKind.DUE).corrected == 1


def test_the_ledger_is_busy(sweeps: SweepRunner) -> None:
    """Somebody sits on the ledger's head: the correction is taken back with the page, after a second."""
    a_payment(sweeps, 1, "paid")
    sweeps.run(SweepKind.WINDOW)
    a_payment(sweeps, 2)
    with psycopg.connect(sweeps.shop.url) as other:
        other.execute("SELECT * FROM reconciler.ledger_heads FOR UPDATE")
        report = sweeps.run(SweepKind.DUE)
        assert (report.complete, report.corrected) == (False, 0)
        assert sweeps.statuses()["2"] == "pending"
        assert sweeps.table("SELECT * FROM reconciler.outbox") == []
    assert sweeps.run(SweepKind.DUE).corrected == 1


def test_a_link_that_another_row_took_first(shop: MakeShop) -> None:
    """The id that a link would fill in is being written elsewhere, under a unique index: the page waits a second at
    most and is taken back whole."""
    sweeps = SweepRunner(shop())
    sweeps.with_rules(link_metadata="order_id")
    sweeps.shop.execute("CREATE UNIQUE INDEX ON public.payments (stripe_payment_intent_id)")
    a_payment(sweeps, 1, "paid")
    sweeps.shop.insert(
        key=2, status="pending", order="7", amount=1000, created=(NOW - AGE).isoformat()
    )
    sweeps.stripe.intents["pi_7"] = an_intent("pi_7", created=NOW - AGE, metadata={"order_id": "7"})
    clock = SystemClock()
    with psycopg.connect(sweeps.shop.url) as checkout:
        checkout.execute(
            "INSERT INTO public.payments (id, stripe_payment_intent_id, status, created_at)"
            " VALUES (3, 'pi_7', 'pending', now())"
        )
        began = clock.monotonic()
        report = sweeps.run(SweepKind.WINDOW)
        assert clock.monotonic() - began < 4 * TIMEOUTS
        assert (report.complete, report.corrected) == (False, 0)
        checkout.commit()
    assert sweeps.shop.rows()["2"]["payment_intent"] is None
    assert sweeps.shop.rows()["2"]["status"] == "pending"


def test_a_report_outlives_its_lease(sweeps: SweepRunner) -> None:
    """What was corrected is told also where the lease's table is gone when it is to be given back."""
    a_payment(sweeps, 1)
    sweeps.stripe.intents["pi_9"] = an_intent("pi_9", created=NOW - AGE)
    looks: list[int] = []
    look = sweeps.stripe.list_events

    def looking(*args: object, **kwargs: object) -> object:
        looks.append(1)
        if sweeps.statuses()["1"] == "paid":
            sweeps.shop.execute("DROP TABLE IF EXISTS reconciler.leases")
        return look(*args, **kwargs)  # type: ignore[arg-type]

    sweeps.stripe.list_events = looking  # type: ignore[method-assign,assignment]
    report = sweeps.run(SweepKind.WINDOW)
    assert report.corrected == 1
    assert report.failure is not None
    assert not report.complete


def test_a_lease_that_cannot_be_renewed_is_lost(sweeps: SweepRunner) -> None:
    """A refusal to renew is told as a lost lease at the next page, not as a traceback from a thread."""
    with Database(sweeps.shop.url) as database:
        lease = Lease(PostgresLeaseStore(database, "default"), "test", SystemClock(), seconds=0.15)
        with lease:
            sweeps.shop.execute("ALTER TABLE reconciler.leases RENAME TO gone")
            lease._thread.join(5)
            with pytest.raises(LeaseLostError):
                lease.raise_if_lost()
        sweeps.shop.execute("ALTER TABLE reconciler.gone RENAME TO leases")
