"""Several pages whose rows are loaded together, for a table in which every lookup reads all rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from reconciler.clock import Clock
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Rules
from reconciler.domain.model.page import Loaded
from reconciler.domain.rules.matching import named_order
from reconciler.engine.ports import Store
from reconciler.engine.reads.fetcher import FetchedPage
from reconciler.errors import DatabaseBusyError

LONGEST_WAIT_SECONDS: Final = 10.0
"""How long a page waits for others. Its answers must not become stale before it is recorded."""

HALVINGS: Final = 2
"""How often a group that the database was too busy for is halved, before its pages are given up."""


def loaded_together(
    pages: Iterator[FetchedPage], store: Store, clock: Clock, rules: Rules
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
            yield from _with_rows(waiting, store, rules)
            waiting = []
    # before the source goes on: what it reads next depends on what these pages show
    if waiting:
        yield from _with_rows(waiting, store, rules)


def _with_rows(
    pages: list[FetchedPage], store: Store, rules: Rules, halvings: int = HALVINGS
) -> Iterator[FetchedPage]:
    loaded: Sequence[Loaded | DatabaseBusyError]
    try:
        loaded = store.load_pages([_orders_by_intent(page, rules) for page in pages])
    except DatabaseBusyError as error:
        if len(pages) > 1 and halvings:
            middle = len(pages) // 2
            yield from _with_rows(pages[:middle], store, rules, halvings - 1)
            yield from _with_rows(pages[middle:], store, rules, halvings - 1)
            return
        # Not page by page: each would need the same scan. A later sweep examines them.
        loaded = [error] * len(pages)
    last = len(pages) - 1
    for number, (page, rows) in enumerate(zip(pages, loaded, strict=True)):
        yield replace(page, loaded=rows, is_followed=number < last)


def _orders_by_intent(page: FetchedPage, rules: Rules) -> dict[str, str | None]:
    """The intents of a page, with the order that each of them names: probably its row's."""
    intents = (answer.intent for answer in page.answers)
    return {
        intent.id: named_order(intent, rules) if isinstance(intent, Intent) else None
        for intent in intents
    }
