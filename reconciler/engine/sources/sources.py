"""The nets: which intents a sweep asks Stripe for. Each alone misses something; together they miss nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Final

from reconciler.clock import Clock
from reconciler.domain.model.match import Rules
from reconciler.domain.model.payment import RowReference
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.plan import Budget, List, Plan, is_overrun
from reconciler.domain.planning.planner import stretches, whole_seconds
from reconciler.domain.read_limits_and_shortage import Source
from reconciler.engine.actor import Actor
from reconciler.engine.limits.read_quota import SourceQuota
from reconciler.engine.planning.read_estimate import plan_of, spendable, window_part
from reconciler.engine.ports import Store, Stripe
from reconciler.engine.reads.fetcher import FetchedPage, Fetcher, in_words
from reconciler.engine.report import Moment, SweepKind, SweepReport, SweepRequest
from reconciler.engine.sources.claimed_rechecks import ClaimedRechecks
from reconciler.engine.sources.id_set import IdSet
from reconciler.engine.sources.tail import Tail
from reconciler.errors import UsageError

MOST_RECHECKS: Final = 10_000
FEWEST_PLANNED: Final = 20
"""Fewer open payments are retrieved one by one: a list could spare next to nothing."""
FEWEST_PLANNED_BY_SERVICE: Final = 3
"""The carts of the last minutes are few each time, and a list shows all of them in one read: over a day of the service's
schedule that is three quarters of its reads."""

ROWS_A_QUERY: Final = 1000
"""Rows are looked for in larger pages than Stripe's: each costs a round trip and nothing else."""
SHORT: Final = "What this net may take now of the reads of 30 days does not pay for it; they come back day by day."


@dataclass(frozen=True, slots=True)
class SweepContext:
    """What a sweep works with. ``keeps_books`` is whether our schema is there and may be written.

    ``checks`` is shared with the sweeps that go beside it.
    """

    stripe: Stripe
    store: Store
    clock: Clock
    rules: Rules
    workers: int
    page_size: int
    per_hour: int
    keeps_books: bool
    budget: Budget
    source_quota: SourceQuota
    rechecks: ClaimedRechecks


