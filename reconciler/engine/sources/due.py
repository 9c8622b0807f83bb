"""The due source: the open payments of the merchant's table, and the rechecks that are due."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.plan import Budget, List, Plan, is_overrun
from reconciler.engine.ports import Store
from reconciler.engine.reads.fetcher import FetchedPage, range_text
from reconciler.engine.sources.source_reader import ROWS_A_QUERY, SourceReader, all_rows
from reconciler.engine.sweep_context import QUOTA_SHORT

MOST_RECHECKS: Final = 10_000
"""The most rechecks that one sweep reads."""
FEWEST_PLANNED: Final = 20
"""Fewer open payments are retrieved one by one, because a list would save almost no reads."""
FEWEST_PLANNED_BY_SERVICE: Final = 3
"""The same for the service. Each of its sweeps meets the few carts of the last minutes, and one read lists them all.

Over a day this saves three quarters of the reads.
"""


class DueSource:
    """Reads open payments and due rechecks.

    The service keeps its schedule and reads only what is due. A person's sweep reads every open payment.
    """

    def __init__(self, reader: SourceReader) -> None:
        self._reader = reader
        self._context = reader.context
        self._claimed: tuple[str, ...] = ()
        self._shown: Counter[TimeRange] = Counter()

    def pages(self, listed: TimeRange | None) -> Iterator[FetchedPage]:
        """The open payments: by lists if they are dense, and one by one otherwise and if the lists did not show them.

        ``listed`` is the range whose intents the window has listed in this sweep, None if it listed none.
        """
        created = self._reader.created_range(None)
        due_by = self._context.stripe.now() if self._reader.by_service else None
        open_count = self._context.store.count_open(created, due_by)
        if not open_count:
            return
        # what a window of this sweep has examined counts too
        self._reader.report.expected = self._reader.report.examined + open_count

        chosen: Plan | None = None
        if self._needs_plan(open_count):
            chosen = self._plan(created, due_by, listed)
            yield from self._list(chosen)
        if chosen is None or chosen.is_complete:
            yield from self._reader.retrieve(self._open(created, due_by), "open payments")
            return

        # the read quota is too small for all of it: retrieve only what the plan chose
        self._report_left_out(chosen)
        for step in chosen.steps:
            if step.rows is not None:
                what = f"open payments created {range_text(step.rows)}"
                yield from self._reader.retrieve(self._open(step.rows, due_by), what)

    def recheck_pages(self, *, is_tail: bool) -> Iterator[FetchedPage]:
        """The intents whose recheck is due. ``is_tail`` is whether this is a sweep of the tail."""
        if not self._context.has_schema:
            return
        most = min(MOST_RECHECKS, self._context.source_quota.spendable)
        rechecks, are_more = self._due_rechecks(most)
        # the tail leaves the others to the next sweep of due, which reports what it cannot read
        if are_more and not is_tail:
            is_bound = most == MOST_RECHECKS
            why = (
                "One sweep reads no more of them. The next sweep reads the rest."
                if is_bound
                else QUOTA_SHORT
            )
            self._reader.report.miss("further rechecks", why)
        yield from self._reader.fetcher.retrieve_pages(self._reader.unmet(rechecks))

    def add_shown(self, stretch: TimeRange | None, intents: Iterable[str]) -> None:
        """Note that these intents were examined because a planned list of ``stretch`` showed them."""
        met = list(self._reader.unmet(intents))
        if stretch is not None:
            self._shown[stretch] += len(met)

    def give_back(self) -> None:
        """End the claim of the rechecks: they are settled, or another sweep may read them."""
        if self._claimed:
            self._context.rechecks.give_back(self._claimed)
            self._claimed = ()

    def _needs_plan(self, open_count: int) -> bool:
        """Whether a plan can save reads, or must choose because the reads do not suffice for all."""
        fewest = FEWEST_PLANNED_BY_SERVICE if self._reader.by_service else FEWEST_PLANNED
        return open_count >= min(fewest, self._context.source_quota.spendable + 1)

    def _plan(self, created: TimeRange, due_by: datetime | None, listed: TimeRange | None) -> Plan:
        if listed is not None:
            # the window has shown the intents that are younger than its start
            created = TimeRange(created.since, listed.since)
        budget = replace(self._context.budget, reads_left=self._context.source_quota.spendable)
        return plan_due(self._context.store, created, budget, due_by)

    def _list(self, chosen: Plan) -> Iterator[FetchedPage]:
        lists = {step.created: step for step in chosen.steps if isinstance(step, List)}

        def goes_on(stretch: TimeRange, reads: int) -> bool:
            step = lists[stretch]
            return not is_overrun(step, reads, max(0, step.due - self._shown[stretch]))

        yield from self._reader.fetcher.planned_pages(tuple(lists), goes_on)

    def _report_left_out(self, chosen: Plan) -> None:
        for step in chosen.left_out:
            created = "without a time" if step.rows is None else f"created {range_text(step.rows)}"
            what = f"{step.due:,} open payments {created}"
            self._reader.report.miss(what, QUOTA_SHORT, step.due)

    def _open(self, created: TimeRange, due_by: datetime | None) -> Iterator[str]:
        store = self._context.store
        rows = all_rows(lambda after: store.open_payments(created, after, ROWS_A_QUERY, due_by))
        intents = self._reader.row_ids.intents(rows)
        if not self._reader.by_service:
            return intents
        # the tail settles the rechecks that it has claimed
        return (intent for intent in intents if not self._context.rechecks.is_claimed(intent))

    def _due_rechecks(self, most: int) -> tuple[tuple[str, ...], bool]:
        """Up to ``most`` due rechecks, and whether there are more.

        The service leaves out those that another of its sweeps has claimed. A person's sweep reads all.
        """
        read_due = partial(self._context.store.due_rechecks, self._context.stripe.now())
        if self._reader.by_service:
            self._claimed, are_more = self._context.rechecks.claim(read_due, most)
            return self._claimed, are_more
        due = read_due(most + 1)
        return due[:most], len(due) > most


def plan_due(
    store: Store, created: TimeRange, budget: Budget, due_by: datetime | None = None
) -> Plan:
    """The plan with the fewest reads for the open payments of a range; with ``due_by``, for those due by then."""
    # imported here: most sweeps of the service meet too few payments for a plan
    from reconciler.domain.planning.planner import plan

    listing_model = store.listing_model()
    return plan(store.histogram(created, listing_model.ratio, due_by), listing_model, budget)
