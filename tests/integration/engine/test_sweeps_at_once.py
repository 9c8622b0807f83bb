"""Sweeps of the service that run at the same time: none waits for another, and none does the work of another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from reconciler.adapters.postgres.database import Database
from reconciler.engine.report import SweepKind, SweepReport
from reconciler.engine.sweep_context import SERVICE
from reconciler.errors import StripeRefusedError
from tests.integration.engine.sweeps import HeldLease, SweepRunner

ROWS = 30
MOMENT = 0.5
"""Seconds that the rows of the first sweep stay locked: time enough for the second sweep to meet the locks."""


class PausingStore:
    """A store that calls ``pause`` in the transaction of a page, while its rows are locked."""

    def __init__(self, store: object, pause: Callable[[], None]) -> None:
        self._store = store
        self._pause = pause

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    @contextmanager
    def transaction(self, epoch: int) -> Iterator[object]:
        with self._store.transaction(epoch) as page:  # type: ignore[attr-defined]
            read_again = page.read_again

            def read_and_pause(*args: object, **kwargs: object) -> object:
                again = read_again(*args, **kwargs)
                self._pause()
                return again

            page.read_again = read_and_pause
            yield page


def test_two_sweeps_over_the_same_rows_do_not_delay_each_other(sweeps: SweepRunner) -> None:
    """A row that one sweep is writing agrees when the other one gets to it: it needs no recheck and no second read."""
    for number in range(ROWS):
        sweeps.add_both(number)
    reports: list[SweepReport] = []
    with Database(sweeps.shop.url) as database, sweeps.lease(database) as lease:
        second_lease = HeldLease(database, lease.epoch, lease.raise_if_lost)

        def sweep_due() -> None:
            reports.append(sweeps.run_under(second_lease, SweepKind.DUE))

        second = threading.Thread(target=sweep_due)

        def start_second() -> None:
            if second.ident is None:
                second.start()
                second.join(MOMENT)

        first_lease = HeldLease(
            database,
            lease.epoch,
            lease.raise_if_lost,
            lambda store: PausingStore(store, start_second),  # type: ignore[arg-type, return-value]
        )
        reports.append(sweeps.run_under(first_lease, SweepKind.WINDOW))
        second.join()
        reads = sweeps.stripe.reads
        again = [sweeps.run_under(second_lease, kind) for kind in (SweepKind.DUE, SweepKind.TAIL)]
    assert all(report.complete for report in (*reports, *again))
    assert set(sweeps.statuses().values()) == {"paid"}
    assert [report.waiting for report in reports] == [0, 0]
    assert sweeps.query("SELECT * FROM reconciler.rechecks") == []
    assert len(sweeps.query("SELECT * FROM reconciler.outbox")) == ROWS
    assert sweeps.stripe.asked == []
    assert sweeps.stripe.reads - reads <= 1


def add_due_rechecks(sweeps: SweepRunner, *numbers: int) -> None:
    """Rows that agree with Stripe by now, each with a recheck that is due."""
    for number in numbers:
        sweeps.add_both(number, "paid")
        sweeps.shop.execute(
            "INSERT INTO reconciler.rechecks (account, payment_intent, due_at, reason)"
            f" VALUES ('default', 'pi_{number}', '2026-03-04T12:00:00Z', 'its row was locked')"
        )


def run_during(
    sweeps: SweepRunner, first: SweepKind, other: SweepKind, asked_by: str = SERVICE
) -> tuple[SweepReport, SweepReport]:
    """A sweep, and another one that runs from its start to its end while the first one reads its first recheck."""
    reports: list[SweepReport] = []
    once = threading.Lock()
    with Database(sweeps.shop.url) as database, sweeps.lease(database) as lease:
        held = HeldLease(database, lease.epoch, lease.raise_if_lost)

        def run_other(what: str) -> None:
            if what.startswith("pi_") and once.acquire(blocking=False):
                add_due_rechecks(sweeps, ROWS)
                reports.append(sweeps.run_under(held, other, asked_by=asked_by))

        sweeps.stripe.fail = run_other
        report = sweeps.run_under(held, first)
    return report, reports[0]


@pytest.mark.parametrize(
    ("first", "other"), [(SweepKind.TAIL, SweepKind.DUE), (SweepKind.DUE, SweepKind.TAIL)]
)
def test_a_recheck_is_read_by_one_sweep_alone(
    sweeps: SweepRunner, first: SweepKind, other: SweepKind
) -> None:
    """The other sweep leaves out what the first one has claimed, and reads at once what has become due since."""
    add_due_rechecks(sweeps, *range(ROWS))
    reports = run_during(sweeps, first, other)
    assert [report.examined for report in reports] == [ROWS, 1]
    assert all(report.complete for report in reports)
    assert sorted(sweeps.stripe.asked) == sorted(f"pi_{number}" for number in range(ROWS + 1))
    assert sweeps.query("SELECT * FROM reconciler.rechecks") == []


def test_a_persons_sweep_reads_every_recheck(sweeps: SweepRunner) -> None:
    """It reads them all, also those that a sweep of the service has claimed."""
    add_due_rechecks(sweeps, *range(ROWS))
    _, report = run_during(sweeps, SweepKind.TAIL, SweepKind.DUE, asked_by="ops@host")
    assert report.examined == ROWS + 1


def test_the_rechecks_of_a_sweep_that_failed_are_free_again(sweeps: SweepRunner) -> None:
    """A sweep that cannot read must not keep the next sweep from the rechecks that it had claimed."""
    add_due_rechecks(sweeps, *range(ROWS))

    def refused(_: str) -> None:
        raise StripeRefusedError("The key was revoked.", "Give another one.")

    with Database(sweeps.shop.url) as database, sweeps.lease(database) as lease:
        held = HeldLease(database, lease.epoch, lease.raise_if_lost)
        fail, sweeps.stripe.fail = sweeps.stripe.fail, refused
        assert sweeps.run_under(held, SweepKind.DUE).failure is not None
        sweeps.stripe.fail = fail
        assert sweeps.run_under(held, SweepKind.TAIL).examined == ROWS
    assert sweeps.query("SELECT * FROM reconciler.rechecks") == []
