"""The service's passes side by side: over the same rows they help each other, and none waits for another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from reconciler.adapters.postgres.database import Database
from reconciler.engine.report import SweepKind, SweepReport
from reconciler.errors import StripeRefusedError
from tests.integration.engine.passes import Lane, Passes
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


def test_two_lanes_over_the_same_rows_do_not_make_each_other_wait(passes: Passes) -> None:
    """A row that one lane is writing is neither left to a check nor read again by the other: it finds it right."""
    for number in range(ROWS):
        a_payment(passes, number, f"pi_{number}")
        knows(passes, f"pi_{number}")
    reports: list[SweepReport] = []
    with Database(passes.shop.url) as database, passes.lease(database) as lease:
        other = Lane(database, lease.epoch, lease.check)

        def due() -> None:
            reports.append(passes.cast(other, SweepKind.DUE))

        second = threading.Thread(target=due)

        def meanwhile() -> None:
            if second.ident is None:
                second.start()
                second.join(MOMENT)

        first = Lane(
            database,
            lease.epoch,
            lease.check,
            lambda store: Pausing(store, meanwhile),  # type: ignore[arg-type, return-value]
        )
        reports.append(passes.cast(first, SweepKind.WINDOW))
        second.join()
        reads = passes.stripe.reads
        again = [passes.cast(other, kind) for kind in (SweepKind.DUE, SweepKind.TAIL)]
    assert all(report.complete for report in (*reports, *again))
    assert set(passes.statuses().values()) == {"paid"}
    assert [report.waiting for report in reports] == [0, 0]
    assert passes.table("SELECT * FROM reconciler.checks") == []
    assert len(passes.table("SELECT * FROM reconciler.outbox")) == ROWS
    assert passes.stripe.asked == []
    assert passes.stripe.reads - reads <= 1


def waiting(passes: Passes, *numbers: int) -> None:
    """Rows that are right by now, each with a check that has come due."""
    for number in numbers:
        a_payment(passes, number, f"pi_{number}", "paid")
        knows(passes, f"pi_{number}")
        passes.shop.execute(
            "INSERT INTO reconciler.checks (account, payment_intent, due_at, reason)"
            f" VALUES ('default', 'pi_{number}', '2026-03-04T12:00:00Z', 'its row was locked')"
        )


def meanwhile(
    passes: Passes, first: SweepKind, other: SweepKind, asked_by: str = "service"
) -> tuple[SweepReport, SweepReport]:
    """A pass, and another that is made from its beginning to its end while the first asks for its first check."""
    done: list[SweepReport] = []
    begun = threading.Lock()
    with Database(passes.shop.url) as database, passes.lease(database) as lease:
        lane = Lane(database, lease.epoch, lease.check)

        def another(asked: str) -> None:
            if asked.startswith("pi_") and begun.acquire(blocking=False):
                waiting(passes, ROWS)
                done.append(passes.cast(lane, other, asked_by=asked_by))

        passes.stripe.fail = another
        report = passes.cast(lane, first)
    return report, done[0]


@pytest.mark.parametrize(
    ("first", "other"), [(SweepKind.TAIL, SweepKind.DUE), (SweepKind.DUE, SweepKind.TAIL)]
)
def test_a_check_is_read_by_one_net_alone(
    passes: Passes, first: SweepKind, other: SweepKind
) -> None:
    """What one net is asking about the other leaves to it; what has come due meanwhile it takes, without delay."""
    waiting(passes, *range(ROWS))
    reports = meanwhile(passes, first, other)
    assert [report.examined for report in reports] == [ROWS, 1]
    assert all(report.complete for report in reports)
    assert sorted(passes.stripe.asked) == sorted(f"pi_{number}" for number in range(ROWS + 1))
    assert passes.table("SELECT * FROM reconciler.checks WHERE reason <> 'scheduled'") == []


def test_a_person_is_given_every_check(passes: Passes) -> None:
    """Who asks for a pass gets the whole of it, whatever the service is at."""
    waiting(passes, *range(ROWS))
    _, report = meanwhile(passes, SweepKind.TAIL, SweepKind.DUE, asked_by="ops@host")
    assert report.examined == ROWS + 1


def test_checks_of_a_pass_that_failed_are_free_again(passes: Passes) -> None:
    """A net that cannot read must not keep the other from what it had taken."""
    waiting(passes, *range(ROWS))

    def refused(_: str) -> None:
        raise StripeRefusedError("The key was revoked.", "Give another one.")

    with Database(passes.shop.url) as database, passes.lease(database) as lease:
        lane = Lane(database, lease.epoch, lease.check)
        fail, passes.stripe.fail = passes.stripe.fail, refused
        assert passes.cast(lane, SweepKind.DUE).failure is not None
        passes.stripe.fail = fail
        assert passes.cast(lane, SweepKind.TAIL).examined == ROWS
    assert passes.table("SELECT * FROM reconciler.checks WHERE reason <> 'scheduled'") == []
