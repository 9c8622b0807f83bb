"""Progress of a sweep: a bar on standard error where that is a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.engine.ports import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID


class Silence:
    """Nobody watches."""

    def advance(self, examined: int, total: int | None) -> None:
        """Say nothing."""


class ProgressBar:
    """A bar that shows what has been examined, of how much where that is known."""

    def __init__(self, bar: Bar, task: TaskID) -> None:
        self._bar = bar
        self._task = task

    def advance(self, examined: int, total: int | None) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=examined, total=total)


@contextmanager
def showing_progress(account: str) -> Iterator[Progress]:
    """Someone to watch a sweep for the length of the block. What was drawn is gone after it."""
    if not sys.stderr.isatty():
        yield Silence()
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
