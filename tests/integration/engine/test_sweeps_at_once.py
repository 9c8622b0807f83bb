"""The service's sweeps side by side: over the same rows they help each other, and none waits for another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from reconciler.adapters.postgres.database import Database
from reconciler.engine.report import SweepKind, SweepReport
from reconciler.errors import StripeRefusedError
from tests.integration.engine.sweeps import SweepRunner, SweepSlot
from tests.integration.engine.test_overtaken import a_payment, knows

ROWS = 30
MOMENT = 0.5
"""Seconds that the first lane's rows stay locked: time enough for another lane to meet the locks, were it let."""


class Pausing:
    """A store whose first page stays in its transaction, its rows locked, for the length of ``pause``."""

    def __init__(self, store: object, pause: Callable[[], None]) -> None:
        self._store = store
        self._pause = pause

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    @contextmanager
    def transaction(self, epoch: int) -> Iterator[object]:
        with self._store.transaction(epoch) as page:  # type: ignore[attr-defined]
            read_again = page.read_again

            def locked(*args: object, **kwargs: object) -> object:
                again = read_again(*args, **kwargs)
                self._pause()
                return again

            page.read_again = locked
            yield page


def test_two_lanes_over_the_same_rows_do_not_make_each_other_wait(sweeps: SweepRunner) -> None:
    """A row that one lane is writing is neither left to a check nor read again by the other: it finds it right."""
    for number in range(ROWS):
        a_payment(sweeps, number, f"pi_{number}")
        knows(sweeps, f"pi_{number}")
    reports: list[SweepReport] = []
    with Database(sweeps.shop.url) as database, sweeps.lease(database) as lease:
        other = SweepSlot(database, lease.epoch, lease.raise_if_lost)

        def due() -> None:
            reports.append(sweeps.cast(other, SweepKind.DUE))

        second = threading.Thread(target=due)

        def meanwhile() -> None:
            if second.ident is None:
                second.start()
                second.join(MOMENT)

        first = SweepSlot(
            database,
            lease.epoch,
            lease.raise_if_lost,
            lambda store: Pausing(store, meanwhile),  # type: ignore[arg-type, return-value]
        )
        reports.append(sweeps.cast(first, SweepKind.WINDOW))
        second.join()
        reads = sweeps.stripe.reads
        again = [sweeps.cast(other, kind) for kind in (SweepKind.DUE, SweepKind.TAIL)]
    assert all(report.complete for report in (*reports, *again))
    assert set(sweeps.statuses().values()) == {"paid"}
    assert [report.waiting for report in reports] == [0, 0]
    assert sweeps.table("SELECT * FROM reconciler.rechecks") == []
    assert len(sweeps.table("SELECT * FROM reconciler.outbox")) == ROWS
    assert sweeps.stripe.asked == []
    assert sweeps.stripe.reads - reads <= 1


def waiting(sweeps: SweepRunner, *numbers: int) -> None:
    """Rows that are right by now, each with a check that has come due."""
    for number in numbers:
        a_payment(sweeps, number, f"pi_{number}", "paid")
        knows(sweeps, f"pi_{number}")
        sweeps.shop.execute(
            "INSERT INTO reconciler.rechecks (account, payment_intent, due_at, reason)"
            f" VALUES ('default', 'pi_{number}', '2026-03-04T12:00:00Z', 'its row was locked')"
        )


def meanwhile(
    sweeps: SweepRunner, first: SweepKind, other: SweepKind, asked_by: str = "service"
) -> tuple[SweepReport, SweepReport]:
    """A sweep, and another that is made from its beginning to its end while the first asks for its first check."""
    done: list[SweepReport] = []
    begun = threading.Lock()
    with Database(sweeps.shop.url) as database, sweeps.lease(database) as lease:
        slot = SweepSlot(database, lease.epoch, lease.raise_if_lost)

        def another(asked: str) -> None:
            if asked.startswith("pi_") and begun.acquire(blocking=False):
                waiting(sweeps, ROWS)
                done.append(sweeps.cast(slot, other, asked_by=asked_by))

        sweeps.stripe.fail = another
        report = sweeps.cast(slot, first)
    return report, done[0]


@pytest.mark.parametrize(
    ("first", "other"), [(SweepKind.TAIL, SweepKind.DUE), (SweepKind.DUE, SweepKind.TAIL)]
)
def test_a_check_is_read_by_one_net_alone(
    sweeps: SweepRunner, first: SweepKind, other: SweepKind
) -> None:
    """What one net is asking about the other leaves to it; what has come due meanwhile it takes, without delay."""
    waiting(sweeps, *range(ROWS))
    reports = meanwhile(sweeps, first, other)
    assert [report.examined for report in reports] == [ROWS, 1]
    assert all(report.complete for report in reports)
    assert sorted(sweeps.stripe.asked) == sorted(f"pi_{number}" for number in range(ROWS + 1))
    assert sweeps.table("SELECT * FROM reconciler.rechecks WHERE reason <> 'scheduled'") == []


def test_a_person_is_given_every_check(sweeps: SweepRunner) -> None:
    """Who asks for a sweep gets the whole of it, whatever the service is at."""
    waiting(sweeps, *range(ROWS))
    _, report = meanwhile(sweeps, SweepKind.TAIL, SweepKind.DUE, asked_by="ops@host")
    assert report.examined == ROWS + 1


def test_checks_of_a_pass_that_failed_are_free_again(sweeps: SweepRunner) -> None:
    """A net that cannot read must not keep the other from what it had taken."""
    waiting(sweeps, *range(ROWS))

    def refused(_: str) -> None:
        raise StripeRefusedError("The key was revoked.", "Give another one.")

    with Database(sweeps.shop.url) as database, sweeps.lease(database) as lease:
        slot = SweepSlot(database, lease.epoch, lease.raise_if_lost)
        fail, sweeps.stripe.fail = sweeps.stripe.fail, refused
        assert sweeps.cast(slot, SweepKind.DUE).failure is not None
        sweeps.stripe.fail = fail
        assert sweeps.cast(slot, SweepKind.TAIL).examined == ROWS
    assert sweeps.table("SELECT * FROM reconciler.rechecks WHERE reason <> 'scheduled'") == []
