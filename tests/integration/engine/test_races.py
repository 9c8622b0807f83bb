"""The checkout, a webhook, a person or another sweep works on the same rows as a sweep."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from reconciler.adapters.postgres.coordination.lease_store import PostgresLeaseStore
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.discrepancies.review_store import PostgresReviewStore
from reconciler.clock import SystemClock
from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.domain.findings.discrepancy import Kind, State
from reconciler.engine.actions.resolve import resolve
from reconciler.engine.lease.lease import Lease
from reconciler.engine.report import SweepKind, Writing
from reconciler.errors import LeaseHeldError, LeaseLostError
from reconciler.exit_codes import ExitCode
from tests.conftest import MakeShop
from tests.integration.engine.sweeps import LAST_WEEK, SweepRunner

LOCK_TIMEOUT = 1.0
"""The lock_timeout of a page's transaction, in seconds."""


def meanwhile(sweeps: SweepRunner, action: Callable[[], object]) -> list[str]:
    """Do something once between load and lock: when the sweep reads the recent events. The list shows that it was done."""
    list_events = sweeps.stripe.list_events
    done: list[str] = []

    def act_and_list(*args: object, **kwargs: object) -> object:
        if not done:
            done.append("done")
            action()
        return list_events(*args, **kwargs)  # type: ignore[arg-type]

    sweeps.stripe.list_events = act_and_list  # type: ignore[method-assign,assignment]
    return done


def test_a_row_that_the_checkout_has_locked_is_left_to_a_later_sweep(sweeps: SweepRunner) -> None:
    """A long transaction of the merchant holds the row: the sweep does not wait for it, and stores a recheck."""
    for key in (1, 2, 3):
        sweeps.add_both(key)
    with psycopg.connect(sweeps.shop.url) as checkout:
        checkout.execute("UPDATE public.payments SET order_id = 'x' WHERE id = 2")
        report = sweeps.run(SweepKind.DUE)
        assert (report.corrected, report.waiting, report.complete) == (2, 1, True)
        assert sweeps.query("SELECT payment_intent FROM reconciler.rechecks") == [
            {"payment_intent": "pi_2"}
        ]
        checkout.rollback()
    assert sweeps.run(SweepKind.DUE).corrected == 1
    assert set(sweeps.statuses().values()) == {"paid"}
    assert sweeps.query("SELECT * FROM reconciler.rechecks") == []


def test_a_row_that_another_row_references_is_corrected(sweeps: SweepRunner) -> None:
    """A session that holds the row FOR KEY SHARE, as a foreign key does, does not stop the correction."""
    sweeps.add_both(1)
    with psycopg.connect(sweeps.shop.url) as other:
        other.execute("SELECT 1 FROM public.payments FOR KEY SHARE")
        assert sweeps.run(SweepKind.DUE).corrected == 1


def test_a_webhook_that_has_not_committed_yet(sweeps: SweepRunner) -> None:
    """The late webhook's transaction is open while the sweep records: the webhook writes the row, and the outbox has no row."""
    sweeps.add_both(1)
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
    assert sweeps.query("SELECT * FROM reconciler.outbox") == []
    assert sweeps.query("SELECT * FROM reconciler.rechecks") == []


def test_a_webhook_that_was_faster(sweeps: SweepRunner) -> None:
    """It commits between load and lock: both sides agree by then, and nothing is recorded."""
    sweeps.add_both(1)
    meanwhile(sweeps, lambda: sweeps.shop.execute("UPDATE public.payments SET status = 'paid'"))
    report = sweeps.run(SweepKind.DUE)
    assert (report.corrected, report.waiting, dict(report.discrepancies)) == (0, 0, {})
    assert sweeps.query("SELECT * FROM reconciler.outbox") == []
    assert sweeps.query("SELECT * FROM reconciler.discrepancies") == []


def test_a_row_that_changes_to_another_intent_of_the_page(sweeps: SweepRunner) -> None:
    """Two rows hold the second intent at the lock. It is not known which one is meant, so neither is written."""
    for key in (1, 2):
        sweeps.add_both(key)
    meanwhile(
        sweeps,
        lambda: sweeps.shop.execute(
            "UPDATE public.payments SET stripe_payment_intent_id = 'pi_2' WHERE id = 1"
        ),
    )
    report = sweeps.run(SweepKind.DUE)
    assert (report.corrected, report.waiting) == (0, 1)
    assert dict(report.discrepancies) == {Kind.AMBIGUOUS_ROW: 1}
    (found,) = sweeps.query("SELECT keys FROM reconciler.discrepancies")
    assert found["keys"] == ["1", "2"]
    assert set(sweeps.statuses().values()) == {"pending"}


