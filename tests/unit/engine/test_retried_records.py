"""A page is tried again if a row, a pause or another sweep came between its reading and its writing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from reconciler.engine.page.decided_page import DecidedPage, PageResult
from reconciler.engine.page.reconcile_page import PageReconciler
from reconciler.errors import DatabaseBusyError, HourlyLimitError, PausedError, RowMovedError
from tests.unit.domain.samples import NOW
from tests.unit.engine.page_samples import SERVICE

RECORDED = PageResult([], 0, 0, 0)


class _Store:
    """Counts more corrections of the service each time that it is asked, as if another sweep made them."""

    def __init__(self) -> None:
        self.asked = 0

    def corrections_by_service(self, seconds: int) -> int:
        self.asked += 1
        return 10 * self.asked

    @contextmanager
    def transaction(self, epoch: int) -> Iterator[None]:
        yield


class _Reconciler(PageReconciler):
    """Has another outcome for each try, and keeps what the try was given."""

    def __init__(self, *outcomes: Exception | PageResult) -> None:
        given: Any = None
        store: Any = _Store()
        super().__init__(store, given, given, SERVICE, 25, given)
        self._outcomes = iter(outcomes)
        self.tries: list[tuple[int, list[str], bool]] = []

    def _record(self, *given: Any, is_paused: bool) -> PageResult:
        *_, corrections_left, moved = given
        self.tries.append((corrections_left, sorted(moved), is_paused))
        outcome = next(self._outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def recorded(self) -> PageResult:
        page: DecidedPage = DecidedPage((), None, False, {}, ())  # type: ignore[arg-type]
        return self.record(page, {}, NOW)


def _moved(*keys: str) -> RowMovedError:
    return RowMovedError(frozenset(keys))


def test_rows_that_moved_wait_in_every_later_try() -> None:
    """The second try leaves out the first one's rows, and the third one both: the others of the page are written."""
    page = _Reconciler(_moved("a"), _moved("b"), RECORDED)
    assert page.recorded() == RECORDED
    assert [moved for _, moved, _ in page.tries] == [[], ["a"], ["a", "b"]]


def test_a_pause_that_came_meanwhile_holds_in_every_later_try() -> None:
    """The account was paused after the page had asked: the next try writes no row, even if another row moved then."""
    page = _Reconciler(PausedError("paused"), _moved("a"), RECORDED)
    assert page.recorded() == RECORDED
    assert [is_paused for *_, is_paused in page.tries] == [False, True, True]


def test_the_hourly_limit_is_counted_again_if_another_sweep_was_faster() -> None:
    """It is not below 0, however many the others have made."""
    page = _Reconciler(HourlyLimitError(), HourlyLimitError(), RECORDED)
    assert page.recorded() == RECORDED
    assert [left for left, *_ in page.tries] == [15, 5, 0]


def test_rows_that_keep_changing_are_named_and_nothing_is_written() -> None:
    """After three tries the page is given up; the message names at most five rows, in order."""
    page = _Reconciler(_moved("f", "e", "d"), _moved("c", "b"), _moved("a"), RECORDED)
    with pytest.raises(DatabaseBusyError) as caught:
        page.recorded()
    assert len(page.tries) == 3
    text = str(caught.value)
    assert text.startswith("rows a, b, c, d, e kept changing")
    assert "run the sweep again" in (caught.value.hint or "")
