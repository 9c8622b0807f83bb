"""Several pages whose rows are loaded together, for a table in which every lookup reads all rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from reconciler.clock import Clock
from reconciler.engine.ports import Store
from reconciler.engine.reads.fetcher import FetchedPage
from reconciler.errors import DatabaseBusyError

LONGEST_WAIT_SECONDS: Final = 10.0
"""How long a page waits for others. Its answers must not become stale before it is recorded."""

HALVINGS: Final = 2
"""How often a group that the database was too busy for is halved, before each of its pages is loaded alone."""


def loaded_together(
    pages: Iterator[FetchedPage], store: Store, clock: Clock
) -> Iterator[FetchedPage]:
    """The pages in their order, each with its rows; ``store.pages_at_once`` of them are loaded together."""
    waiting: list[FetchedPage] = []
    began = 0.0
    for page in pages:
        # since the first page came, and not since it was asked for: a slow scan must not make the next group smaller
        began = began if waiting else clock.monotonic()
        waiting.append(page)
        has_waited = clock.monotonic() - began >= LONGEST_WAIT_SECONDS
        # a failure may end the sweep, so it is seen at once
        is_full = len(waiting) >= store.pages_at_once or has_waited
        if is_full or page.failures:
            yield from _with_rows(waiting, store)
            waiting = []
    # before the source goes on: what it reads next depends on what these pages show
    if waiting:
        yield from _with_rows(waiting, store)


def _with_rows(
    pages: list[FetchedPage], store: Store, halvings: int = HALVINGS
) -> Iterator[FetchedPage]:
    intents = [[answer.intent.id for answer in page.answers] for page in pages]
    try:
        loaded = store.load_pages(intents)
    except DatabaseBusyError:
        if len(pages) > 1 and halvings:
            # a scan for each page would take as long as all others of the sweep
            middle = len(pages) // 2
            yield from _with_rows(pages[:middle], store, halvings - 1)
            yield from _with_rows(pages[middle:], store, halvings - 1)
            return
        # each page tries again alone, and reports what it cannot load
        yield from pages
        return
    for page, rows in zip(pages, loaded, strict=True):
        yield replace(page, loaded=rows)
