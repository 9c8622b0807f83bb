"""The sources of one sweep: which intents it reads from Stripe. Each source is blind to something that another finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from reconciler.domain.model.payment import RowReference
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.read_limits_and_shortage import Source
from reconciler.engine.reads.fetcher import FetchedPage, Fetcher
from reconciler.engine.report import SweepKind, SweepReport, SweepRequest
from reconciler.engine.sources.due import DueSource
from reconciler.engine.sources.source_reader import IdReader, RowIds, SourceReader
from reconciler.engine.sweep_context import Actor, SweepContext

if TYPE_CHECKING:
    # imported when a sweep reads them: most sweeps read one source
    from reconciler.engine.sources.tail import TailSource
    from reconciler.engine.sources.window import WindowSource


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
        self._due = DueSource(self._reader)
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
