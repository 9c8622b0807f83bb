"""What the payments of each day add up to, as a sweep over a whole range saw them.

The day of a payment is the day on which Stripe created its intent, in the time zone of the books. Payments that agree
leave no other trace, and a statement must be reproducible when the merchant's table has changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, tzinfo
from typing import assert_never

from reconciler.domain.audit.ledger_entry import Action, Draft
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match
from reconciler.domain.model.match_facts import FactNeededError
from reconciler.domain.model.money_back import DisputePhase
from reconciler.domain.rules.decision import Correct, Decision, Flag, Keep
from reconciler.domain.rules.grace import Wait
from reconciler.domain.rules.money_kept import money_kept
from reconciler.domain.statement.day_matching import MatchingCounts
from reconciler.domain.statement.day_money import Count, DayMoney, MoneyBackTimes, MovedPayments
from reconciler.domain.statement.payment_difference import (
    PaidRow,
    difference,
    paid_rows,
    rows_after,
)


class DayTotals:
    """Adds up what a sweep decided. Each intent comes once. ``zone`` is the time zone of the books.

    ``writes_rows`` is whether a decision to correct was written.
    """

    def __init__(self, zone: tzinfo, *, writes_rows: bool) -> None:
        self._zone = zone
        self._writes_rows = writes_rows
        self._days: defaultdict[tuple[date, str], DayMoney] = defaultdict(DayMoney)
        self._matching = MatchingCounts(self.day_of)
        self.again: set[str] = set()
        """Intents that were added, and will be added with another decision: they are counted once."""
        self.money_back = MoneyBackTimes()
        """Takes when money of payments went back, before the payments are added."""

    def add(self, decided: Iterable[tuple[Match, Decision]]) -> None:
        """Add the final decisions of a page."""
        for match, decision in decided:
            self._add(match, decision)

    def add_waiting(self, intents: Iterable[Intent]) -> None:
        """Add intents that no row holds and that wait without a decision."""
        self.add((Match("", intent, ()), Wait(intent.seen_at, "")) for intent in intents)

    def entries(
        self,
        sweep: int | None,
        days: Sequence[date],
        local: Mapping[tuple[date, str], Mapping[str, Mapping[str, int]]],
        left_out: Mapping[tuple[date, str], Mapping[str, Mapping[str, int]]],
    ) -> tuple[Draft, ...]:
        """A ledger entry for each of these days and each currency that has money on it, in their order.

        ``local`` is the table's own count by outcome for each day and currency, ``left_out`` that of the rows that are in
        no sum, by the reason.
        """
        wanted = set(days)
        keys = self._days.keys() | local.keys() | left_out.keys()
        found = {key for key in keys if key[0] in wanted}
        return tuple(
            Draft(
                Action.DAY_TOTALS,
                {
                    "sweep": sweep,
                    "day": day.isoformat(),
                    "currency": currency,
                    "local": local.get((day, currency), {}),
                    "left_out": left_out.get((day, currency), {}),
                    **self._days.get((day, currency), DayMoney()).as_body(),
                    "matching": self._matching.of(day, currency).as_body(),
                },
            )
            for day, currency in sorted(found)
        )

    def _add(self, match: Match, decision: Decision) -> None:
        intent = match.intent if isinstance(match.intent, Intent) else None
        after = rows_after(match, decision) if self._writes_rows else match.payments
        rows = paid_rows(match, after)
        paying = _intent_after(match, decision) or intent
        is_again = match.intent.id in self.again
        is_held = bool(after) and self._matching.add_rows(match, after, paying, is_again=is_again)
        if rows and paying is not None:
            self._add_moved(rows, paying)
        if intent is None or is_again:
            return

        day = self.day_of(intent.created)
        money = self._days[day, intent.currency]
        if not _is_of_table(match, decision):
            excluded = money.outside_mapping if match.facts.excluded_rows else money.unrelated
            if intent.amount_received:
                excluded.add(intent.amount_received)
            return
        if intent.outcome not in money.stripe:
            money.stripe[intent.outcome] = Count()
        money.stripe[intent.outcome].add(intent.settled_amount)
        if not is_held:
            self._matching.add_payment_without_row(intent)
        self._add_received(match, intent, money)
        for currency, amount in difference(rows, paying).items():
            self._explain(match, intent, decision, self._days[day, currency], amount)

    @staticmethod
    def _explain(
        match: Match, intent: Intent, decision: Decision, money: DayMoney, amount: int
    ) -> None:
        """Explain the difference of a payment, unless a finding carries it."""
        match decision:
            case Wait():
                money.waiting += amount
                money.waiting_payments.add(intent.id)
            case Keep():
                if _keeps_nothing(match, intent):
                    money.returned += amount
                    money.returned_payments.add(intent.id)
            case Correct() | Flag():
                pass
            case _ as unreachable:
                assert_never(unreachable)

    def _add_moved(self, rows: Iterable[PaidRow], paying: Intent) -> None:
        # most rows were created in the same second as their intents, and then their day needs not be known
        others = [row for row in rows if row.created != paying.created]
        if not others:
            return
        day = self.day_of(paying.created)
        for row in others:
            own = None if row.created is None else self.day_of(row.created)
            if own != day:
                self._moved(day, row.currency, own).add(paying.id, -row.amount)
                # a row without a time is in no day's own sum
                if own is not None:
                    self._moved(own, row.currency, day).add(paying.id, row.amount)

    def _moved(self, day: date, currency: str, other: date | None) -> MovedPayments:
        return self._days[day, currency].moved.setdefault(other, MovedPayments())

    def _add_received(self, match: Match, intent: Intent, money: DayMoney) -> None:
        if not intent.amount_received:
            return
        money.received.add(intent.amount_received)
        charge = intent.charge
        if charge is None or not (charge.amount_refunded or charge.disputed):
            return
        refunded_at = self.money_back.refunded_at.get(intent.id)
        try:
            back = money_kept(match, intent)
        except FactNeededError:
            # no verdict depended on it, so nothing was read: the charge's own sum is as much as is known
            shown = min(charge.amount_refunded, charge.amount_captured)
            money.refunded.add(intent.id, shown, refunded_at)
            return
        money.refunded.add(intent.id, back.refunded or 0, refunded_at)
        if back.dispute is not None and back.dispute.phase is DisputePhase.LOST:
            money.disputed.add(
                intent.id, back.dispute.amount, self.money_back.lost_at.get(intent.id)
            )

    def day_of(self, moment: datetime) -> date:
        """The day of the books on which a moment lies."""
        return moment.astimezone(self._zone).date()


def _is_of_table(match: Match, decision: Decision) -> bool:
    """Whether the money of an intent belongs to the table: a row holds it, a finding names it, or it still waits."""
    return (
        bool(match.payments)
        or match.facts.pays_for_row
        or isinstance(decision, Correct | Flag | Wait)
    )


def _intent_after(match: Match, decision: Decision) -> Intent | None:
    """The intent at which a decision points the row; None if the row keeps its own."""
    if not isinstance(decision, Correct) or decision.to_intent is None:
        return None
    facts = match.facts.order
    intents = () if facts is None else facts.intents
    return next((intent for intent in intents if intent.id == decision.to_intent), None)


def _keeps_nothing(match: Match, intent: Intent) -> bool:
    try:
        return money_kept(match, intent).kept == 0
    except FactNeededError:
        return False
