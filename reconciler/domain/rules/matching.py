"""Which rows belong to which intent: by the id that a row holds, or by the order that an intent names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from reconciler.domain.model.intent import Intent, MissingIntent
from reconciler.domain.model.match import Match, PaidSibling, Rules
from reconciler.domain.model.match_facts import NO_FACTS, MatchFacts
from reconciler.domain.model.page import Loaded
from reconciler.domain.model.payment import Payment
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import PAID_OR_HELD, Outcome
from reconciler.domain.rules.described_order import described_order_of_rows
from reconciler.domain.rules.order_check import EARLIEST_INTENT

_REPORTABLE: Final = frozenset({*PAID_OR_HELD, Outcome.UNKNOWN})


def match_by_id(
    account: str,
    intents: Sequence[Intent | MissingIntent],
    loaded: Loaded,
    remembered: Mapping[str, Sequence[PaidSibling]],
) -> tuple[Match, ...]:
    """One match for each intent, with the rows that hold its id.

    ``remembered`` are, for each order, the intents that this sweep has met as paid while their rows did not say so.
    """
    rows_by_intent = _rows_by_intent(loaded.payments)
    siblings = Siblings(intents, rows_by_intent, loaded.paid, remembered)
    matches: list[Match] = []
    for intent in intents:
        rows = rows_by_intent.get(intent.id, ())
        # an intent with rows belongs to the order of its rows; its metadata do not matter
        order = _order_of(rows)
        others = siblings.of(order, intent.id)
        matches.append(Match(account, intent, rows, order, others))
    return tuple(matches)


def _rows_by_intent(payments: Iterable[Payment]) -> dict[str, tuple[Payment, ...]]:
    rows: dict[str, list[Payment]] = defaultdict(list)
    for payment in payments:
        if payment.payment_intent is not None:
            rows[payment.payment_intent].append(payment)
    return {intent: tuple(held) for intent, held in rows.items()}


def _order_of(payments: Sequence[Payment]) -> str | None:
    for payment in payments:
        if payment.order:
            return payment.order
    return None


class Siblings:
    """The intents that were paid for each order, as far as a page knows them."""

    def __init__(
        self,
        intents: Sequence[Intent | MissingIntent],
        rows: Mapping[str, tuple[Payment, ...]],
        paid: Iterable[Payment],
        remembered: Mapping[str, Sequence[PaidSibling]],
    ) -> None:
        self._rows: dict[str, list[Payment]] = {}
        self._intents: dict[str, list[tuple[Intent, Payment]]] = {}
        self._remembered = remembered
        for payment in paid:
            if payment.order:
                self._rows.setdefault(payment.order, []).append(payment)
        for intent in intents:
            held = rows.get(intent.id, ())
            named = _order_of(held)
            if named and isinstance(intent, Intent) and intent.is_paid:
                self._intents.setdefault(named, []).append((intent, held[0]))

    def of(self, order: str | None, intent_id: str) -> tuple[PaidSibling, ...]:
        """The other intents that were paid for the order of an intent."""
        if order is None:
            return ()
        rows, intents = self._rows.get(order, ()), self._intents.get(order, ())
        # nearly every order was paid by one intent, so a sibling is only made for the others
        is_alone = len(rows) <= 1 and len(intents) <= 1 and order not in self._remembered
        if (
            is_alone
            and (not rows or rows[0].payment_intent == intent_id)
            and (not intents or intents[0][0].id == intent_id)
        ):
            return ()

        # what Stripe says now comes last, because it replaces what a row or an earlier page said
        siblings = [
            *map(PaidSibling.of_row, rows),
            *self._remembered.get(order, ()),
            *(PaidSibling.of_intent(intent, row) for intent, row in intents),
        ]
        by_name = {sibling.payment_intent or f"row:{sibling.key}": sibling for sibling in siblings}
        return tuple(one for one in by_name.values() if one.payment_intent != intent_id)


def named_order(intent: Intent, rules: Rules) -> str | None:
    """The order that an intent without a row names; None if it names none or concerns another table."""
    if rules.link_metadata is None or not rules.owns(intent):
        return None
    return intent.metadata.get(rules.link_metadata) or None


def reportable_without_row(intent: Intent, rules: Rules) -> bool:
    """Whether an intent that no row holds may be a finding, or may belong to the row of its order."""
    if not rules.owns(intent):
        return False
    return intent.outcome in _REPORTABLE or named_order(intent, rules) is not None


def match_by_order(
    account: str,
    intents: Sequence[Intent],
    loaded: Loaded,
    rules: Rules,
    listed: TimeRange | None,
    complete: Collection[str] = (),
) -> tuple[Match, ...]:
    """One match for each intent that no row holds: with the row of the order that it names, or without a row.

    If intents of an order took or hold money, only these come into question, else only the newest. Several intents or rows
    that come into question make a contested match. ``listed`` is the range of time in which all intents are known: an unpaid
    intent belongs to a row only if no other intent of the order can lie outside it, or if the order is in ``complete``.
    """
    claimable: dict[str, list[Payment]] = defaultdict(list)
    for payment in loaded.claimable:
        if payment.order:
            claimable[payment.order].append(payment)
    siblings = Siblings((), {}, loaded.paid, _paid_by_order(intents, claimable, rules))

    # the intents of one order compete for its rows, so they are decided together
    matches: list[Match] = []
    by_order: dict[str, list[Intent]] = defaultdict(list)
    for intent in intents:
        order = named_order(intent, rules)
        if order is None and rules.link_description:
            order = described_order_of_rows(intent, rules, claimable)
        if order is not None and order in claimable:
            by_order[order].append(intent)
        else:
            others = siblings.of(order, intent.id)
            matches.append(Match(account, intent, (), order=order, siblings=others))

    for order, named in by_order.items():
        rows = tuple(claimable[order])
        possible = candidates(named, rows, TimeRange() if order in complete else listed)
        facts = NO_FACTS if possible else MatchFacts(may_belong_to_row=True)
        contested = len(possible) > 1 or len(rows) > 1
        for intent in named:
            others = siblings.of(order, intent.id)
            if intent in possible:
                matches.append(Match(account, intent, rows, order, others, contested))
            else:
                matches.append(Match(account, intent, (), order, others, facts=facts))
    return tuple(matches)


def _paid_by_order(
    intents: Sequence[Intent], claimable: Mapping[str, Sequence[Payment]], rules: Rules
) -> dict[str, list[PaidSibling]]:
    """The paid intents without a row, by the order that they name: of two of them, one is a duplicate."""
    paid: dict[str, list[PaidSibling]] = defaultdict(list)
    for intent in intents:
        order = named_order(intent, rules)
        if order is not None and intent.is_paid:
            # always the same row, so that the finding has the same key in every sweep
            row = min(claimable.get(order, ()), key=lambda row: row.key, default=None)
            paid[order].append(PaidSibling.of_intent(intent, row))
    return paid


def candidates(
    intents: Sequence[Intent], rows: Sequence[Payment], listed: TimeRange | None
) -> tuple[Intent, ...]:
    """The intents of an order that come into question for its rows."""
    paid_or_held = tuple(intent for intent in intents if intent.outcome in PAID_OR_HELD)
    if paid_or_held:
        return paid_or_held
    # an intent outside the list may be the one that was paid
    if listed is None or not all(is_covered(row.created, listed) for row in rows):
        return ()
    # a customer who tries again gives up the older attempts
    return (max(intents, key=lambda intent: (intent.created, intent.id)),)


def is_covered(created: datetime | None, listed: TimeRange) -> bool:
    """Whether every intent of a row created then lies in the listed range."""
    # a list with an end does not show what was created after it
    if created is None or listed.until is not None:
        return False
    return listed.since is None or listed.since <= created - EARLIEST_INTENT
