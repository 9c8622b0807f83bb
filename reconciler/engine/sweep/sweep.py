"""One sweep: reads its sources page by page, checks the key, records, and reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, assert_never

from reconciler.domain.audit.ledger_entry import Action, Draft
from reconciler.domain.model.intent import Intent, MissingIntent
from reconciler.domain.model.match import PaidSibling
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import Outcome
from reconciler.domain.statement.day_totals import DayTotals
from reconciler.domain.statement.period import Period, whole_days
from reconciler.engine.page.brake import Brake, PersonLimits
from reconciler.engine.page.decided_page import DecidedPage
from reconciler.engine.page.intents_elsewhere import IntentsElsewhere
from reconciler.engine.page.pages_to_record import PagesToRecord
from reconciler.engine.page.unmatched import UnmatchedIntents
from reconciler.engine.ports import Progress
from reconciler.engine.reads.fetcher import FetchedIntent, FetchedPage, Fetcher, Origin
from reconciler.engine.report import SweepReport, SweepRequest, Writing
from reconciler.engine.requester import NoRequester, Requester
from reconciler.engine.sources.sources import Sources
from reconciler.engine.sweep.listing_statistics import ListingStatistics
from reconciler.engine.sweep.stripe_key_check import FEWEST, StripeKeyCheck
from reconciler.engine.sweep.sweep_lines import SweepLines
from reconciler.engine.sweep_context import Actor, StopToken, SweepContext
from reconciler.errors import (
    DatabaseBusyError,
    ReconcilerError,
    StripeUnavailableError,
    WrongKeyError,
)

KEY_IN_DOUBT: Final = (
    "Stripe knew none of the PaymentIntents that rows name, so the key may belong to another account. PaymentIntents"
    " without a row were not recorded."
)
FIRST_DAY: Final = datetime(2010, 1, 1, tzinfo=UTC)
"""Before Stripe had payments: where a range without a beginning begins."""
EARLIEST_ROW: Final = timedelta(days=1)
"""How long before its intent a row may have been created that holds the intent's Checkout Session: it lives a day."""
LOST_PAGES: Final = 2
"""After so many pages in a row without any answer from Stripe the sweep ends, because it would only wait."""
READS_A_BOOKING: Final = 500
QUOTA_PART_A_BOOKING: Final = 0.005
"""An account with few reads books more often: a crash never loses more than this part of its 30-day read quota."""
FEWEST_A_BOOKING: Final = 25


