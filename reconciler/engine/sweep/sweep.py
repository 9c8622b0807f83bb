"""One sweep: its pages, the proof of the key, and what is to be said at the end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final, assert_never

from reconciler.domain.audit.ledger_entry import Action, Draft
from reconciler.domain.model.intent import Intent, MissingIntent
from reconciler.domain.model.match import PaidSibling
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import Outcome
from reconciler.engine.actor import Actor
from reconciler.engine.page.pages_to_record import PagesToRecord
from reconciler.engine.page.reconcile_page import DecidedPage
from reconciler.engine.page.unmatched import UnmatchedIntents
from reconciler.engine.ports import Progress
from reconciler.engine.reads.fetcher import FetchedIntent, FetchedPage, Fetcher, Origin
from reconciler.engine.reads.listing_statistics import ListingStatistics
from reconciler.engine.report import SweepReport, SweepRequest, Writing
from reconciler.engine.sources.sources import Sources, SweepContext
from reconciler.engine.stop_token import StopToken
from reconciler.engine.sweep.day_totals import DayTotals
from reconciler.engine.sweep.stripe_key_check import FEWEST, StripeKeyCheck
from reconciler.errors import (
    DatabaseBusyError,
    ReconcilerError,
    StripeUnavailableError,
    WrongKeyError,
)

DOUBTFUL: Final = (
    "Stripe knew none of the rows that were asked for, so the key may be another account's: what has no row is not"
    " recorded."
)
LOST_PAGES: Final = 2
"""After so many pages in a row of which Stripe answered nothing, the sweep ends: it would only wait for ever."""
READS_A_BOOKING: Final = 500
PART_A_BOOKING: Final = 0.005
"""A shop with few reads books more often: what a crash loses is never more than this part of the reads of 30 days."""
FEWEST_A_BOOKING: Final = 25


class Sweep:
    """One sweep over one account.

    ``check_lease`` raises where the lease is lost, and StoppedError where the sweep is to end with the page in hand.
    """

    def __init__(
        self,
        context: SweepContext,
        request: SweepRequest,
        actor: Actor,
        check_lease: Callable[[], None],
        progress: Progress,
    ) -> None:
        self._context = context
        self._request = request
        self._actor = actor
        self._stop_token = StopToken(check_lease)
        self._progress = progress
        self._proof = StripeKeyCheck()
        self._remembered: dict[str, list[PaidSibling]] = {}
        self._listed: TimeRange | None = None
        self._listed_from: datetime | None = None
        self._totals = DayTotals()
        self._listing_statistics = ListingStatistics()
        self._lost = 0
        self.report = SweepReport(
            account=actor.account,
            kind=request.kind,
            mode=actor.mode,
            writing=actor.writing,
            asked_by=actor.asked_by,
            sweep=actor.sweep,
        )
        self._unmatched = UnmatchedIntents(
            context.store,
            context.clock,
            context.rules,
            actor.account,
            self.report,
        )

    def run(self) -> SweepReport:
        """Do it. Returns a report in every case; ``report.failure`` is what ended the sweep early."""
        began = self._context.clock.monotonic()
        reads, limited = self._context.stripe.reads, self._context.stripe.rate_limited
        try:
            self._run()
        except ReconcilerError as error:
            self.report.stop(error)
        except KeyboardInterrupt:
            self.report.complete = False
            self.report.stopped = "It was interrupted; what had been recorded stays."
        self.report.reads = self._context.stripe.reads - reads
        self.report.rate_limited = self._context.stripe.rate_limited - limited
        self.report.seconds = self._context.clock.monotonic() - began
        self._conclude()
        return self.report

    def _run(self) -> None:
        context = self._context
        with Fetcher(context.stripe, context.clock, context.workers, context.page_size) as fetcher:
            batch = PagesToRecord(
                context.stripe,
                context.store,
                context.clock,
                context.rules,
                self._actor,
                fetcher,
                self.report,
                context.per_hour,
            )
            sources = Sources(context, self._request, self._actor, fetcher, self.report)
            try:
                self._go(sources, batch, fetcher)
            finally:
                sources.give_back()

    def _go(self, sources: Sources, batch: PagesToRecord, fetcher: Fetcher) -> None:
        for page in sources.pages():
            self._take(page, batch, sources)
            if self._stop_token.is_stopping:
                self._end_here(batch)
        if self._proof.is_doubtful or self._unmatched:
            self._prove_by_rows(fetcher, sources)
        self._proof.conclude()
        batch.flush(self._stop_token.raise_if_lease_lost)
        self._stop_token.raise_if_stopping()
        self._listed, self._listed_from = sources.listed, sources.listed_from
        if self._proof.is_doubtful and self._unmatched:
            # with a doubtful key they are not ours to speak of
            self._unmatched.drop(DOUBTFUL)
        self._unmatched.decide_matches(batch, fetcher, sources.listed, self._stop_token)
        missed = (
            self.report.unexamined_count
            - sources.tail.failed
            - batch.refused
            - sources.left_by_tail
        )
        sources.tail.finish(everything_recorded=missed == 0)

    def _end_here(self, batch: PagesToRecord) -> None:
        """Told to stop: record what is held, where the key has proved right by now, and raise the StoppedError.

        No further read is made for the proof, and nobody is blamed for a key that was not asked to the end.
        """
        try:
            self._proof.conclude()
            is_believed = not self._proof.is_doubtful
        except WrongKeyError:
            is_believed = False
        if is_believed:
            batch.flush(self._stop_token.raise_if_lease_lost)
        self._stop_token.raise_if_stopping()

    def _take(self, page: FetchedPage, batch: PagesToRecord, sources: Sources) -> None:
        self._stop_token.raise_if_lease_lost()
        if page.origin is Origin.PLANNED:
            self._take_planned(page, batch, sources)
            return
        for failure in page.failures:
            self.report.miss(failure.what, failure.why)
        self._lost = self._lost + 1 if page.is_lost else 0
        if self._lost >= LOST_PAGES and not self._stop_token.is_stopping:
            raise StripeUnavailableError(
                f"Stripe answered nothing of {LOST_PAGES} pages in a row.",
                f"The last error was: {page.failures[-1].why}",
            )
        answers = page.answers
        if page.origin is Origin.LIST:
            new = set(sources.unmet(answer.intent.id for answer in answers))
            answers = tuple(answer for answer in answers if answer.intent.id in new)
        try:
            decided_page, unmatched = batch.pages.examine(
                [answer.intent for answer in answers], self._remembered, page.events
            )
        except DatabaseBusyError as error:
            self.report.miss(_named(answers), str(error), len(answers))
            return
        self._learn(page.origin, decided_page, answers)
        self._remember(decided_page)
        later = {intent.id for intent in unmatched}
        self._unmatched.add([one for one in answers if one.intent.id in later], page.events)
        self._keep(decided_page, answers, batch)

    def _take_planned(self, page: FetchedPage, batch: PagesToRecord, sources: Sources) -> None:
        """A page of a list that was read for its open rows; what it fails to show is retrieved one by one later."""
        answers = tuple(answer for answer in page.answers if not sources.is_met(answer.intent.id))
        decided_page, _ = batch.pages.examine(
            [answer.intent for answer in answers], self._remembered, page.events, only_open=True
        )
        sources.meet(page.stretch, [item.subject.intent.id for item in decided_page.decisions])
        self._learn(page.origin, decided_page, answers)
        self._remember(decided_page)
        self._keep(decided_page, answers, batch)

    def _keep(
        self, decided_page: DecidedPage, answers: tuple[FetchedIntent, ...], batch: PagesToRecord
    ) -> None:
        batch.add(decided_page, answers)
        if self._proof.is_given and batch.is_ripe:
            batch.flush(self._stop_token.raise_if_lease_lost)
        quota = self._context.source_quota.quota
        part = max(FEWEST_A_BOOKING, round(PART_A_BOOKING * quota.allowed))
        if quota.unbooked >= min(READS_A_BOOKING, part):
            self._book()
        self._progress.advance(self.report.examined, None)

    def _learn(
        self, origin: Origin, decided_page: DecidedPage, answers: tuple[FetchedIntent, ...]
    ) -> None:
        """What a page says about the key, and what a list says about its days."""
        match origin:
            case Origin.ROW:
                for answer in answers:
                    self._proof.retrieved(answer.intent)
                self._report_unknown(decided_page)
            case Origin.LIST | Origin.PLANNED | Origin.EVENT:
                # Stripe itself showed these, so only those that a row names prove anything
                if any(item.subject.payments for item in decided_page.decisions):
                    self._proof.listed_and_named()
                if origin is Origin.LIST:
                    self._add_up(decided_page, answers)
            case _ as unreachable:
                assert_never(unreachable)

    def _report_unknown(self, decided_page: DecidedPage) -> None:
        """A person asked for an intent by name, and neither side has heard of it."""
        for item in decided_page.decisions if self._request.intents else ():
            subject = item.subject
            if isinstance(subject.intent, MissingIntent) and not subject.payments:
                why = (
                    "Neither Stripe nor the table knows it: check the id, the key and the account."
                )
                self.report.miss(subject.intent.id, why)

    def _add_up(self, decided_page: DecidedPage, answers: tuple[FetchedIntent, ...]) -> None:
        for answer in answers:
            if isinstance(answer.intent, Intent):
                self._totals.add_intent(answer.intent)
        held = tuple(item.subject for item in decided_page.decisions if item.subject.payments)
        for subject in held:
            self._totals.add_rows(subject)
        self._listing_statistics.add(len(answers), held)

    def _remember(self, decided_page: DecidedPage) -> None:
        """Keep in mind what Stripe says was paid and the table does not say yet, for the pages to come."""
        for item in decided_page.decisions:
            subject, intent = item.subject, item.subject.intent
            if subject.order is None or not isinstance(intent, Intent):
                continue
            says_so = any(payment.outcome is Outcome.SUCCEEDED for payment in subject.payments)
            if intent.outcome is Outcome.SUCCEEDED and not says_so:
                sibling = PaidSibling.of_intent(intent, next(iter(subject.payments), None))
                self._remembered.setdefault(subject.order, []).append(sibling)

    def _prove_by_rows(self, fetcher: Fetcher, sources: Sources) -> None:
        """Where neither a row nor the list has proved the key, ask for the newest rows of the table."""
        if self._proof.is_given:
            return
        newest = self._context.store.newest_payments(FEWEST)
        unmet = list(sources.unmet(row.payment_intent for row in newest))
        for answer in fetcher.retrieve_again(unmet).answers:
            self._proof.retrieved(answer.intent)

    def _book(self) -> None:
        if self._context.keeps_books:
            self._context.source_quota.quota.book(self._context.store.book_reads)

    @property
    def _is_quiet(self) -> bool:
        """A tick of the service that met nothing: the ledger keeps what happened, not that nothing did."""
        report = self.report
        return self._actor.is_service and report.complete and report.examined == 0

    def _conclude(self) -> None:
        """Write down how it ended, where there is a place for it."""
        sweep = self._actor.sweep
        try:
            self._book()
            if sweep is None or self._actor.writing is Writing.NOTHING:
                return
            body = dict(self.report.as_json())
            seconds = body.pop("seconds")
            entry = Draft(Action.SWEEP, {**body, "milliseconds": round(self.report.seconds * 1000)})
            totals: tuple[Draft, ...] = ()
            if self._listed is not None and self._listed_from is not None and self.report.complete:
                totals = self._totals.drafts(sweep, self._listed, self._listed_from)
            self._context.store.finish_sweep(
                sweep,
                {**body, "seconds": seconds, **self._listing_statistics.body()},
                () if self._is_quiet else (*totals, entry),
                self._actor.epoch,
            )
        except ReconcilerError as error:
            if self.report.failure is None:
                self.report.stop(error)


def _named(answers: tuple[FetchedIntent, ...]) -> str:
    return f"{answers[0].intent.id} to {answers[-1].intent.id}" if answers else "an empty page"
