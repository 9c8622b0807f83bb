"""Which rows belong to which intent: by the id that a row holds, or by the order that an intent names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from reconciler.domain.model.intent import Intent, MissingIntent
from reconciler.domain.model.match import Match, PaidSibling, Rules
from reconciler.domain.model.page import Loaded
from reconciler.domain.model.payment import Payment
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import Outcome

_PAID: Final = frozenset({Outcome.SUCCEEDED, Outcome.AUTHORIZED})
_SPEAKING: Final = frozenset({*_PAID, Outcome.UNKNOWN})
EARLIEST_INTENT: Final = timedelta(days=1)
"""How long before its row an intent may have been created: clocks differ, and some shops write the row late."""


def match_by_id(
    account: str,
    intents: Sequence[Intent | MissingIntent],
    loaded: Loaded,
    remembered: Mapping[str, Sequence[PaidSibling]],
) -> tuple[Match, ...]:
    """One subject an intent, with the rows that hold it.

    ``remembered`` are the intents of each order that this sweep has met as paid while their rows did not say so.
    """
    rows = _by_intent(loaded.payments)
    siblings = Siblings(intents, rows, loaded.paid, remembered)
    return tuple(
        Match(
            account=account,
            intent=intent,
            payments=rows.get(intent.id, ()),
            order=order,
            siblings=siblings.of(order, intent.id),
        )
        for intent in intents
        for order in [_order_of(rows.get(intent.id, ()))]
    )


def _by_intent(payments: Iterable[Payment]) -> dict[str, tuple[Payment, ...]]:
    rows: dict[str, list[Payment]] = defaultdict(list)
    for payment in payments:
        if payment.payment_intent is not None:
            rows[payment.payment_intent].append(payment)
    return {intent: tuple(held) for intent, held in rows.items()}


def _order_of(payments: Sequence[Payment]) -> str | None:
    return next((payment.order for payment in payments if payment.order), None)


class Siblings:
    """Who else was paid for an order, from all that a page knows."""

    def __init__(
        self,
        intents: Sequence[Intent | MissingIntent],
        rows: Mapping[str, tuple[Payment, ...]],
        paid: Iterable[Payment],
        remembered: Mapping[str, Sequence[PaidSibling]],
    ) -> None:
        self._by_order: dict[str, dict[str, PaidSibling]] = defaultdict(dict)
        for payment in paid:
            if payment.order and payment.payment_intent:
                self._add(payment.order, PaidSibling.of_row(payment))
        for order, siblings in remembered.items():
            for sibling in siblings:
                self._add(order, sibling)
        for intent in intents:
            held = rows.get(intent.id, ())
            named = _order_of(held)
            if named and isinstance(intent, Intent) and intent.is_paid:
                self._add(named, PaidSibling.of_intent(intent, held[0]))

    def _add(self, order: str, sibling: PaidSibling) -> None:
        self._by_order[order][sibling.payment_intent] = sibling

    def of(self, order: str | None, intent_id: str) -> tuple[PaidSibling, ...]:
        """The paid siblings of an intent."""
        if order is None or order not in self._by_order:
            return ()
        return tuple(
            sibling
            for sibling in self._by_order[order].values()
            if sibling.payment_intent != intent_id
        )


def named_order(intent: Intent, rules: Rules) -> str | None:
    """The order that an intent without a row names, where it is ours and the table can be linked."""
    if rules.link_metadata is None or not rules.owns(intent):
        return None
    return intent.metadata.get(rules.link_metadata) or None


def reportable_without_row(intent: Intent, rules: Rules) -> bool:
    """Whether an intent that no row holds may be a finding, or may be joined to a row by its order."""
    if not rules.owns(intent):
        return False
    return intent.outcome in _SPEAKING or named_order(intent, rules) is not None


def match_by_order(
    account: str,
    intents: Sequence[Intent],
    loaded: Loaded,
    rules: Rules,
    listed: TimeRange | None,
) -> tuple[Match, ...]:
    """Subjects for intents that no row holds: joined to the row of the order that they name, or without a row.

    Among the intents of one order only those that took or hold money are candidates, if there are any; else the
    newest. Several candidates or rows contest one another. ``listed`` is the range of time over which all intents
    are known: an unpaid intent is linked only where no other intent of its order can be outside it.
    """
    claimable: dict[str, list[Payment]] = defaultdict(list)
    for payment in loaded.claimable:
        if payment.order:
            claimable[payment.order].append(payment)
    by_order: dict[str, list[Intent]] = defaultdict(list)
    subjects: list[Match] = []
    siblings = Siblings((), {}, loaded.paid, _paid_by_order(intents, claimable, rules))
    for intent in intents:
        order = named_order(intent, rules)
        if order is not None and order in claimable:
            by_order[order].append(intent)
        else:
            others = siblings.of(order, intent.id)
            subjects.append(Match(account, intent, (), order=order, siblings=others))
    for order, named in by_order.items():
        rows = tuple(claimable[order])
        candidates = _candidates(named, rows, listed)
        contested = len(candidates) > 1 or len(rows) > 1
        for intent in named:
            others = siblings.of(order, intent.id)
            if intent in candidates:
                subjects.append(Match(account, intent, rows, order, others, contested))
            else:
                subjects.append(Match(account, intent, (), order, others))
    return tuple(subjects)


def _paid_by_order(
    intents: Sequence[Intent], claimable: Mapping[str, Sequence[Payment]], rules: Rules
) -> dict[str, list[PaidSibling]]:
    """Intents that no row holds and that were paid for the order that they name: of two, one is a duplicate."""
    paid: dict[str, list[PaidSibling]] = defaultdict(list)
    for intent in intents:
        order = named_order(intent, rules)
        if order is not None and intent.is_paid:
            row = min(claimable.get(order, ()), key=lambda row: row.key, default=None)
            paid[order].append(PaidSibling.of_intent(intent, row))
    return paid


def _candidates(
    intents: Sequence[Intent], rows: Sequence[Payment], listed: TimeRange | None
) -> tuple[Intent, ...]:
    paid = tuple(intent for intent in intents if intent.outcome in _PAID)
    if paid:
        return paid
    if listed is None or not all(_is_covered(row.created, listed) for row in rows):
        return ()
    return (max(intents, key=lambda intent: (intent.created, intent.id)),)


def _is_covered(created: datetime | None, listed: TimeRange) -> bool:
    if created is None or listed.until is not None:
        return False
    return listed.since is None or listed.since <= created - EARLIEST_INTENT
