"""The nets: which intents a pass asks Stripe for. Each alone misses something; together they miss nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reconciler.clock import Clock
from reconciler.domain.page import RowReference, TimeRange
from reconciler.domain.plan import Budget, List, overrun
from reconciler.domain.planning import stretches, whole_seconds
from reconciler.domain.subject import Rules
from reconciler.engine.authority import Authority
from reconciler.engine.fetching import FetchedPage, Fetcher
from reconciler.engine.fingerprints import Fingerprints
from reconciler.engine.forecast import plan_of
from reconciler.engine.ports import Store, Stripe
from reconciler.engine.report import Moment, Request, SweepKind, SweepReport
from reconciler.engine.tail import Tail
from reconciler.errors import UsageError

MOST_CHECKS: Final = 10_000
FEWEST_PLANNED: Final = 20
"""Fewer open payments are retrieved one by one: a list could spare next to nothing."""
FEWEST_PLANNED_BY_SERVICE: Final = 3
"""The carts of the last minutes are few each time, and a list shows all of them in one read: over a day of the service's
schedule that is three quarters of its reads."""

ROWS_A_QUERY: Final = 1000
"""Rows are looked for in larger pages than Stripe's: each costs a round trip and nothing else."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a pass works with. ``keeps_books`` is whether our schema is there and may be written."""

    stripe: Stripe
    store: Store
    clock: Clock
    rules: Rules
    workers: int
    page_size: int
    per_hour: int
    keeps_books: bool
    budget: Budget


class Nets:
    """Casts the nets of one pass in turn. An intent that two of them meet comes out once.

    ``listed`` is the range over which a window's lists showed every intent, None before that; ``listed_from`` is
    Stripe's time when they began.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        request: Request,
        authority: Authority,
        fetcher: Fetcher,
        report: SweepReport,
    ) -> None:
        self._with = surroundings
        self._request = request
        self._fetcher = fetcher
        self._report = report
        self._by_service = authority.is_service
        self._met = Fingerprints()
        self._shown: Counter[TimeRange] = Counter()
        self.tail = Tail(surroundings.stripe, surroundings.store, surroundings.rules, authority)
        self.listed: TimeRange | None = None
        self.listed_from: datetime | None = None

    def pages(self) -> Iterator[FetchedPage]:
        """All pages of the pass. The window comes first: what its lists show need not be retrieved one by one."""
        request = self._request
        if request.intents:
            yield from self._fetcher.retrieve_pages(self.unmet(request.intents))
            return
        window = request.kind in (SweepKind.WINDOW, SweepKind.ALL)
        bounded = request.since is not None or request.until is not None
        if window:
            yield from self._window()
        # a bounded pass of all nets has listed its range, which shows more than the events of that range
        if request.kind is SweepKind.TAIL or (request.kind is SweepKind.ALL and not bounded):
            yield from self.tail.pages(self._fetcher, self.unmet, self._range(None))
            if self.tail.is_too_old and not window:
                self._report.notes.append(self.tail.too_old)
                yield from self._window()
        if request.kind in (SweepKind.DUE, SweepKind.ALL):
            yield from self._due()
        if not bounded and request.kind is not SweepKind.WINDOW:
            yield from self._checks()

    def unmet(self, intents: Iterable[str]) -> Iterator[str]:
        """Those that this pass has not met yet; some bits of each are kept, not the id."""
        return (intent for intent in intents if self._met.add(intent))

    def meet(self, stretch: TimeRange | None, intents: Iterable[str]) -> None:
        """These were examined because a planned list showed them."""
        met = list(self.unmet(intents))
        if stretch is not None:
            self._shown[stretch] += len(met)

    def is_met(self, intent: str) -> bool:
        """Whether this pass has examined it already."""
        return intent in self._met

    def _due(self) -> Iterator[FetchedPage]:
        """Open rows: by lists where they are dense, by single retrieves elsewhere and for what the lists did not show."""
        created = self._range(None)
        # the service keeps to its schedule; a person's pass takes all that is open
        due_by = self._with.stripe.now() if self._by_service else None
        store = self._with.store
        waiting = store.count_open(created, due_by)
        if not waiting:
            return
        if waiting >= (FEWEST_PLANNED_BY_SERVICE if self._by_service else FEWEST_PLANNED):
            yield from self._planned(created, due_by)
        rows = keyset(lambda after: store.open_payments(created, after, ROWS_A_QUERY, due_by))
        yield from self._fetcher.retrieve_pages(self.unmet(row.payment_intent for row in rows))

    def _planned(self, created: TimeRange, due_by: datetime | None) -> Iterator[FetchedPage]:
        if self.listed is not None:
            # the window has shown what is younger than its start
            created = TimeRange(created.since, self.listed.since)
        chosen = plan_of(self._with.store, created, self._with.budget, due_by)
        lists = {step.created: step for step in chosen.steps if isinstance(step, List)}

        def goes_on(stretch: TimeRange, reads: int) -> bool:
            step = lists[stretch]
            return not overrun(step, reads, max(0, step.due - self._shown[stretch]))

        yield from self._fetcher.planned_pages(tuple(lists), goes_on)

    def _checks(self) -> Iterator[FetchedPage]:
        if not self._with.keeps_books:
            return
        checks = self._with.store.due_checks(self._with.stripe.now(), MOST_CHECKS)
        if len(checks) == MOST_CHECKS:
            self._report.miss("further checks", "More have come due than one pass takes.")
        yield from self._fetcher.retrieve_pages(self.unmet(checks))

    def _window(self) -> Iterator[FetchedPage]:
        created = whole_seconds(self._range(self._with.rules.horizon))
        expected = self._with.store.count_between(created)
        self.listed_from = self._with.stripe.now()
        unread = set(stretches(created, self.listed_from, expected))
        is_whole = True
        for page in self._fetcher.list_pages(tuple(unread)):
            if page.ends and page.stretch is not None:
                unread.discard(page.stretch)
            is_whole = is_whole and not page.failures
            yield page
        if unread:
            # a list with a gap does not show that an intent is not there: its rows are not asked for one by one
            return
        if is_whole:
            self.listed = created
        rows = keyset(lambda after: self._with.store.payments_between(created, after, ROWS_A_QUERY))
        yield from self._fetcher.retrieve_pages(self.unmet(row.payment_intent for row in rows))

    def _range(self, horizon: timedelta | None) -> TimeRange:
        since = self._moment(self._request.since or horizon)
        until = self._moment(self._request.until)
        if since is not None and until is not None and since >= until:
            raise UsageError(
                f"--since ({since:%Y-%m-%d %H:%M:%S}) is not before --until"
                f" ({until:%Y-%m-%d %H:%M:%S}).",
                "Give an earlier --since.",
            )
        return TimeRange(since, until)

    def _moment(self, moment: Moment | None) -> datetime | None:
        """A span counts back from Stripe's present, not from ours."""
        return self._with.stripe.now() - moment if isinstance(moment, timedelta) else moment


def keyset(
    read: Callable[[str | None], tuple[RowReference, ...]],
) -> Iterator[RowReference]:
    """All rows of a query that is read page by page, each page from after the last key."""
    after: str | None = None
    while rows := read(after):
        yield from rows
        after = rows[-1].key
