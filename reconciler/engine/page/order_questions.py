"""Rows that would become failed or canceled: their orders are found out at the end of a sweep, for many together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from reconciler.domain.findings.discrepancy import Kind
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match
from reconciler.domain.model.match_facts import OrderFacts
from reconciler.domain.model.payment import Payment, StoredIdKind, stored_id
from reconciler.domain.model.recheck import Recheck
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import NEGATIVE
from reconciler.domain.rules.decision import Correct, Flag
from reconciler.domain.rules.matching import is_covered
from reconciler.engine.page.pages_to_record import PagesToRecord
from reconciler.engine.reads.fetcher import FetchedIntent
from reconciler.engine.reads.order_intents import KnownOrders, OrderIntents
from reconciler.engine.report import DecisionKind, ReportLine, SweepReport
from reconciler.engine.sweep_context import StopToken, SweepContext
from reconciler.errors import StripeUnavailableError

ORDERS_A_PAGE: Final = 100
MOST_ROWS: Final = 100
"""An order of more rows is not known: it is no order, or its newest rows were not read."""
AGAIN: Final = timedelta(minutes=10)
"""When an order is read again that could not be found out."""


class OrderQuestions:
    """Finds out orders, and decides about the rows whose verdict depends on them."""

    def __init__(self, context: SweepContext, report: SweepReport, intents: OrderIntents) -> None:
        self._store = context.store
        self._rules = context.rules
        self._report = report
        self._intents = intents
        self.pays_for_row: set[str] = set()
        """The intents that a finding names as the ones that paid for the order of a row."""

    def decide_all(
        self, pages_to_record: PagesToRecord, listed: TimeRange | None, stop_token: StopToken
    ) -> None:
        """Decide about every row that waits for its order, and record that.

        ``listed`` is the range of creation in which the sweep has seen every intent. Raises StoppedError after a page is
        recorded.
        """
        questions = pages_to_record.take_order_questions()
        for first in range(0, len(questions), ORDERS_A_PAGE):
            self._decide(pages_to_record, questions[first : first + ORDERS_A_PAGE], listed)
            stop_token.raise_if_lease_lost()
            pages_to_record.record_all(stop_token.raise_if_lease_lost)
            stop_token.raise_if_stopping()

    def _decide(
        self,
        pages_to_record: PagesToRecord,
        questions: Sequence[tuple[Match, FetchedIntent]],
        listed: TimeRange | None,
    ) -> None:
        matches = [match for match, _ in questions]
        answers = [answer for _, answer in questions]
        orders = {match.order for match in matches if match.order}
        others = {match.order for match in matches if match.order and not _is_listed(match, listed)}
        covered = orders - others
        by_order = _by_order(self._store.rows_of_orders(sorted(orders)))
        try:
            known = self._intents.of_orders(covered, others)
            # another row's own intent may hold money that neither that row nor a list of unmatched intents shows
            of_rows = self._intents_of_rows(matches, by_order, known)
        except StripeUnavailableError as error:
            self._wait(pages_to_record, answers, str(error))
            return
        unread = {**known.unread, **self._unread_of_rows(by_order)}
        if unread:
            # an order that cannot be read does not keep the others from being decided
            for order in sorted(unread.keys() & orders):
                of_order = [answer for match, answer in questions if match.order == order]
                self._wait(pages_to_record, of_order, unread[order])
            questions = [one for one in questions if one[0].order not in unread]
            matches = [match for match, _ in questions]
            answers = [answer for _, answer in questions]

        # an intent of the order may be one that was examined, as it is now
        by_id = {intent.id: intent for intents in known.by_order.values() for intent in intents}
        found = [*by_id, *of_rows]
        held = frozenset(
            row.payment_intent for row in self._store.holders(found) if row.payment_intent
        )
        paid = (*self._store.unmatched_payments(), *self._intents.unmatched_payments())
        answered = []
        for match in matches:
            order = match.order or ""
            facts = OrderFacts(
                rows=tuple(by_order.get(order, ())),
                intents=(
                    *known.by_order.get(order, ()),
                    *(
                        of_rows[row.payment_intent]
                        for row in by_order.get(order, ())
                        if row.payment_intent in of_rows
                    ),
                ),
                held=held,
                is_complete=order in covered or order in known.complete,
                rows_are_known=_rows_are_known(match, by_order.get(order, ()), {*found}),
            )
            known_facts = replace(match.facts, order=facts, unmatched_paid=paid)
            now = by_id.get(match.intent.id, match.intent)
            answered.append(replace(match, intent=now, facts=known_facts))

        loaded = self._store.load([match.intent.id for match in matches])
        page = pages_to_record.reconciler.decide_matches(answered, loaded, {})
        pages_to_record.add(page, answers)
        self.pays_for_row |= {
            str(finding.evidence["paying_intent"])
            for item in page.decisions
            if isinstance(item.decision, Flag | Correct)
            for finding in item.decision.findings
            if finding.kind is Kind.PAID_BY_OTHER_INTENT
        }

    def _intents_of_rows(
        self,
        matches: Sequence[Match],
        by_order: Mapping[str, Sequence[Payment]],
        known: KnownOrders,
    ) -> dict[str, Intent]:
        """The intents that the orders' other rows hold, by id: those that are not known yet are retrieved."""
        own = {match.intent.id for match in matches if len(match.payments) > 0}
        seen = {intent.id for intents in known.by_order.values() for intent in intents}
        held = {
            row.payment_intent
            for rows in by_order.values()
            for row in rows
            if row.payment_intent and stored_id(row.payment_intent).kind is StoredIdKind.INTENT
        }
        known_here = {
            match.intent.id: match.intent for match in matches if isinstance(match.intent, Intent)
        }
        retrieved = self._intents.retrieve(held - own - seen)
        return {**known_here, **{intent.id: intent for intent in retrieved}}

    def _unread_of_rows(self, by_order: Mapping[str, Sequence[Payment]]) -> dict[str, str]:
        """The orders of which another row's intent could not be read, and why."""
        lost = self._intents.lost
        return {
            order: lost[row.payment_intent]
            for order, rows in by_order.items()
            for row in rows
            if row.payment_intent in lost
        }

    def _wait(
        self, pages_to_record: PagesToRecord, answers: Sequence[FetchedIntent], why: str
    ) -> None:
        """Nothing negative is written while the order is not known; the intents are read again."""
        pages_to_record.store_rechecks(
            [
                Recheck(
                    one.intent.id,
                    one.intent.seen_at + AGAIN,
                    "the order of the payment is not known yet",
                )
                for one in answers
            ]
        )
        self._report.examined += len(answers)
        self._report.waiting += len(answers)
        for one in answers:
            line = f"the order of the payment could not be read: {why}"
            self._report.add_line(ReportLine(DecisionKind.WAIT, one.intent.id, (), why=line))


def _rows_are_known(match: Match, rows: Sequence[Payment], known: set[str]) -> bool:
    """Whether of every other row of the order it is known what became of its payment; ``known`` are the intents read."""
    own = {payment.key for payment in match.payments}
    others = (row for row in rows if row.key not in own and row.outcome not in NEGATIVE)
    return len(rows) <= MOST_ROWS and all(
        row.payment_intent in known
        for row in others
        # Stripe is not asked about another gateway's id: its row says itself whether it was paid
        if row.payment_intent and stored_id(row.payment_intent).kind is not StoredIdKind.FOREIGN
    )


def _is_listed(match: Match, listed: TimeRange | None) -> bool:
    """Whether the sweep's list shows every intent that may name the order of these rows."""
    return listed is not None and all(is_covered(row.created, listed) for row in match.payments)


def _by_order(rows: Iterable[Payment]) -> dict[str, list[Payment]]:
    by_order: defaultdict[str, list[Payment]] = defaultdict(list)
    for row in rows:
        if row.order:
            by_order[row.order].append(row)
    return by_order
