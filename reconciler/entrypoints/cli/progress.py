"""The progress of a sweep: a bar on standard error if that is a terminal, else nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.engine.ports import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID


class NoProgress:
    """Shows nothing, because standard error is not a terminal."""

    def advance(self, examined: int, total: int | None) -> None:
        """Ignore it."""


class ProgressBar:
    """A bar that shows how many payments were examined, and of how many if the sweep knows."""

    def __init__(self, bar: Bar, task: TaskID) -> None:
        self._bar = bar
        self._task = task

    def advance(self, examined: int, total: int | None) -> None:
        """Move the bar. ``total`` is None if the sweep does not know it."""
        self._bar.update(self._task, completed=examined, total=total)


@contextmanager
def showing_progress(account: str) -> Iterator[Progress]:
    """The progress display of a sweep. A bar is drawn during the block and removed after it."""
    if not sys.stderr.isatty():
        yield NoProgress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:,} examined"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        yield ProgressBar(bar, bar.add_task(account, total=None))