class Sweep:
    """One sweep over one account.

    ``check_lease`` raises LeaseLostError if the lease is lost, and StoppedError if the sweep has to end after the
    current page.
    """

    def __init__(
        self,
        context: SweepContext,
        request: SweepRequest,
        actor: Actor,
        check_lease: Callable[[], None],
        progress: Progress,
        requester: Requester | None = None,
    ) -> None:
        self._context = context
        self._request = request
        self._actor = actor
        self._by_service = actor.is_service
        self._stop_token = StopToken(check_lease)
        self._progress = progress
        self._key_check = StripeKeyCheck()
        self._paid_siblings: dict[str, list[PaidSibling]] = {}
        self._listed: TimeRange | None = None
        self._listed_from: datetime | None = None
        self._statistics = ListingStatistics()
        # a dry run stores none
        is_stored = actor.sweep is not None and actor.writing is not Writing.NOTHING
        writes_rows = actor.writing is Writing.ROWS
        self._totals = DayTotals(context.zone, writes_rows=writes_rows) if is_stored else None
        self._lost_pages = 0
        self.report = SweepReport.of(request, actor.account, actor.mode, actor.sweep)
        requester = requester or NoRequester()
        self._lines = SweepLines(self.report, request, requester)
        self._limits = PersonLimits(Brake(request, actor, self.report, requester), request.review)
        self._unmatched = UnmatchedIntents(context, actor, self.report)
        self._elsewhere = IntentsElsewhere(context.rules)

    def run(self) -> SweepReport:
        """Make the sweep. Always returns a report; its ``failure`` is the error that ended the sweep early."""
        context, report = self._context, self.report
        began = context.clock.monotonic()
        reads, rate_limited = context.stripe.reads, context.stripe.rate_limited
        try:
            self._read_and_record()
        except ReconcilerError as error:
            report.stop(error)
        except KeyboardInterrupt:
            # the person still gets the report of what was recorded before
            report.complete = False
            report.stopped = "It was interrupted; what had been recorded stays."
        self._lines.compare_with_review()
        report.notes.extend(report.row_ids.notes())
        report.reads = context.stripe.reads - reads
        report.rate_limited = context.stripe.rate_limited - rate_limited
        report.seconds = context.clock.monotonic() - began
        self._store_end()
        return report

    def _read_and_record(self) -> None:
        context = self._context
        with Fetcher(context.stripe, context.clock, context.workers, context.page_size) as fetcher:
            pages_to_record = PagesToRecord(
                context, self._actor, fetcher, self.report, self._limits, self._totals
            )
            sources = Sources(context, self._request, self._actor, fetcher, self.report)
            try:
                self._process_all(sources, pages_to_record, fetcher)
            finally:
                sources.give_back()

    def _process_all(
        self, sources: Sources, pages_to_record: PagesToRecord, fetcher: Fetcher
    ) -> None:
        for page in sources.pages():
            self._process(page, pages_to_record, sources)
            if self._stop_token.is_stopping:
                self._end_early(pages_to_record)

        # nothing may be recorded before the key is proved
        if self._unmatched or self._key_check.is_doubtful:
            self._check_key_by_newest_rows(fetcher, sources)
        self._key_check.conclude()
        pages_to_record.record_all(self._stop_token.raise_if_lease_lost)
        self._stop_token.raise_if_stopping()

        self._listed, self._listed_from = sources.listed, sources.listed_from
        if self._unmatched and self._key_check.is_doubtful:
            # the key may be another account's, and so may be the intents without a row
            self._unmatched.drop(KEY_IN_DOUBT)
        if self._unmatched and self._listed is None:
            # one of these intents may belong to a row that holds a session and was not read in this sweep
            sources.find_intents_of_other_ids(TimeRange(self._unmatched.oldest - EARLIEST_ROW))
        self._decide_at_the_end(pages_to_record, fetcher)
        sources.finish()

    def _decide_at_the_end(self, pages_to_record: PagesToRecord, fetcher: Fetcher) -> None:
        """Decide what needs to know the other intents of its order: negative writes, and intents without a row."""
        # most sweeps have neither, and need to know no order
        if not self._unmatched and not pages_to_record.has_order_questions:
            return
        from reconciler.engine.page.order_questions import OrderQuestions
        from reconciler.engine.reads.order_intents import OrderIntents

        intents = OrderIntents(
            self._context,
            self._actor,
            fetcher,
            self.report,
            self._unmatched.intents,
            self._elsewhere,
            self._listed_from,
        )
        orders = OrderQuestions(self._context, self.report, intents)
        orders.decide_all(pages_to_record, self._known_range, self._stop_token)
        self._unmatched.exclude(frozenset(orders.pays_for_row))
        self._unmatched.decide_all(pages_to_record, fetcher, self._known_range, self._stop_token)
        # a row that was found by its order may have to become canceled too
        orders.decide_all(pages_to_record, self._known_range, self._stop_token)

    @property
    def _known_range(self) -> TimeRange | None:
        """The range of creation in which this sweep knows every intent that may be an order's money."""
        return self._listed if self._unmatched.is_whole and self._elsewhere.is_whole else None

    def _end_early(self, pages_to_record: PagesToRecord) -> None:
        """Record the held pages if the key is proved by now, and raise the StoppedError.

        No further read is made for the proof. A key that could not be checked to the end is not reported as wrong.
        """
        try:
            self._key_check.conclude()
            is_trusted = not self._key_check.is_doubtful
        except WrongKeyError:
            is_trusted = False
        if is_trusted:
            pages_to_record.record_all(self._stop_token.raise_if_lease_lost)
        self._stop_token.raise_if_stopping()

    def _process(self, page: FetchedPage, pages_to_record: PagesToRecord, sources: Sources) -> None:
        self._stop_token.raise_if_lease_lost()
        if page.origin is Origin.PLANNED:
            self._process_planned(page, pages_to_record, sources)
            return
        self._report_failures(page)

        answers = page.answers
        if page.origin is Origin.LIST:
            # another source or an earlier page may have shown it already
            new = set(sources.unmet(answer.intent.id for answer in answers))
            answers = tuple(answer for answer in answers if answer.intent.id in new)
        try:
            decided_page, unmatched = pages_to_record.reconciler.load_and_decide(
                [answer.intent for answer in answers], self._paid_siblings, page.events
            )
        except DatabaseBusyError as error:
            self.report.miss(_page_name(answers), str(error), len(answers))
            return

        self._add_evidence(page.origin, decided_page, answers)
        self._remember_paid(decided_page)
        self._elsewhere.add(item.match for item in decided_page.decisions)
        if unmatched:
            later = {intent.id for intent in unmatched}
            self._unmatched.add([one for one in answers if one.intent.id in later], page.events)
        self._keep(decided_page, answers, pages_to_record)

    def _report_failures(self, page: FetchedPage) -> None:
        """Report what of a page could not be read. Raises StripeUnavailableError if Stripe answers nothing any more."""
        if not page.failures:
            self._lost_pages = 0
            return
        for failure in page.failures:
            self.report.miss(failure.what, failure.why)
        self._lost_pages = self._lost_pages + 1 if page.is_lost else 0
        if self._lost_pages >= LOST_PAGES and not self._stop_token.is_stopping:
            raise StripeUnavailableError(
                f"Stripe answered nothing of {LOST_PAGES} pages in a row.",
                f"The last error was: {page.failures[-1].why}",
            )

    def _process_planned(
        self, page: FetchedPage, pages_to_record: PagesToRecord, sources: Sources
    ) -> None:
        """Process a page of a list that was read for its open rows. A row that it does not show is retrieved later."""
        answers = tuple(answer for answer in page.answers if not sources.is_met(answer.intent.id))
        decided_page, _ = pages_to_record.reconciler.load_and_decide(
            [answer.intent for answer in answers], self._paid_siblings, page.events, only_open=True
        )
        shown = [item.match.intent.id for item in decided_page.decisions]
        shown += [item.match.intent.id for item in decided_page.unanswered]
        sources.add_shown(page.stretch, shown)
        self._add_evidence(page.origin, decided_page, answers)
        self._remember_paid(decided_page)
        self._keep(decided_page, answers, pages_to_record)

    def _keep(
        self,
        decided_page: DecidedPage,
        answers: tuple[FetchedIntent, ...],
        pages_to_record: PagesToRecord,
    ) -> None:
        pages_to_record.add(decided_page, answers)
        # with a wrong key every finding would be wrong, so the pages are held until the key is proved
        if self._key_check.is_proved and pages_to_record.is_full:
            pages_to_record.record_all(self._stop_token.raise_if_lease_lost)

        # book often enough that a crash loses little, and seldom enough that it costs little
        quota = self._context.source_quota.quota
        part = max(FEWEST_A_BOOKING, round(QUOTA_PART_A_BOOKING * quota.allowed))
        if quota.unbooked >= min(READS_A_BOOKING, part):
            self._book_reads()
        self._progress.advance(self.report.examined, self.report.expected)

    def _add_evidence(
        self, origin: Origin, decided_page: DecidedPage, answers: tuple[FetchedIntent, ...]
    ) -> None:
        """Count what a page shows about the key, and what a list adds to the totals of its days."""
        match origin:
            case Origin.ROW:
                for answer in answers:
                    self._key_check.add_retrieved(answer.intent)
                self._report_unknown(decided_page)
            case Origin.LIST | Origin.PLANNED | Origin.EVENT:
                # Stripe itself showed these intents, so only one that a row names proves the key
                with_rows = [item.match for item in decided_page.decisions if item.match.payments]
                if with_rows:
                    self._key_check.add_listed_and_named()
                if origin is Origin.LIST:
                    self._statistics.add_page([answer.intent for answer in answers], with_rows)
            case _ as unreachable:
                assert_never(unreachable)

    def _report_unknown(self, decided_page: DecidedPage) -> None:
        """Report the intents that a person named and that neither side knows."""
        if not self._request.names_intents:
            return
        why = "Neither Stripe nor the table knows it: check the id, the key and the account."
        for item in decided_page.decisions:
            if isinstance(item.match.intent, MissingIntent) and not item.match.payments:
                self.report.miss(item.match.intent.id, why)

    def _remember_paid(self, decided_page: DecidedPage) -> None:
        """Remember which intents Stripe shows as paid if no row says so yet: they count for the pages that follow."""
        for item in decided_page.decisions:
            match, intent = item.match, item.match.intent
            if match.order is None or not isinstance(intent, Intent):
                continue
            # a row that says paid is loaded with every page of its order, so it need not be remembered
            row_says_paid = any(row.outcome is Outcome.SUCCEEDED for row in match.payments)
            if intent.outcome is Outcome.SUCCEEDED and not row_says_paid:
                sibling = PaidSibling.of_intent(intent, next(iter(match.payments), None))
                self._paid_siblings.setdefault(match.order, []).append(sibling)

    def _check_key_by_newest_rows(self, fetcher: Fetcher, sources: Sources) -> None:
        """Read the intents of the table's newest rows if neither a row nor a list has proved the key."""
        if self._key_check.is_proved:
            return
        newest = self._context.store.newest_payments(FEWEST)
        unmet = list(sources.unmet(sources.intents_of(newest)))
        for answer in fetcher.retrieve_again(unmet).answers:
            self._key_check.add_retrieved(answer.intent)

    def _book_reads(self) -> None:
        if self._context.has_schema:
            self._context.source_quota.quota.book(self._context.store.book_reads)

    @property
    def _is_uneventful(self) -> bool:
        """Whether this is a sweep of the service that examined nothing. Such a sweep has no ledger entry."""
        report = self.report
        return self._by_service and report.complete and report.examined == 0

    def _store_end(self) -> None:
        """Store how the sweep ended, unless it is a dry run. An error here becomes the report's failure."""
        sweep = self._actor.sweep
        try:
            self._book_reads()
            if sweep is None or self._actor.writing is Writing.NOTHING:
                return
            if self._actor.writing is Writing.ROWS and not self._by_service:
                self.report.outbox_waiting = self._context.store.outbox_waiting()

            # the ledger holds no fractions, so its entry has whole milliseconds
            body = dict(self.report.as_json())
            seconds = body.pop("seconds")
            entry = Draft(Action.SWEEP, {**body, "milliseconds": round(self.report.seconds * 1000)})

            # an incomplete sweep may lack payments of a day, so it has no totals
            days = self._whole_days() if self.report.complete else None
            totals = () if days is None else self._day_entries(sweep, days)
            if days is not None:
                body["days"] = {"first": days.first.isoformat(), "last": days.last.isoformat()}
                body["timezone"] = str(days.zone)
                entry = replace(
                    entry, body={**entry.body, "days": body["days"], "timezone": body["timezone"]}
                )
            self._context.store.finish_sweep(
                sweep,
                {**body, "seconds": seconds, **self._statistics.as_body()},
                () if self._is_uneventful else (*totals, entry),
                self._actor.epoch,
            )
        except ReconcilerError as error:
            if self.report.failure is None:
                self.report.stop(error)

    def _whole_days(self) -> Period | None:
        """The days of which this sweep listed every payment."""
        if self._listed is None or self._listed_from is None:
            return None
        return whole_days(self._listed, self._context.zone, FIRST_DAY, self._listed_from)

    def _day_entries(self, sweep: int, days: Period) -> tuple[Draft, ...]:
        if self._totals is None:
            return ()
        local = self._context.store.sums_by_day(TimeRange(days.start, days.end), days.zone)
        return self._totals.entries(sweep, days.days, local)


def _page_name(answers: tuple[FetchedIntent, ...]) -> str:
    return f"{answers[0].intent.id} to {answers[-1].intent.id}" if answers else "an empty page"
