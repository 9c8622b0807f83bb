"""Pages whose rows one scan loads, when the database is too busy for the whole group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.clock import ManualClock
from reconciler.domain.model.page import Loaded
from reconciler.engine.reads.fetcher import FetchedIntent, FetchedPage, Origin
from reconciler.engine.sources.loaded_together import loaded_together
from reconciler.errors import DatabaseBusyError
from tests.unit.domain.samples import rules
from tests.unit.engine.doubles import NOW, an_intent


class BusyStore:
    """A store that loads at most ``most`` pages at once, and refuses the first ``refused`` attempts."""

    pages_at_once = 8

    def __init__(self, most: int = 8, refused: int = 0) -> None:
        self._most = most
        self._refused = refused
        self.asked: list[int] = []

    def load_pages(self, pages: Sequence[Mapping[str, str | None]]) -> list[Loaded]:
        self.asked.append(len(pages))
        if len(pages) > self._most or len(self.asked) <= self._refused:
            raise DatabaseBusyError("PostgreSQL was busy.")
        return [Loaded((), (), (), (), (), at=NOW) for _ in pages]


def loaded(store: BusyStore) -> list[FetchedPage]:
    def pages() -> Iterator[FetchedPage]:
        for number in range(8):
            yield FetchedPage((FetchedIntent(an_intent(f"pi_{number}"), 0.0),), (), Origin.LIST)

    return list(loaded_together(pages(), store, ManualClock(NOW), rules()))  # type: ignore[arg-type]


def test_a_group_that_was_refused_once_costs_two_scans() -> None:
    """One refusal must not cost a scan for each page: the two halves are tried before."""
    store = BusyStore(refused=1)
    found = loaded(store)
    assert store.asked == [8, 4, 4]
    assert [page.answers[0].intent.id for page in found] == [f"pi_{n}" for n in range(8)]
    assert all(isinstance(page.loaded, Loaded) for page in found)
    # the pages of one scan are recorded together
    assert [page.is_followed for page in found] == [True, True, True, False] * 2


def test_if_the_database_stays_busy_no_page_is_tried_alone() -> None:
    """Each page would need the same scan. After two halvings the pages come with the error, and are not examined."""
    store = BusyStore(most=0)
    found = loaded(store)
    assert store.asked == [8, 4, 2, 2, 4, 2, 2]
    assert all(isinstance(page.loaded, DatabaseBusyError) for page in found)