def test_two_rows_that_exchange_their_intents(sweeps: SweepRunner) -> None:
    """Each holds the other's intent at the lock: no row gets the outcome of the intent that it no longer holds."""
    sweeps.add_both(1)
    sweeps.add_row(2, "pi_2")
    sweeps.add_intent("pi_2", "canceled")
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
    assert len(sweeps.query("SELECT * FROM reconciler.outbox")) == 2


def test_a_second_row_that_is_inserted_meanwhile(sweeps: SweepRunner) -> None:
    """A row with the same intent is inserted between load and lock: both rows count, and nothing is written."""
    sweeps.add_both(1)
    meanwhile(
        sweeps,
        lambda: sweeps.shop.insert(
            key=9,
            payment_intent="pi_1",
            status="pending",
            amount=1000,
            created=LAST_WEEK.isoformat(),
        ),
    )
    report = sweeps.run(SweepKind.DUE)
    assert (report.corrected, dict(report.discrepancies)) == (0, {Kind.AMBIGUOUS_ROW: 1})


def test_a_row_that_is_inserted_meanwhile_for_an_intent_without_a_row(sweeps: SweepRunner) -> None:
    """The merchant inserts the row while the sweep runs: it is compared, and is not reported as missing."""
    sweeps.add_both(1, "paid")
    sweeps.add_intent("pi_9")
    meanwhile(
        sweeps,
        lambda: sweeps.shop.insert(
            key=9,
            payment_intent="pi_9",
            status="paid",
            amount=1000,
            created=LAST_WEEK.isoformat(),
        ),
    )
    report = sweeps.run(SweepKind.WINDOW)
    assert Kind.MISSING_LOCALLY not in report.discrepancies
    assert sweeps.query("SELECT * FROM reconciler.discrepancies WHERE state = 'open'") == []


def test_two_sweeps_of_two_processes_at_once(sweeps: SweepRunner) -> None:
    """The second one does not begin, and its error names the holder of the lease."""
    sweeps.add_both(1)
    second: list[LeaseHeldError] = []

    def another() -> None:
        with pytest.raises(LeaseHeldError) as held:
            SweepRunner(sweeps.shop, sweeps.stripe).run(SweepKind.DUE)
        second.append(held.value)

    meanwhile(sweeps, another)
    assert sweeps.run(SweepKind.DUE).corrected == 1
    assert "test" in str(second[0])
    assert len(sweeps.query("SELECT * FROM reconciler.outbox")) == 1


def test_a_sweep_that_was_suspended_too_long_writes_nothing(sweeps: SweepRunner) -> None:
    """Its lease expired and another process did the work: the epoch keeps the first one from writing anything."""
    for key in (1, 2):
        sweeps.add_both(key)

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
    assert len(sweeps.query("SELECT * FROM reconciler.outbox")) == 2


def _settle(sweeps: SweepRunner, *, ignore: bool) -> None:
    (found,) = sweeps.query("SELECT id FROM reconciler.discrepancies")
    with Database(sweeps.shop.url) as database:
        store = PostgresReviewStore(database)
        resolve(store, [int(str(found["id"]))], "I know", AskedBy("ann@desk"), ignore=ignore)


@pytest.mark.parametrize("ignore", [False, True])
def test_a_person_settles_a_finding_meanwhile(sweeps: SweepRunner, ignore: bool) -> None:
    """A person's decision between load and lock stands: the row is not corrected, and the note stays."""
    sweeps.add_both(1)
    sweeps.run(SweepKind.DUE, Writing.FINDINGS)
    done = meanwhile(sweeps, lambda: _settle(sweeps, ignore=ignore))
    report = sweeps.run(SweepKind.DUE)
    assert done
    assert report.corrected == 0
    assert sweeps.statuses() == {"1": "pending"}
    (found,) = sweeps.query("SELECT state, note, resolved_by FROM reconciler.discrepancies")
    state = State.IGNORED if ignore else State.RESOLVED
    assert found == {"state": state.value, "note": "I know", "resolved_by": "ann@desk"}


