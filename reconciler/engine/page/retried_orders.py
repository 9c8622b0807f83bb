"""Orders that were paid under another intent than the one that their row holds: the retry's webhook was lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.domain.findings.discrepancy import Kind
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match, Rules
from reconciler.domain.model.match_facts import OrderFacts
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import NOT_YET_PAID, PAID_OR_HELD
from reconciler.domain.rules.decision import Correct, Flag
from reconciler.domain.rules.grace import Wait
from reconciler.domain.rules.matching import match_by_id, named_order
from reconciler.engine.page.decided_page import DecidedPage
from reconciler.engine.page.pages_to_record import PagesToRecord
from reconciler.engine.page.reconcile_page import PageReconciler
from reconciler.engine.ports import Store
from reconciler.engine.reads.fetcher import FetchedIntent, Fetcher


@dataclass(frozen=True, slots=True)
class RetriedPage:
    """What was found out. ``named`` are intents that paid for a row's order, ``waiting`` those whose row waits."""

    decided_page: DecidedPage
    answers: tuple[FetchedIntent, ...]
    named: frozenset[str]
    waiting: frozenset[str]

    def add_to(self, pages_to_record: PagesToRecord) -> None:
        """Have its decisions recorded. The sweep has decided about these intents before, without the order's payment."""
        if pages_to_record.totals is not None:
            pages_to_record.totals.again.update(
                item.match.intent.id for item in self.decided_page.decisions
            )
        pages_to_record.add(self.decided_page, self.answers)


class RetriedOrders:
    """Finds the rows whose order an unmatched intent paid for. Each such row costs one read of its own intent."""

    def __init__(self, account: str, store: Store, rules: Rules) -> None:
        self._account = account
        self._store = store
        self._rules = rules

    def find(
        self,
        unmatched: Sequence[Intent],
        reconciler: PageReconciler,
        fetcher: Fetcher,
    ) -> RetriedPage | None:
        """Decide about the rows of the orders that these intents name; None if none of them may be a retry."""
        by_order = self._by_order(unmatched)
        paid = [one for one in unmatched if one.outcome in PAID_OR_HELD]
        orders = sorted({order for one in paid if (order := named_order(one, self._rules))})
        if not orders:
            return None
        rows = self._store.rows_of_orders(orders)
        own = sorted({row.payment_intent for row in rows if row.payment_intent and _may_be(row)})
        if not own:
            return None

        page = fetcher.retrieve_again(own)
        matches = self._matches(page.answers, rows, by_order)
        loaded = self._store.load([match.intent.id for match in matches])
        decided = reconciler.decide_matches(matches, loaded, {})
        kept = tuple(
            item
            for item in decided.decisions
            if isinstance(item.decision, Wait) or _is_paid_by_other(item.decision)
        )
        # an order whose row could not be held against its own intent is not decided now
        unread = {failure.what for failure in page.failures}
        waiting = {row.order for row in rows if row.order and row.payment_intent in unread}
        waiting |= {
            item.match.order
            for item in kept
            if isinstance(item.decision, Wait) and item.match.order is not None
        }
        return RetriedPage(
            replace(decided, decisions=kept, unanswered=()),
            page.answers,
            named=frozenset(
                str(finding.evidence["paying_intent"])
                for item in kept
                if isinstance(item.decision, Flag | Correct)
                for finding in item.decision.findings
                if finding.kind is Kind.PAID_BY_OTHER_INTENT
            ),
            waiting=frozenset(intent.id for order in waiting for intent in by_order.get(order, ())),
        )

    def _by_order(self, intents: Iterable[Intent]) -> Mapping[str, list[Intent]]:
        by_order: defaultdict[str, list[Intent]] = defaultdict(list)
        for intent in intents:
            order = named_order(intent, self._rules)
            if order is not None:
                by_order[order].append(intent)
        return by_order

    def _matches(
        self,
        answers: Sequence[FetchedIntent],
        rows: Sequence[Payment],
        by_order: Mapping[str, list[Intent]],
    ) -> list[Match]:
        intents = [answer.intent for answer in answers]
        loaded = self._store.load([intent.id for intent in intents])
        found = [intent.id for others in by_order.values() for intent in others]
        held = frozenset(
            row.payment_intent for row in self._store.holders(found) if row.payment_intent
        )
        matches = []
        for match in match_by_id(self._account, intents, loaded, {}):
            if not match.payments or not isinstance(match.intent, Intent):
                continue
            facts = OrderFacts(
                rows=tuple(row for row in rows if row.order == match.order),
                intents=tuple(by_order.get(match.order or "", ())),
                held=held,
            )
            matches.append(replace(match, facts=replace(match.facts, order=facts)))
        return matches


def _may_be(row: Payment) -> bool:
    return row.outcome in NOT_YET_PAID


def _is_paid_by_other(decision: object) -> bool:
    return isinstance(decision, Flag | Correct) and any(
        finding.kind is Kind.PAID_BY_OTHER_INTENT for finding in decision.findings
    )
