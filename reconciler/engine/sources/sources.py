"""The sources of one sweep: which intents it reads from Stripe. Each source is blind to something that another finds.

The due source, which nearly every sweep reads, is here too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from reconciler.domain.model.payment import RowReference
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.plan import Budget, List, Plan, is_overrun
from reconciler.domain.read_limits_and_shortage import Source
from reconciler.engine.ports import Store
from reconciler.engine.reads.fetcher import FetchedPage, Fetcher, range_text
from reconciler.engine.report import SweepKind, SweepReport, SweepRequest, Writing
from reconciler.engine.sources.source_reader import (
    ROWS_A_QUERY,
    IdReader,
    RowIds,
    SourceReader,
    all_rows,
)
from reconciler.engine.sweep_context import QUOTA_SHORT, Actor, SweepContext

if TYPE_CHECKING:
    from reconciler.domain.model.due_row import DueRow

    # imported when a sweep reads them: most sweeps read one source
    from reconciler.engine.sources.tail import TailSource
    from reconciler.engine.sources.window import WindowSource

MOST_RECHECKS: Final = 10_000
"""The most rechecks that one sweep reads."""
FEWEST_PLANNED: Final = 20
"""Fewer open payments are retrieved one by one, because a list would save almost no reads."""
FEWEST_PLANNED_BY_SERVICE: Final = 3
"""The same for the service. Each of its sweeps meets the few carts of the last minutes, and one read lists them all.

Over a day this saves three quarters of the reads.
"""


class Sources:
    """Reads the sources of one sweep in turn. An intent that two of them meet comes once."""

    def __init__(
        self,
        context: SweepContext,
        request: SweepRequest,
        actor: Actor,
        fetcher: Fetcher,
        report: SweepReport,
    ) -> None:
        self._request = request
        self._actor = actor
        row_ids = RowIds(report, IdReader(context, actor, fetcher, report))
        self._reader = SourceReader(
            context, request, fetcher, report, row_ids, by_service=actor.is_service
        )
        self._quota = context.source_quota
        self._due = DueSource(self._reader, actor)
        self._tail: TailSource | None = None
        self._window: WindowSource | None = None

    def pages(self) -> Iterator[FetchedPage]:
        """All pages of the sweep. The window comes first: what its lists show is not retrieved one by one."""
        request, kind = self._request, self._request.kind
        if request.names_intents:
            self._begin(Source.PERSON)
            self._reader.report.expected = len(request.named_intents)
            yield from self._reader.fetcher.retrieve_pages(
                self._reader.unmet(request.named_intents)
            )
            return

        is_bounded = request.since is not None or request.until is not None
        reads_window = kind in (SweepKind.WINDOW, SweepKind.ALL)
        if reads_window:
            yield from self._window_pages()
        # a bounded sweep of all sources has listed its range, and a list shows more than the events of that range
        if kind is SweepKind.TAIL or (kind is SweepKind.ALL and not is_bounded):
            yield from self._tail_pages(window_was_read=reads_window)
        if kind is not SweepKind.WINDOW:
            yield from self._due_pages(with_rechecks=not is_bounded)
        if kind is SweepKind.TAIL:
            # the reads that recording needs count for the tail
            self._begin(Source.TAIL)

    def _begin(self, source: Source) -> None:
        """Count the reads from now on for this source. No read of the source before may be under way."""
        self._quota.begin(source, by_service=self._reader.by_service)

    def _window_pages(self) -> Iterator[FetchedPage]:
        from reconciler.engine.sources.window import WindowSource

        self._begin(Source.WINDOW)
        self._window = WindowSource(self._reader)
        yield from self._window.pages()

    def _tail_pages(self, *, window_was_read: bool) -> Iterator[FetchedPage]:
        from reconciler.engine.sources.tail import TailSource

        self._begin(Source.TAIL)
        self._tail = TailSource(self._reader, self._actor)
        yield from self._tail.pages()
        if self._tail.fallback_note is None:
            return

        self._reader.replaces_tail = True
        if not window_was_read:
            self._reader.report.notes.append(self._tail.fallback_note)
            yield from self._window_pages()

    def _due_pages(self, *, with_rechecks: bool) -> Iterator[FetchedPage]:
        """The open payments, unless this is a sweep of the tail, and the rechecks that are due."""
        is_tail = self._request.kind is SweepKind.TAIL
        listed = self.listed
        self._begin(Source.DUE)
        if not is_tail:
            yield from self._due.pages(listed)
        if with_rechecks:
            yield from self._due.recheck_pages(is_tail=is_tail)

    @property
    def listed(self) -> TimeRange | None:
        """The range for which the window's lists showed every intent, None before that."""
        return None if self._window is None else self._window.listed

    @property
    def listed_from(self) -> datetime | None:
        """Stripe's time when the window's lists began."""
        return None if self._window is None else self._window.listed_from

    def unmet(self, intents: Iterable[str]) -> Iterator[str]:
        """Those of the intents that this sweep has not met yet. From now on they count as met."""
        return self._reader.unmet(intents)

    def find_intents_of_other_ids(self, created: TimeRange) -> None:
        """Find out the intents of the rows of a range that hold a Checkout Session or a charge."""
        self._reader.find_intents_of_other_ids(created)

    def intents_of(self, rows: Iterable[RowReference]) -> Iterator[str]:
        """The intents of rows that name one."""
        return self._reader.row_ids.intents(rows)

    def is_met(self, intent: str) -> bool:
        """Whether this sweep has met an intent."""
        return self._reader.is_met(intent)

    def add_shown(self, stretch: TimeRange | None, intents: Iterable[str]) -> None:
        """Note that these intents were examined because a planned list of ``stretch`` showed them."""
        self._due.add_shown(stretch, intents)

    def finish(self) -> None:
        """Move the tail's cursor if everything was recorded."""
        if self._tail is None:
            return
        missed = self._reader.report.unexamined_count - self._tail.failed
        missed -= self._reader.left_out_for_tail
        self._tail.finish(everything_recorded=missed == 0)

    def give_back(self) -> None:
        """End the sweep's claim of rechecks."""
        self._due.give_back()