def test_a_discrepancy_that_another_session_has_locked(sweeps: SweepRunner) -> None:
    """After a second the page is rolled back as a whole: its row is not written, the report says so, and the next sweep writes it."""
    sweeps.add_both(1)
    sweeps.run(SweepKind.DUE, Writing.FINDINGS)
    clock = SystemClock()
    with psycopg.connect(sweeps.shop.url) as other:
        other.execute("UPDATE reconciler.discrepancies SET note = 'hm'")
        began = clock.monotonic()
        report = sweeps.run(SweepKind.DUE)
        assert clock.monotonic() - began < 3 * LOCK_TIMEOUT
        assert (report.complete, report.corrected, report.unexamined_count) == (False, 0, 1)
        assert sweeps.statuses() == {"1": "pending"}
        other.rollback()
    assert sweeps.run(SweepKind.DUE).corrected == 1


def test_a_ledger_that_another_session_has_locked(sweeps: SweepRunner) -> None:
    """The ledger's head is locked: after a second the correction is rolled back with its page."""
    sweeps.add_both(1, "paid")
    sweeps.run(SweepKind.WINDOW)
    sweeps.add_both(2)
    with psycopg.connect(sweeps.shop.url) as other:
        other.execute("SELECT * FROM reconciler.ledger_heads FOR UPDATE")
        report = sweeps.run(SweepKind.DUE)
        assert (report.complete, report.corrected) == (False, 0)
        assert sweeps.statuses()["2"] == "pending"
        assert sweeps.query("SELECT * FROM reconciler.outbox") == []
    assert sweeps.run(SweepKind.DUE).corrected == 1


def test_an_intent_that_another_row_is_getting(shop: MakeShop) -> None:
    """The checkout is writing the same intent to another row, under a unique index.

    The page waits a second at most. That row waits for a later sweep, and the sweep is complete.
    """
    sweeps = SweepRunner(shop())
    sweeps.with_rules(link_metadata="order_id")
    sweeps.shop.execute("CREATE UNIQUE INDEX ON public.payments (stripe_payment_intent_id)")
    sweeps.add_both(1, "paid")
    sweeps.shop.insert(
        key=2, status="pending", order="7", amount=1000, created=LAST_WEEK.isoformat()
    )
    sweeps.add_intent("pi_7", metadata={"order_id": "7"})
    clock = SystemClock()
    with psycopg.connect(sweeps.shop.url) as checkout:
        checkout.execute(
            "INSERT INTO public.payments (id, stripe_payment_intent_id, status, created_at)"
            " VALUES (3, 'pi_7', 'pending', now())"
        )
        began = clock.monotonic()
        report = sweeps.run(SweepKind.WINDOW)
        assert clock.monotonic() - began < 4 * LOCK_TIMEOUT
        assert (report.complete, report.corrected, report.waiting) == (True, 0, 1)
        checkout.commit()
    assert sweeps.shop.rows()["2"]["payment_intent"] is None
    assert sweeps.shop.rows()["2"]["status"] == "pending"
    assert sweeps.query("SELECT payment_intent FROM reconciler.rechecks") == [
        {"payment_intent": "pi_7"}
    ]


def test_a_report_survives_the_loss_of_the_lease_table(sweeps: SweepRunner) -> None:
    """The report names what was corrected, even if the table of the leases does not exist any more at the end."""
    sweeps.add_both(1)
    sweeps.add_intent("pi_9")
    list_events = sweeps.stripe.list_events

    def drop_and_list(*args: object, **kwargs: object) -> object:
        if sweeps.statuses()["1"] == "paid":
            sweeps.shop.execute("DROP TABLE IF EXISTS reconciler.leases")
        return list_events(*args, **kwargs)  # type: ignore[arg-type]

    sweeps.stripe.list_events = drop_and_list  # type: ignore[method-assign,assignment]
    report = sweeps.run(SweepKind.WINDOW)
    assert report.corrected == 1
    assert report.failure is not None
    assert not report.complete


def test_a_lease_that_the_database_refuses_to_renew_is_lost(sweeps: SweepRunner) -> None:
    """The next page meets a LeaseLostError, and no thread ends with a traceback."""
    with Database(sweeps.shop.url) as database:
        lease = Lease(PostgresLeaseStore(database, "default"), "test", SystemClock(), seconds=0.15)
        with lease:
            sweeps.shop.execute("ALTER TABLE reconciler.leases RENAME TO gone")
            lease._thread.join(5)
            with pytest.raises(LeaseLostError):
                lease.raise_if_lost()
        sweeps.shop.execute("ALTER TABLE reconciler.gone RENAME TO leases")
