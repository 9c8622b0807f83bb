"""What a sweep decides at its end, when it knows the intents of whole orders: intents without a row, and negative writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from reconciler.domain.model.intent import Event
from reconciler.domain.model.match import Match
from reconciler.domain.model.time_range import TimeRange
from reconciler.engine.page.intents_elsewhere import IntentsElsewhere
from reconciler.engine.page.order_questions import OrderQuestions
from reconciler.engine.page.orders_of_unmatched import OrdersOfUnmatched
from reconciler.engine.page.pages_to_record import PagesToRecord
from reconciler.engine.page.unmatched import UnmatchedIntents
from reconciler.engine.reads.fetcher import FetchedIntent, Fetcher
from reconciler.engine.reads.order_intents import OrderIntents
from reconciler.engine.report import SweepReport
from reconciler.engine.sources.sources import Sources
from reconciler.engine.sweep_context import Actor, StopToken, SweepContext

KEY_IN_DOUBT: Final = (
    "Stripe knew none of the PaymentIntents that your rows name, so the key may belong to another account. "
    "PaymentIntents without a row were not recorded."
)
EARLIEST_ROW: Final = timedelta(days=1)
"""How long before its intent a row may have been created that holds the intent's Checkout Session: it lives a day."""


class LateDecisions:
    """Keeps, for one sweep, what only its end can decide. Most sweeps meet nothing of this."""

    def __init__(
        self, context: SweepContext, actor: Actor, report: SweepReport, stop_token: StopToken
    ) -> None:
        self._context = context
        self._actor = actor
        self._report = report
        self._stop_token = stop_token
        self._unmatched = UnmatchedIntents(context, actor, report)
        self._elsewhere = IntentsElsewhere(context.rules)

    @property
    def has_unmatched(self) -> bool:
        """Whether the sweep has met an intent that no row holds and that can be a finding."""
        return bool(self._unmatched)

    def add_unmatched(
        self, answers: Sequence[FetchedIntent], events: Mapping[str, tuple[Event, ...]]
    ) -> None:
        """Keep intents that no row holds."""
        self._unmatched.add(answers, events)

    def add_examined(self, matches: Iterable[Match]) -> None:
        """Keep the intents of these matches that name another order than their rows."""
        self._elsewhere.add(matches)

    def prepare(self, sources: Sources, *, key_is_doubtful: bool) -> None:
        """Make ready what no row holds: give it up if the key may be wrong, and look for rows that hold other ids."""
        if not self.has_unmatched:
            return
        if key_is_doubtful:
            # the key may be another account's, and so may be the intents without a row
            self._unmatched.drop(KEY_IN_DOUBT)
        elif sources.listed is None:
            # one of these intents may belong to a row that holds a session and was not read in this sweep
            sources.find_intents_of_other_ids(TimeRange(self._unmatched.oldest - EARLIEST_ROW))

    def decide_all(
        self,
        pages_to_record: PagesToRecord,
        fetcher: Fetcher,
        sources: Sources,
        finds_orders: bool,
    ) -> None:
        """Decide and record everything that was kept, and the questions about orders.

        ``finds_orders`` is whether the orders of unpaid intents without a row are found out where no list of this sweep
        shows them: a person who names an intent wants to know, and a tail would read too much for that.
        """
        if not self._unmatched and not pages_to_record.has_order_questions:
            return
        listed = sources.listed
        intents = OrderIntents(
            self._context,
            self._actor,
            fetcher,
            self._report,
            self._unmatched.intents,
            self._elsewhere,
            sources.listed_from,
        )
        orders = OrderQuestions(self._context, self._report, intents)
        orders.decide_all(pages_to_record, self._known(listed), self._stop_token)
        self._unmatched.exclude(frozenset(orders.pays_for_row))
        if finds_orders:
            self._unmatched.orders = OrdersOfUnmatched(self._context.store, self._report, intents)
        self._unmatched.decide_all(pages_to_record, fetcher, self._known(listed), self._stop_token)
        # a row that was found by its order may have to become canceled too
        orders.decide_all(pages_to_record, self._known(listed), self._stop_token)

    def _known(self, listed: TimeRange | None) -> TimeRange | None:
        """The range of creation in which this sweep knows every intent that may be an order's money."""
        return listed if self._unmatched.is_whole and self._elsewhere.is_whole else None
