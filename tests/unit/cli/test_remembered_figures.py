"""Figures of the pages that are remembered for a moment: who waits for new ones, and what a failure does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.clock import ManualClock
from reconciler.errors import DatabaseUnavailableError
from reconciler.wiring.remembered import FRESH_SECONDS, LONGEST_SECONDS, Remembered

LONGEST_WAIT = 10.0
FRESH = timedelta(seconds=FRESH_SECONDS)
STALE = FRESH + timedelta(seconds=1)


def refreshed(remembered: Remembered[int], make: Callable[[], int]) -> int:
    """The value that a reader gets, after the refresh that this reader may have begun has ended."""
    value = remembered.value("key", make)
    for thread in threading.enumerate():
        if thread.name == "figures":
            thread.join(LONGEST_WAIT)
    return value


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands."""
    return ManualClock(datetime(2026, 6, 10, tzinfo=UTC))


@pytest.fixture
def remembered(clock: ManualClock) -> Remembered[int]:
    """Figures of which one is 1."""
    made = Remembered[int](clock)
    assert refreshed(made, lambda: 1) == 1
    return made


def fails() -> int:
    """What the database does when it is gone."""
    raise DatabaseUnavailableError("the database is gone")


def test_a_fresh_value_is_not_made_again(clock: ManualClock, remembered: Remembered[int]) -> None:
    """Nothing is read for it."""
    clock.advance(FRESH)
    assert refreshed(remembered, fails) == 1


def test_an_older_value_is_shown_and_made_anew(
    clock: ManualClock, remembered: Remembered[int]
) -> None:
    """The reader does not wait; the next one gets the new value."""
    clock.advance(STALE)
    assert refreshed(remembered, lambda: 2) == 1
    assert refreshed(remembered, lambda: 3) == 2


def test_one_thread_makes_it_anew(clock: ManualClock, remembered: Remembered[int]) -> None:
    """Readers who come meanwhile begin no second refresh."""
    clock.advance(STALE)
    begun, may_end, made = threading.Event(), threading.Event(), []

    def slow() -> int:
        begun.set()
        may_end.wait(LONGEST_WAIT)
        made.append(2)
        return 2

    assert remembered.value("key", slow) == 1
    assert begun.wait(LONGEST_WAIT)
    assert remembered.value("key", slow) == 1
    may_end.set()
    assert refreshed(remembered, lambda: 3) in (1, 2)
    assert refreshed(remembered, lambda: 3) == 2
    assert made == [2]


def test_a_value_that_is_too_old_is_never_shown(
    clock: ManualClock, remembered: Remembered[int]
) -> None:
    """The reader waits for the new one, and meets what fails."""
    clock.advance(timedelta(seconds=LONGEST_SECONDS + 1))
    with pytest.raises(DatabaseUnavailableError):
        remembered.value("key", fails)
    assert refreshed(remembered, lambda: 2) == 2


def test_the_next_reader_meets_what_failed_a_refresh(
    clock: ManualClock, remembered: Remembered[int]
) -> None:
    """The old value is shown once more, and then no longer."""
    clock.advance(STALE)
    assert refreshed(remembered, fails) == 1
    with pytest.raises(DatabaseUnavailableError):
        remembered.value("key", fails)
    assert refreshed(remembered, lambda: 2) == 2


def test_forgotten_values_are_made_at_once(remembered: Remembered[int]) -> None:
    """After a decision the figures are those after it."""
    remembered.forget()
    assert refreshed(remembered, lambda: 2) == 2