class Sources:
    """Casts the nets of one sweep in turn. An intent that two of them meet comes out once.

    ``listed`` is the range over which a window's lists showed every intent, None before that; ``listed_from`` is
    Stripe's time when they began. ``left_by_tail`` is how many payments the reads did not pay for where the tail has fallen
    back to the window: it begins anew all the same.
    """

    def __init__(
        self,
        context: SweepContext,
        request: SweepRequest,
        actor: Actor,
        fetcher: Fetcher,
        report: SweepReport,
    ) -> None:
        self._context = context
        self._request = request
        self._fetcher = fetcher
        self._report = report
        self._by_service = actor.is_service
        self._met = IdSet()
        self._taken: tuple[str, ...] = ()
        self.left_by_tail = 0
        self._shown: Counter[TimeRange] = Counter()
        self.tail = Tail(context.stripe, context.store, context.rules, actor)
        self.listed: TimeRange | None = None
        self.listed_from: datetime | None = None

    def pages(self) -> Iterator[FetchedPage]:
        """All pages of the sweep. The window comes first: what its lists show need not be retrieved one by one."""
        request = self._request
        if request.intents:
            self._cast(Source.PERSON)
            yield from self._fetcher.retrieve_pages(self.unmet(request.intents))
            return
        window = request.kind in (SweepKind.WINDOW, SweepKind.ALL)
        bounded = request.since is not None or request.until is not None
        if window:
            yield from self._window()
        # a bounded sweep of all nets has listed its range, which shows more than the events of that range
        if request.kind is SweepKind.TAIL or (request.kind is SweepKind.ALL and not bounded):
            self._cast(Source.TAIL)
            yield from self.tail.pages(self._fetcher, self.unmet, self._range(None))
            if self.tail.is_too_old and not window:
                self._report.notes.append(self.tail.too_old)
                yield from self._window()
        if request.kind in (SweepKind.DUE, SweepKind.ALL):
            self._cast(Source.DUE)
            yield from self._due()
        if not bounded and request.kind is not SweepKind.WINDOW:
            self._cast(Source.DUE)
            yield from self._rechecks()
        if request.kind is SweepKind.TAIL:
            # what is recorded last is recorded for the tail
            self._cast(Source.TAIL)

    def _cast(self, source: Source) -> None:
        """What is read from now on, is read by this net; nothing of the one before is under way."""
        self._context.source_quota.cast(source, by_service=self._by_service)

    def unmet(self, intents: Iterable[str]) -> Iterator[str]:
        """Those that this sweep has not met yet; some bits of each are kept, not the id."""
        return (intent for intent in intents if self._met.add(intent))

    def meet(self, stretch: TimeRange | None, intents: Iterable[str]) -> None:
        """These were examined because a planned list showed them."""
        met = list(self.unmet(intents))
        if stretch is not None:
            self._shown[stretch] += len(met)

    def is_met(self, intent: str) -> bool:
        """Whether this sweep has examined it already."""
        return intent in self._met

    def _due(self) -> Iterator[FetchedPage]:
        """Open rows: by lists where they are dense, by single retrieves elsewhere and for what the lists did not show."""
        created = self._range(None)
        # the service keeps to its schedule; a person's sweep takes all that is open
        due_by = self._context.stripe.now() if self._by_service else None
        store = self._context.store
        waiting = store.count_open(created, due_by)
        if not waiting:
            return
        fewest = FEWEST_PLANNED_BY_SERVICE if self._by_service else FEWEST_PLANNED
        chosen: Plan | None = None
        if waiting >= min(fewest, spendable(self._context.source_quota.left) + 1):
            chosen = self._plan(created, due_by)
            yield from self._planned(chosen)
        if chosen is None or chosen.is_complete:
            yield from self._retrieve(self._open(created, due_by), "open payments")
            return
        self._leave_out(chosen)
        for step in chosen.steps:
            if step.rows is not None:
                what = f"open payments created {in_words(step.rows)}"
                yield from self._retrieve(self._open(step.rows, due_by), what)

    def _open(self, created: TimeRange, due_by: datetime | None) -> Iterator[str]:
        store = self._context.store
        rows = keyset(lambda after: store.open_payments(created, after, ROWS_A_QUERY, due_by))
        intents = (row.payment_intent for row in rows)
        if not self._by_service:
            return intents
        # what the tail is asking about as a check, it settles
        return (intent for intent in intents if not self._context.rechecks.holds(intent))

    def _plan(self, created: TimeRange, due_by: datetime | None) -> Plan:
        if self.listed is not None:
            # the window has shown what is younger than its start
            created = TimeRange(created.since, self.listed.since)
        left = spendable(self._context.source_quota.left)
        return plan_of(
            self._context.store, created, replace(self._context.budget, reads_left=left), due_by
        )

    def _planned(self, chosen: Plan) -> Iterator[FetchedPage]:
        lists = {step.created: step for step in chosen.steps if isinstance(step, List)}

        def goes_on(stretch: TimeRange, reads: int) -> bool:
            step = lists[stretch]
            return not is_overrun(step, reads, max(0, step.due - self._shown[stretch]))

        yield from self._fetcher.planned_pages(tuple(lists), goes_on)

    def _leave_out(self, chosen: Plan) -> None:
        """Say what the reads do not pay for: a step each, for none of it is asked."""
        for step in chosen.left_out:
            where = "without a time" if step.rows is None else f"created {in_words(step.rows)}"
            self._report.miss(f"{step.due:,} open payments {where}", SHORT, step.due)

    def _rechecks(self) -> Iterator[FetchedPage]:
        if not self._context.keeps_books:
            return
        left = self._context.source_quota.left
        most = min(MOST_RECHECKS, spendable(left))
        rechecks, are_more = self._due_rechecks(most)
        if are_more and self._request.kind is not SweepKind.TAIL:
            # those that the tail leaves stay for due, which says so
            why = "More have come due than one sweep takes." if most == MOST_RECHECKS else SHORT
            self._report.miss("further checks", why)
        yield from self._fetcher.retrieve_pages(self.unmet(rechecks))

    def _due_rechecks(self, most: int) -> tuple[tuple[str, ...], bool]:
        """So many of the checks that have come due, and whether there are more.

        The service leaves out what another of its sweeps has in hand; a person's sweep takes all.
        """
        read = partial(self._context.store.due_rechecks, self._context.stripe.now())
        if self._by_service:
            self._taken, are_more = self._context.rechecks.take(read, most)
            return self._taken, are_more
        found = read(most + 1)
        return found[:most], len(found) > most

    def give_back(self) -> None:
        """The sweep has ended: the checks that it had in hand are settled, or there for another."""
        self._context.rechecks.give_back(self._taken)
        self._taken = ()

    def _window(self) -> Iterator[FetchedPage]:
        self._cast(Source.WINDOW)
        whole = whole_seconds(self._range(self._context.rules.horizon))
        now = self._context.stripe.now()
        left = spendable(self._context.source_quota.left)
        found = window_part(self._context.store, whole, left, now)
        if found.left_out is not None:
            what = f"{found.rows_left_out:,} payments, and the intents created {in_words(found.left_out)}"
            self._leave_to_others(what, max(1, found.rows_left_out))
        if found.part is not None:
            yield from self._listed(found.part, found.rows)

    def _listed(self, created: TimeRange, expected: int) -> Iterator[FetchedPage]:
        self.listed_from = self._context.stripe.now()
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
        rows = keyset(
            lambda after: self._context.store.payments_between(created, after, ROWS_A_QUERY)
        )
        what = f"payments that the list did not show, created {in_words(created)}"
        yield from self._retrieve((row.payment_intent for row in rows), what)

    def _retrieve(self, intents: Iterable[str], what: str) -> Iterator[FetchedPage]:
        """Retrieve those not met yet, as many as the net may. Of the others nothing is asked: they are told."""
        wanted = iter(intents)
        affordable = islice(self.unmet(wanted), spendable(self._context.source_quota.left))
        yield from self._fetcher.retrieve_pages(affordable)
        # they are not met: another net, with reads of its own, may ask for them
        left_out = sum(1 for intent in wanted if intent not in self._met)
        if left_out:
            self._leave_to_others(f"{left_out:,} {what}", left_out)

    def _leave_to_others(self, what: str, count: int) -> None:
        """Say what the reads do not pay for. Where the tail has fallen back to the window that is no failure of its own."""
        self._report.miss(what, SHORT, count)
        if self.tail.is_too_old:
            self.left_by_tail += count

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
        return self._context.stripe.now() - moment if isinstance(moment, timedelta) else moment


def keyset(
    read: Callable[[str | None], tuple[RowReference, ...]],
) -> Iterator[RowReference]:
    """All rows of a query that is read page by page, each page from after the last key."""
    after: str | None = None
    while rows := read(after):
        yield from rows
        after = rows[-1].key
