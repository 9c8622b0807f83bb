"""Two processes of a test run share the work of the first collection.

Pytest rewrites the asserts of each test file and stores the result beside it. Two processes that begin at the same file
would both rewrite every file, since neither finds the other's result in time. So every second process begins at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest


class FolderFromItsEnd(pytest.Dir):
    """A folder of tests whose files are collected in reverse order."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        return reversed(list(super().collect()))


def begins_at_the_end(config: pytest.Config) -> bool:
    """Whether this is the second, fourth, ... process of a run with several."""
    worker = getattr(config, "workerinput", {}).get("workerid", "gw0")
    return int(worker.removeprefix("gw")) % 2 == 1


def collected_folder(path: Path, parent: pytest.Collector) -> pytest.Dir | None:
    """The folder, if this process collects it from its end. A package keeps its own collector."""
    if not begins_at_the_end(parent.config) or (path / "__init__.py").exists():
        return None
    return FolderFromItsEnd.from_parent(parent, path=path)


def order_of_files(item: pytest.Item) -> tuple[str, ...]:
    """What tests are sorted by, so that every process has them in the same order."""
    return item.path.parts
