"""One pass: the nets in turn, the proof of the key, and what is to be said at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reconciler.clock import Clock
from reconciler.domain.intent import Intent, MissingIntent
from reconciler.domain.joining import link, named_order, paid_intent
from reconciler.domain.ledger import Action, Draft
from reconciler.domain.outcome import Outcome
from reconciler.domain.page import RowReference, TimeRange
from reconciler.domain.planning import PAGE_SIZE, stretches, whole_seconds
from reconciler.domain.subject import PaidSibling, Rules
from reconciler.engine.authority import Authority
from reconciler.engine.batch import Batch
from reconciler.engine.day_totals import DayTotals
from reconciler.engine.fetching import Answer, FetchedPage, Fetcher
from reconciler.engine.key_proof import FEWEST, KeyProof
from reconciler.engine.ports import Progress, Store, Stripe
from reconciler.engine.reconcile import Examination
from reconciler.engine.report import Moment, Request, SweepKind, SweepReport, Writing
from reconciler.errors import ReconcilerError, StripeUnavailableError, UsageError

LOST_PAGES: Final = 2
"""After so many pages in a row of which Stripe answered nothing, the pass ends: it would only wait for ever."""
READS_A_BOOKING: Final = 500
MOST_CHECKS: Final = 10_000


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


class Sweep:
    """One pass over one account. ``check_lease`` raises where the lease is lost."""

    def __init__(
        self,
        surroundings: Surroundings,
        request: Request,
        authority: Authority,
        check_lease: Callable[[], None],
        progress: Progress,
    ) -> None:
        self._with = surroundings
        self._request = request
        self._authority = authority
        self._check_lease = check_lease
        self._progress = progress
        self._proof = KeyProof()
        self._met: set[int] = set()
        self._remembered: dict[str, list[PaidSibling]] = {}
        self._unheld: list[Answer] = []
        self._listed: TimeRange | None = None
        self._totals = DayTotals()
        self._lost = 0
        self._booked = 0
        self.report = SweepReport(
            account=authority.account,
            kind=request.kind,
            mode=authority.mode,
            writing=authority.writing,
            asked_by=authority.asked_by,
            sweep=authority.sweep,
        )

    def run(self) -> SweepReport:
        """Do it. Returns a report in every case; ``report.failure`` is what ended the pass early."""
        began = self._with.clock.monotonic()
        reads, limited = self._with.stripe.reads, self._with.stripe.rate_limited
        self._booked = reads
        try:
            self._run()
        except ReconcilerError as error:
            self.report.stop(error)
        except KeyboardInterrupt:
            self.report.complete = False
            self.report.stopped = "It was interrupted; what had been recorded stays."
        self.report.reads = self._with.stripe.reads - reads
        self.report.rate_limited = self._with.stripe.rate_limited - limited
        self.report.seconds = self._with.clock.monotonic() - began
        self._conclude()
        return self.report

    def _run(self) -> None:
        surroundings = self._with
        with Fetcher(
            surroundings.stripe, surroundings.clock, surroundings.workers, surroundings.page_size
        ) as fetcher:
            batch = Batch(
                surroundings.stripe,
                surroundings.store,
                surroundings.clock,
                surroundings.rules,
                self._authority,
                fetcher,
                self.report,
                surroundings.per_hour,
            )
            for page in self._pages(fetcher):
                self._take(page, batch)
            if self._proof.is_doubtful or self._unheld:
                self._prove_by_rows(fetcher)
            self._proof.conclude()
            batch.flush(self._check_lease)
            self._judge_unheld(batch)

    def _pages(self, fetcher: Fetcher) -> Iterator[FetchedPage]:
        """The nets in turn. The window comes first: what its lists show need not be retrieved one by one."""
        request = self._request
        if request.intents:
            yield from fetcher.retrieve_pages(self._unmet(request.intents))
            return
        if request.kind in (SweepKind.WINDOW, SweepKind.ALL):
            yield from self._window(fetcher)
        if request.kind in (SweepKind.DUE, SweepKind.ALL):
            yield from self._due(fetcher)

    def _due(self, fetcher: Fetcher) -> Iterator[FetchedPage]:
        created = self._range(None)
        rows = _keyset(lambda after: self._with.store.open_payments(created, after, PAGE_SIZE))
        yield from fetcher.retrieve_pages(self._unmet(row.payment_intent for row in rows))
        if self._with.keeps_books and self._request.since is self._request.until is None:
            checks = self._with.store.due_checks(self._with.stripe.now(), MOST_CHECKS)
            yield from fetcher.retrieve_pages(self._unmet(checks))

    def _window(self, fetcher: Fetcher) -> Iterator[FetchedPage]:
        created = whole_seconds(self._range(self._with.rules.horizon))
        expected = self._with.store.count_between(created)
        open_stretches = set(stretches(created, self._with.stripe.now(), expected))
        for page in fetcher.list_pages(tuple(open_stretches)):
            if page.ends and page.stretch is not None:
                open_stretches.discard(page.stretch)
            yield page
        if open_stretches:
            # a list with a gap does not show that an intent is not there: its rows are not asked for one by one
            return
        self._listed = created
        rows = _keyset(lambda after: self._with.store.payments_between(created, after, PAGE_SIZE))
        yield from fetcher.retrieve_pages(self._unmet(row.payment_intent for row in rows))

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

    def _unmet(self, intents: Iterable[str]) -> Iterator[str]:
        """Those that this pass has not met yet; a 64-bit hash of each is kept, not the id."""
        for intent in intents:
            if hash(intent) not in self._met:
                self._met.add(hash(intent))
                yield intent

    def _take(self, page: FetchedPage, batch: Batch) -> None:
        self._check_lease()
        for failure in page.failures:
            self.report.miss(failure.what, failure.why)
        self._lost = self._lost + 1 if page.is_lost else 0
        if self._lost >= LOST_PAGES:
            raise StripeUnavailableError(
                f"Stripe answered nothing of {LOST_PAGES} pages in a row.",
                f"The last error was: {page.failures[-1].why}",
            )
        answers = page.answers if page.retrieved else self._newly_listed(page)
        if page.retrieved:
            for answer in answers:
                self._proof.retrieved(answer.intent)
        examination, unheld = batch.pages.examine(
            [answer.intent for answer in answers], self._remembered
        )
        if page.retrieved:
            self._report_unknown(examination)
        else:
            if any(item.subject.payments for item in examination.judged):
                self._proof.listed_and_named()
            self._add_up(examination, answers)
        self._remember(examination)
        later = {intent.id for intent in unheld}
        self._unheld.extend(answer for answer in answers if answer.intent.id in later)
        batch.add(examination, answers)
        if self._proof.is_given and batch.is_ripe:
            batch.flush(self._check_lease)
        if self._with.stripe.reads - self._booked >= READS_A_BOOKING:
            self._book()
        self._progress.advance(self.report.examined, None)

    def _report_unknown(self, examination: Examination) -> None:
        """A person asked for an intent by name, and neither side has heard of it."""
        for item in examination.judged if self._request.intents else ():
            subject = item.subject
            if isinstance(subject.intent, MissingIntent) and not subject.payments:
                why = (
                    "Neither Stripe nor the table knows it: check the id, the key and the account."
                )
                self.report.miss(subject.intent.id, why)

    def _newly_listed(self, page: FetchedPage) -> tuple[Answer, ...]:
        new = set(self._unmet(answer.intent.id for answer in page.answers))
        return tuple(answer for answer in page.answers if answer.intent.id in new)

    def _add_up(self, examination: Examination, answers: tuple[Answer, ...]) -> None:
        for answer in answers:
            if isinstance(answer.intent, Intent):
                self._totals.add_intent(answer.intent)
        for item in examination.judged:
            self._totals.add_rows(item.subject)

    def _remember(self, examination: Examination) -> None:
        """Keep in mind what Stripe says was paid and the table does not say yet, for the pages to come."""
        for item in examination.judged:
            subject, intent = item.subject, item.subject.intent
            if subject.order is None or not isinstance(intent, Intent):
                continue
            says_so = any(payment.outcome is Outcome.SUCCEEDED for payment in subject.payments)
            if intent.outcome is Outcome.SUCCEEDED and not says_so:
                sibling = paid_intent(intent, next(iter(subject.payments), None))
                self._remembered.setdefault(subject.order, []).append(sibling)

    def _judge_unheld(self, batch: Batch) -> None:
        """Intents that no row holds, recorded last: with a doubtful key they are not ours to speak of."""
        if not self._unheld:
            return
        if self._proof.is_doubtful:
            why = (
                "Stripe knew none of the rows that were asked for, so the key may be another"
                " account's: what has no row is not recorded."
            )
            self.report.miss("intents without a row", why, len(self._unheld))
            return
        listed = self._listed
        for answers in self._grouped_by_order():
            intents = [answer.intent for answer in answers if isinstance(answer.intent, Intent)]
            rules = self._with.rules
            orders = {named for intent in intents if (named := named_order(intent, rules))}
            loaded = self._with.store.load([intent.id for intent in intents], sorted(orders))
            subjects = link(self._authority.account, intents, loaded, rules, listed)
            # those with a row are recorded under its lock, those without have nothing to lock
            for together in (
                [subject for subject in subjects if subject.payments],
                [subject for subject in subjects if not subject.payments],
            ):
                batch.add(batch.pages.judge(together, loaded, {}, None), answers)
            if batch.is_ripe:
                batch.flush(self._check_lease)
        batch.flush(self._check_lease)

    def _grouped_by_order(self) -> Iterator[list[Answer]]:
        """Pages of about a hundred in which all intents of one order are together."""
        rules = self._with.rules
        groups: dict[str, list[Answer]] = {}
        for answer in self._unheld:
            intent = answer.intent
            order = named_order(intent, rules) if isinstance(intent, Intent) else None
            name = f"order {order}" if order else f"intent {intent.id}"
            groups.setdefault(name, []).append(answer)
        page: list[Answer] = []
        for group in groups.values():
            page.extend(group)
            if len(page) >= PAGE_SIZE:
                yield page
                page = []
        if page:
            yield page

    def _prove_by_rows(self, fetcher: Fetcher) -> None:
        """Where neither a row nor the list has proved the key, ask for the newest rows of the table."""
        if self._proof.is_given:
            return
        newest = self._with.store.newest_payments(FEWEST)
        unmet = list(self._unmet(row.payment_intent for row in newest))
        for answer in fetcher.retrieve_again(unmet).answers:
            self._proof.retrieved(answer.intent)

    def _book(self) -> None:
        reads = self._with.stripe.reads
        if self._with.keeps_books and reads > self._booked:
            self._with.store.book_reads(reads - self._booked)
            self._booked = reads

    def _conclude(self) -> None:
        """Write down how it ended, where there is a place for it."""
        sweep = self._authority.sweep
        try:
            self._book()
            if sweep is None or self._authority.writing is Writing.NOTHING:
                return
            body = dict(self.report.as_json())
            seconds = body.pop("seconds")
            entry = Draft(Action.PASS, {**body, "milliseconds": round(self.report.seconds * 1000)})
            totals: tuple[Draft, ...] = ()
            if self._listed is not None and self.report.complete:
                now = self._with.stripe.now()
                totals = self._totals.drafts(sweep, self._listed, now)
            self._with.store.finish_sweep(
                sweep, {**body, "seconds": seconds}, (*totals, entry), self._authority.epoch
            )
        except ReconcilerError as error:
            if self.report.failure is None:
                self.report.stop(error)


def _keyset(
    read: Callable[[str | None], tuple[RowReference, ...]],
) -> Iterator[RowReference]:
    """All rows of a query that is read page by page, each page from after the last key."""
    after: str | None = None
    while rows := read(after):
        yield from rows
        after = rows[-1].key