class DueSource:
    """Reads open payments and due rechecks.

    The service keeps its schedule and reads only what is due. A person's sweep reads every open payment.
    """

    def __init__(self, reader: SourceReader, actor: Actor) -> None:
        self._reader = reader
        self._context = reader.context
        self._actor = actor
        self._found: tuple[DueRow, ...] | None = None
        self._claimed: tuple[str, ...] = ()
        self._shown: Counter[TimeRange] = Counter()

    def pages(self, listed: TimeRange | None) -> Iterator[FetchedPage]:
        """The open payments: by lists if they are dense, and one by one otherwise and if the lists did not show them.

        ``listed`` is the range whose intents the window has listed in this sweep, None if it listed none.
        """
        created = self._reader.created_range(None)
        due_by = self._context.stripe.now() if self._reader.by_service else None
        if due_by is not None and self._context.due_rows is not None and created == TimeRange():
            writes = self._actor.writing is not Writing.NOTHING
            self._found = self._context.due_rows.find(due_by, self._actor.epoch if writes else None)
        if self._found is not None:
            open_count = len(self._found)
        else:
            open_count = self._context.store.count_open(created, due_by)
        if not open_count:
            return
        # what a window of this sweep has examined counts too
        self._reader.report.expected = self._reader.report.examined + open_count

        # a plan can save reads, or must choose because the reads do not suffice for all
        fewest = FEWEST_PLANNED_BY_SERVICE if self._reader.by_service else FEWEST_PLANNED
        chosen: Plan | None = None
        spendable = self._context.source_quota.spendable
        if open_count >= min(fewest, spendable + 1):
            chosen = self._plan(created, due_by, listed)
            yield from self._list(chosen)
            spendable = self._context.source_quota.spendable
        if chosen is None or chosen.is_complete:
            rows = self._open(created, due_by)
            yield from self._reader.retrieve(rows, "open payments", open_count, spendable)
            return

        # the read quota is too small for all of it: retrieve only what the plan chose
        self._report_left_out(chosen)
        for step in chosen.steps:
            if step.rows is not None:
                what = f"open payments created {range_text(step.rows)}"
                left = self._context.source_quota.spendable
                rows = self._open(step.rows, due_by)
                yield from self._reader.retrieve(rows, what, step.due, left)

    def recheck_pages(self, *, is_tail: bool) -> Iterator[FetchedPage]:
        """The intents whose recheck is due. ``is_tail`` is whether this is a sweep of the tail."""
        if not self._context.has_schema:
            return
        rechecks, are_more, is_bound = self._due_rechecks()
        # the tail leaves the others to the next sweep of due, which reports what it cannot read
        if are_more and not is_tail:
            why = (
                "This is the most that one sweep reads. The next sweep reads the rest."
                if is_bound
                else QUOTA_SHORT
            )
            self._reader.report.miss("further rechecks", why)
        if not rechecks:
            return
        pages = self._reader.fetcher.retrieve_pages(self._reader.unmet(rechecks))
        yield from self._reader.with_rows(pages, len(rechecks))

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

    def _plan(self, created: TimeRange, due_by: datetime | None, listed: TimeRange | None) -> Plan:
        if listed is not None:
            # the window has shown the intents that are younger than its start
            created = TimeRange(created.since, listed.since)
        budget = replace(self._context.budget, reads_left=self._context.source_quota.spendable)
        due_rows = self._context.due_rows
        if self._found is None or due_rows is None:
            return plan_due(self._context.store, created, budget, due_by)

        # imported here as in plan_due
        from reconciler.domain.planning.planner import plan

        listing_model = self._context.store.listing_model()
        return plan(due_rows.store.histogram_of(self._found, listing_model), listing_model, budget)

    def _list(self, chosen: Plan) -> Iterator[FetchedPage]:
        lists = {step.created: step for step in chosen.steps if isinstance(step, List)}

        def goes_on(stretch: TimeRange, reads: int) -> bool:
            step = lists[stretch]
            return not is_overrun(step, reads, max(0, step.due - self._shown[stretch]))

        pages = self._reader.fetcher.planned_pages(tuple(lists), goes_on)
        yield from self._reader.with_rows(pages)

    def _report_left_out(self, chosen: Plan) -> None:
        for step in chosen.left_out:
            created = "without a time" if step.rows is None else f"created {range_text(step.rows)}"
            what = f"{step.due:,} open payments {created}"
            self._reader.report.miss(what, QUOTA_SHORT, step.due)

    def _open(self, created: TimeRange, due_by: datetime | None) -> Iterator[str]:
        if self._found is not None:
            intents = self._reader.row_ids.intents(_references(self._found, created))
        else:
            store = self._context.store
            rows = all_rows(lambda after: store.open_payments(created, after, ROWS_A_QUERY, due_by))
            intents = self._reader.row_ids.intents(rows)
        if not self._reader.by_service:
            return intents
        # the tail settles the rechecks that it has claimed
        return (intent for intent in intents if not self._context.rechecks.is_claimed(intent))

    def _due_rechecks(self) -> tuple[tuple[str, ...], bool, bool]:
        """The due rechecks that may be read, whether there are more, and whether that is for the bound of one sweep.

        The service leaves out those that another of its sweeps has claimed. A person's sweep reads all.
        """
        read_due = partial(self._context.store.due_rechecks, self._context.stripe.now())
        if self._reader.by_service:
            most = min(MOST_RECHECKS, self._context.source_quota.spendable)
            self._claimed, are_more = self._context.rechecks.claim(read_due, most)
            return self._claimed, are_more, most == MOST_RECHECKS
        due = read_due(MOST_RECHECKS + 1)
        if not due:
            return (), False, False
        most = min(MOST_RECHECKS, self._context.source_quota.spendable)
        return due[:most], len(due) > most, most == MOST_RECHECKS


def _references(found: Iterable[DueRow], created: TimeRange) -> Iterator[RowReference]:
    """The found rows of a range; a row without a time is in no range but in the whole."""
    for row in found:
        is_in_range = row.created is not None and row.created in created
        if is_in_range or created == TimeRange():
            yield row.reference


def plan_due(
    store: Store, created: TimeRange, budget: Budget, due_by: datetime | None = None
) -> Plan:
    """The plan with the fewest reads for the open payments of a range; with ``due_by``, for those due by then."""
    # imported here: most sweeps of the service meet too few payments for a plan
    from reconciler.domain.planning.planner import plan

    listing_model = store.listing_model()
    return plan(store.histogram(created, listing_model.ratio, due_by), listing_model, budget)
