"""When the whole table is searched for due rows, and what is remembered between two searches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.clock import ManualClock
from reconciler.domain.model.due_row import DueRow, KnownRows
from reconciler.domain.model.payment import RowReference
from reconciler.domain.planning.histogram import Histogram, ListingModel
from reconciler.engine.due_rows import MOST_DUE, NEW_FOR, DueRows
from tests.unit.engine.doubles import NOW

SECOND = timedelta(seconds=1)


@dataclass
class Searched:
    """Searches that take ``seconds``. ``found`` is what they find, None for too many rows."""

    clock: ManualClock
    seconds: float = 1.0
    found: tuple[DueRow, ...] | None = ()
    asked: list[KnownRows | None] = field(default_factory=list)
    needed: list[tuple[str, ...]] = field(default_factory=list)

    def due_rows(
        self, due_by: datetime, known: KnownRows | None, most: int
    ) -> tuple[DueRow, ...] | None:
        assert most == MOST_DUE
        self.asked.append(known)
        self.clock.sleep(self.seconds)
        return self.found

    def remove_needless_polls(self, due_by: datetime, needed: Sequence[str], epoch: int) -> None:
        assert epoch == 7
        self.needed.append(tuple(needed))

    def histogram_of(self, rows: Sequence[DueRow], listing_model: ListingModel) -> Histogram:
        raise AssertionError("nothing is planned here")


def a_row(number: int) -> DueRow:
    return DueRow(RowReference(str(number), f"cs_{number}"), f"pi_{number}", NOW)


def searched(**values: object) -> tuple[Searched, DueRows]:
    clock = ManualClock(NOW)
    store = Searched(clock, **values)  # type: ignore[arg-type]
    return store, DueRows(store, clock)


def test_one_long_search_is_no_reason_to_wait() -> None:
    """It may have waited for a busy machine: only after two long ones the whole table is not searched each time."""
    store, due_rows = searched()
    for seconds in (5.0, 0.1, 5.0, 5.0, 5.0):
        store.seconds = seconds
        due_rows.find(NOW, 7)
    assert [known is None for known in store.asked] == [True, True, True, True, False]


def test_after_a_search_of_the_whole_table_only_what_may_be_due_is_compared() -> None:
    """The next search knows which rows were left, and from when on rows may be new: an hour before the whole search."""
    store, due_rows = searched(found=(a_row(1), a_row(2)))
    due_rows.find(NOW, 7)
    due_rows.find(NOW, 7)
    store.found = (a_row(2),)
    due_rows.find(NOW + SECOND, 7)
    due_rows.find(NOW + 2 * SECOND, 7)
    since = NOW - NEW_FOR
    assert store.asked == [
        None,
        None,
        KnownRows(("cs_1", "cs_2"), since),
        KnownRows(("cs_2",), since),
    ]
    assert store.needed == [("pi_1", "pi_2"), ("pi_1", "pi_2"), ("pi_2",), ("pi_2",)]


def test_a_search_takes_a_thousandth_of_the_time() -> None:
    """One of a second is made again after a thousand seconds."""
    store, due_rows = searched()
    due_rows.find(NOW, 7)
    due_rows.find(NOW, 7)
    store.clock.sleep(998)
    due_rows.find(NOW, 7)
    store.clock.sleep(1)
    due_rows.find(NOW, 7)
    assert [known is None for known in store.asked] == [True, True, False, True]


def test_the_whole_table_is_searched_every_hour() -> None:
    """However long that takes: a row that was opened again by hand is found within the hour."""
    store, due_rows = searched(seconds=50.0)
    due_rows.find(NOW, 7)
    due_rows.find(NOW, 7)
    store.seconds = 0.0
    store.clock.sleep(3599)
    due_rows.find(NOW, 7)
    store.clock.sleep(1)
    due_rows.find(NOW, 7)
    assert [known is None for known in store.asked] == [True, True, False, True]


def test_a_small_table_is_searched_at_each_tick() -> None:
    """A search that takes a quarter of a second is made each time, so nothing waits for an hour."""
    store, due_rows = searched(seconds=0.25)
    for _ in range(3):
        due_rows.find(NOW, 7)
    assert store.asked == [None, None, None]


def test_if_too_much_is_due_the_whole_table_is_searched_each_time() -> None:
    """Rows that were not returned are not known, so no search may rely on them."""
    store, due_rows = searched(found=None)
    assert due_rows.find(NOW, 7) is None
    assert due_rows.find(NOW, 7) is None
    assert store.asked == [None, None]
    assert store.needed == []


def test_if_too_much_may_be_due_the_whole_table_is_searched_at_once() -> None:
    """Planned polls of settled rows may be many, and then the search of the whole table shows what is really due."""
    store, due_rows = searched(found=(a_row(1),))
    due_rows.find(NOW, 7)
    due_rows.find(NOW, 7)

    def too_many(due_by: datetime, known: KnownRows | None, most: int) -> tuple[DueRow, ...] | None:
        store.asked.append(known)
        return None if known is not None else (a_row(3),)

    store.due_rows = too_many  # type: ignore[method-assign]
    assert due_rows.find(NOW, 7) == (a_row(3),)
    assert [known is None for known in store.asked] == [True, True, False, True]


def test_a_dry_run_removes_no_planned_poll() -> None:
    """Without an epoch nothing is written."""
    store, due_rows = searched(found=(a_row(1),))
    assert due_rows.find(NOW, None) == (a_row(1),)
    assert store.needed == []
