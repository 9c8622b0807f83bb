"""One sweep: reads its sources page by page, checks the key, records, and reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, assert_never

from reconciler.domain.audit.ledger_entry import Action, Draft
from reconciler.domain.model.intent import Intent, MissingIntent
from reconciler.domain.model.match import PaidSibling
from reconciler.domain.model.rows_of_no_account import RowsOfNoAccount
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import Outcome
from reconciler.engine.page.brake import Brake, PersonLimits
from reconciler.engine.page.decided_page import DecidedPage
from reconciler.engine.page.pages_to_record import PagesToRecord
from reconciler.engine.ports import Progress
from reconciler.engine.reads.fetcher import FetchedIntent, FetchedPage, Fetcher, Origin
from reconciler.engine.report import SweepKind, SweepReport, SweepRequest, Writing
from reconciler.engine.requester import NoRequester, Requester
from reconciler.engine.review import Review
from reconciler.engine.row_id_counts import RowIdCounts
from reconciler.engine.sources.sources import Sources
from reconciler.engine.sweep.stripe_key_check import FEWEST, StripeKeyCheck
from reconciler.engine.sweep_context import Actor, StopToken, SweepContext
from reconciler.errors import (
    DatabaseBusyError,
    ReconcilerError,
    StripeUnavailableError,
    WrongKeyError,
)

if TYPE_CHECKING:
    # imported when a sweep needs them: most sweeps list nothing, and know a row of every intent
    from reconciler.engine.sweep.late_decisions import LateDecisions
    from reconciler.engine.sweep.listed_window import ListedWindow
    from reconciler.engine.sweep.review_comparison import ReviewComparison

LOST_PAGES: Final = 2
"""After so many pages in a row without any answer from Stripe the sweep ends, because it would only wait."""


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
        self._window = self._new_window()
        self._stop_token = StopToken(check_lease)
        self._progress = progress
        self._key_check = StripeKeyCheck()
        self._paid_siblings: dict[str, list[PaidSibling]] = {}
        self._listed: TimeRange | None = None
        self._listed_from: datetime | None = None
        self._lost_pages = 0
        self.report = SweepReport.of(request, actor.account, actor.mode, actor.sweep)
        requester = requester or NoRequester()
        self.report.on_line = requester.take_line
        self._comparison: ReviewComparison | None = None
        if request.review is not None:
            self._comparison = self._compared_with_review(request.review, requester)
        self._limits = PersonLimits(Brake(request, actor, self.report, requester), request.review)
        self._late: LateDecisions | None = None

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
            report.stopped = "The sweep was interrupted. What it had recorded stays."
        if self._comparison is not None:
            self._comparison.report_changes()
        if report.row_ids != RowIdCounts():
            report.notes.extend(report.row_ids.notes())
        if context.count_rows_of_no_account is not None:
            self._count_rows_of_no_account(context.count_rows_of_no_account)
        report.reads = context.stripe.reads - reads
        report.rate_limited = context.stripe.rate_limited - rate_limited
        report.seconds = context.clock.monotonic() - began
        self._store_end()
        return report

    def _count_rows_of_no_account(self, count: Callable[[], RowsOfNoAccount]) -> None:
        """Count them for a person and once in each window. It reads the whole table, so the frequent sweeps do not."""
        report = self.report
        is_frequent = self._by_service and self._request.kind is not SweepKind.WINDOW
        if is_frequent or self._request.names_intents or report.stopped is not None:
            return
        try:
            found = report.rows_of_no_account = count()
        except ReconcilerError as error:
            report.notes.append(f"Could not count the rows that belong to no account: {error}")
            return
        if found.rows:
            report.notes.append(
                f"Rows that belong to no configured account: {found.rows:,}. Their account column holds: "
                f"{found.text}. No sweep examines these rows."
            )

    def _compared_with_review(self, review: Review, requester: Requester) -> ReviewComparison:
        from reconciler.engine.sweep.review_comparison import ReviewComparison

        comparison = ReviewComparison(self.report, review, requester.take_line)
        self.report.on_line = comparison.take
        return comparison

    def _new_window(self) -> ListedWindow | None:
        """What the lists of a window are counted in; None if none is listed, or in a dry run, which stores nothing."""
        actor, request = self._actor, self._request
        if actor.sweep is None or actor.writing is Writing.NOTHING:
            return None
        # the tail lists a window too if its events are too old
        if request.kind is SweepKind.DUE or request.names_intents:
            return None
        from reconciler.engine.sweep.listed_window import ListedWindow

        return ListedWindow(self._context.zone, writes_rows=actor.writing is Writing.ROWS)

    def _late_decisions(self) -> LateDecisions:
        if self._late is None:
            from reconciler.engine.sweep.late_decisions import LateDecisions

            self._late = LateDecisions(self._context, self._actor, self.report, self._stop_token)
        return self._late

    def _read_and_record(self) -> None:
        context = self._context
        with Fetcher(context.stripe, context.clock, context.workers, context.page_size) as fetcher:
            pages_to_record = PagesToRecord(
                context,
                self._actor,
                fetcher,
                self.report,
                self._limits,
                None if self._window is None else self._window.totals,
            )
            sources = Sources(context, self._request, self._actor, fetcher, self.report)
            try:
                self._process_all(sources, pages_to_record, fetcher)
                if self._window is not None:
                    self._listed, self._listed_from = sources.listed, sources.listed_from
            finally:
                if self._by_service:
                    sources.give_back()

    def _process_all(
        self, sources: Sources, pages_to_record: PagesToRecord, fetcher: Fetcher
    ) -> None:
        for page in sources.pages():
            self._process(page, pages_to_record, sources)
            if self._stop_token.is_stopping:
                self._end_early(pages_to_record)

        # nothing may be recorded before the key is proved
        has_unmatched = self._late is not None and self._late.has_unmatched
        if has_unmatched or self._key_check.is_doubtful:
            self._check_key_by_newest_rows(fetcher, sources)
        self._key_check.conclude()
        pages_to_record.record_all(self._stop_token.raise_if_lease_lost)
        if self._stop_token.is_stopping:
            self._stop_token.raise_if_stopping()

        # most sweeps have neither, and need to know no order
        if self._late is not None or pages_to_record.has_order_questions:
            self._decide_at_the_end(pages_to_record, fetcher, sources)
        sources.finish()

    def _decide_at_the_end(
        self, pages_to_record: PagesToRecord, fetcher: Fetcher, sources: Sources
    ) -> None:
        """Decide what needs to know the other intents of its order: negative writes, and intents without a row."""
        late = self._late_decisions()
        late.prepare(sources, key_is_doubtful=self._key_check.is_doubtful)
        late.decide_all(pages_to_record, fetcher, sources, self._request.names_intents)

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
        if page.failures:
            self._report_failures(page)
        else:
            self._lost_pages = 0

        answers = page.answers
        if page.origin is Origin.LIST:
            # another source or an earlier page may have shown it already
            new = set(sources.unmet(answer.intent.id for answer in answers))
            answers = tuple(answer for answer in answers if answer.intent.id in new)
        try:
            decided_page, unmatched = pages_to_record.reconciler.load_and_decide(
                [answer.intent for answer in answers], self._paid_siblings, page.events, page.loaded
            )
        except DatabaseBusyError as error:
            self.report.miss(_page_name(answers), str(error), len(answers))
            return

        self._add_evidence(page.origin, decided_page, answers)
        self._remember_paid(decided_page)
        if self._context.rules.link_metadata is not None:
            self._late_decisions().add_examined(item.match for item in decided_page.decisions)
        if unmatched:
            later = {intent.id for intent in unmatched}
            kept = [one for one in answers if one.intent.id in later]
            self._late_decisions().add_unmatched(kept, page.events)
        self._keep(page, decided_page, answers, pages_to_record)

    def _report_failures(self, page: FetchedPage) -> None:
        """Report what of a page could not be read. Raises StripeUnavailableError if Stripe answers nothing any more."""
        for failure in page.failures:
            self.report.miss(failure.what, failure.why)
        self._lost_pages = self._lost_pages + 1 if page.is_lost else 0
        if self._lost_pages >= LOST_PAGES and not self._stop_token.is_stopping:
            raise StripeUnavailableError(
                f"Stripe gave no usable answer for {LOST_PAGES} pages in a row.",
                f"The last error was: {page.failures[-1].why}",
            )

    def _process_planned(
        self, page: FetchedPage, pages_to_record: PagesToRecord, sources: Sources
    ) -> None:
        """Process a page of a list that was read for its open rows. A row that it does not show is retrieved later."""
        answers = tuple(answer for answer in page.answers if not sources.is_met(answer.intent.id))
        decided_page, _ = pages_to_record.reconciler.load_and_decide(
            [answer.intent for answer in answers],
            self._paid_siblings,
            page.events,
            page.loaded,
            only_open=True,
        )
        shown = [item.match.intent.id for item in decided_page.decisions]
        shown += [item.match.intent.id for item in decided_page.unanswered]
        sources.add_shown(page.stretch, shown)
        self._add_evidence(page.origin, decided_page, answers)
        self._remember_paid(decided_page)
        self._keep(page, decided_page, answers, pages_to_record)

    def _keep(
        self,
        page: FetchedPage,
        decided_page: DecidedPage,
        answers: tuple[FetchedIntent, ...],
        pages_to_record: PagesToRecord,
    ) -> None:
        pages_to_record.add(decided_page, answers)
        # with a wrong key every finding would be wrong, so the pages are held until the key is proved
        if not page.is_followed and self._key_check.is_proved and pages_to_record.is_full:
            pages_to_record.record_all(self._stop_token.raise_if_lease_lost)
        if self._context.source_quota.quota.has_to_be_booked:
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
                if self._request.names_intents:
                    self._report_unknown(decided_page)
            case Origin.LIST | Origin.PLANNED | Origin.EVENT:
                # Stripe itself showed these intents, so only one that a row names proves the key
                with_rows = [item.match for item in decided_page.decisions if item.match.payments]
                if with_rows:
                    self._key_check.add_listed_and_named()
                if origin is Origin.LIST and self._window is not None:
                    self._window.add_page(len(answers), with_rows, decided_page.loaded)
            case _ as unreachable:
                assert_never(unreachable)

    def _report_unknown(self, decided_page: DecidedPage) -> None:
        """Report the intents that a person named and that neither side knows."""
        why = "Neither Stripe nor your table knows this PaymentIntent: check the id, the key and the account."
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

    def _store_end(self) -> None:
        """Store how the sweep ended, unless it is a dry run. An error here becomes the report's failure."""
        sweep = self._actor.sweep
        try:
            self._book_reads()
            if sweep is None or self._actor.writing is Writing.NOTHING:
                return
            if self._actor.writing is Writing.ROWS and not self._by_service:
                self.report.outbox_waiting = self._context.store.outbox_waiting()

            # a sweep of the service that examined nothing has no ledger entry
            is_uneventful = self._by_service and self.report.complete and self.report.examined == 0
            # the ledger holds no fractions, so its entry has whole milliseconds
            body = dict(self.report.as_json())
            seconds = body.pop("seconds")
            entry = Draft(Action.SWEEP, {**body, "milliseconds": round(self.report.seconds * 1000)})

            totals: tuple[Draft, ...] = ()
            if self._window is not None:
                days = self._window.whole_days(self._listed, self._listed_from)
                # an incomplete sweep may lack payments of a day, so it has no totals
                if days is not None and self.report.complete:
                    totals = self._window.day_entries(sweep, days, self._context.store)
                    body["days"] = {"first": days.first.isoformat(), "last": days.last.isoformat()}
                    body["timezone"] = str(days.zone)
                    certificate = self._window.certificate(
                        days, self.report, self._context.store, self._context.provenance
                    )
                    named = {"days": body["days"], "timezone": body["timezone"]}
                    entry = replace(entry, body={**entry.body, **named, "certificate": certificate})
                body |= self._window.as_body(self._listed, self._listed_from)
            # a sweep of a part does not show how long ago all payments were examined
            bounds = (self._request.since, self._request.until)
            body["is_part"] = self._request.names_intents or bounds != (None, None)
            self.report.ledger_head = self._context.store.finish_sweep(
                sweep,
                {**body, "seconds": seconds},
                () if is_uneventful else (*totals, entry),
                self._actor.epoch,
            )
        except ReconcilerError as error:
            if self.report.failure is None:
                self.report.stop(error)


def _page_name(answers: tuple[FetchedIntent, ...]) -> str:
    return f"{answers[0].intent.id} to {answers[-1].intent.id}" if answers else "an empty page"
