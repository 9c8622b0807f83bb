"""The processes of a test run share the work of the first collection.

Pytest rewrites the asserts of each test file and stores the result beside it. Processes that begin at the same file would
all rewrite every file, since none finds another's result in time. So one begins at the start, one at the end, and one in
the middle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import pytest

Entries = list[pytest.Item | pytest.Collector]


class FolderInOrder(pytest.Dir):
    """A folder of tests whose files are collected in the order that a process has for itself."""

    in_order: Callable[[Entries], Entries]

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        return self.in_order(list(super().collect()))


def _from_the_end(entries: Entries) -> Entries:
    return entries[::-1]


def _from_the_middle(entries: Entries) -> Entries:
    middle = len(entries) // 2
    return entries[middle:] + entries[:middle]


ORDERS: Final = (None, _from_the_end, _from_the_middle)
"""The orders of the first, second and third process of a run; the fourth has that of the first."""


def _order_of(config: pytest.Config) -> Callable[[Entries], Entries] | None:
    worker = getattr(config, "workerinput", {}).get("workerid", "gw0")
    return ORDERS[int(worker.removeprefix("gw")) % len(ORDERS)]


def collected_folder(path: Path, parent: pytest.Collector) -> pytest.Dir | None:
    """The folder, if this process collects it in an order of its own. A package keeps its own collector."""
    in_order = _order_of(parent.config)
    if in_order is None or (path / "__init__.py").exists():
        return None
    folder: FolderInOrder = FolderInOrder.from_parent(parent, path=path)
    folder.in_order = in_order
    return folder


def order_of_files(item: pytest.Item) -> tuple[str, ...]:
    """What tests are sorted by, so that every process has them in the same order."""
    return item.path.parts
