"""The progress of a sweep: a bar on standard error if that is a terminal, else nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rich.progress import Progress as Bar
    from rich.progress import TaskID


_WIDTH_OF_BAR: Final = 100


class ProgressDisplay(Protocol):
    """Shows the progress of a sweep. It is a Progress that can make room for a message."""

    def advance(self, examined: int, total: int | None) -> None:
        """So many payments have been examined, of ``total`` if that is known."""
        ...

    def paused(self) -> AbstractContextManager[None]:
        """Take the display off the terminal during the block, so that a message can stand there."""
        ...


class NoProgress:
    """Shows nothing, because standard error is not a terminal."""

    def advance(self, examined: int, total: int | None) -> None:
        """Ignore it."""

    @contextmanager
    def paused(self) -> Iterator[None]:
        """There is nothing to take off."""
        yield


class ProgressBar:
    """A bar that shows how many payments were examined, of how many, and how long the rest may take."""

    def __init__(self, bar: Bar, task: TaskID) -> None:
        self._bar = bar
        self._task = task

    def advance(self, examined: int, total: int | None) -> None:
        """Move the bar. ``total`` is None if the sweep does not know it."""
        of = "" if total is None else f" of {total:,}"
        self._bar.update(self._task, completed=examined, total=total, of=of)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Remove the bar during the block."""
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()


@contextmanager
def showing_progress(account: str, *, quiet: bool = False) -> Iterator[ProgressDisplay]:
    """The progress display of a sweep. A bar is drawn during the block and removed after it, unless ``quiet``."""
    if quiet or not sys.stderr.isatty():
        yield NoProgress()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        ProgressColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    columns: tuple[ProgressColumn, ...] = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:,}{task.fields[of]} examined"),
        TextColumn("time"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    # on a narrow terminal the figures need the room of the bar
    if console.width < _WIDTH_OF_BAR:
        columns = tuple(column for column in columns if not isinstance(column, BarColumn))
    with Bar(*columns, console=console, transient=True) as bar:
        yield ProgressBar(bar, bar.add_task(account, total=None, of=""))
