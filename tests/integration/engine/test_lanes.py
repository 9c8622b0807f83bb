"""The service's passes side by side: over the same rows they help each other, and none waits for another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reconciler.adapters.postgres.database import Database
from reconciler.engine.report import SweepKind, SweepReport
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
