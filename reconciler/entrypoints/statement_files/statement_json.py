"""The documented JSON shape of a statement."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from reconciler.domain.money import decimals
from reconciler.domain.statement.day_entry import NamedOnes
from reconciler.domain.statement.later_money import LaterMoney
from reconciler.domain.statement.reconciling_item import ReconcilingItem
from reconciler.domain.statement.statement import Statement
from reconciler.domain.statement.statement_figures import (
    CurrencyStatement,
    Movement,
    SubsequentEvent,
)

Head = tuple[int, str] | None
"""The number and the hash of the last entry of the ledger that a statement is made of; None if there is none."""


def as_json(found: Statement, head: Head, as_of: datetime) -> Mapping[str, object]:
    """The documented JSON shape of a statement. Amounts are minor units."""
    return {
        "account": found.account,
        "period": {
            "first": found.period.first.isoformat(),
            "last": found.period.last.isoformat(),
        },
        "timezone": str(found.period.zone),
        "cutoff": found.cut,
        "as_of": as_of,
        "complete": found.is_complete,
        "days_not_examined": [day.isoformat() for day in found.days_not_examined],
        "days_examined_later": [day.isoformat() for day in found.days_examined_later],
        "sweeps": [sweep.sweep for sweep in found.sweeps],
        "head": None if head is None else {"seq": head[0], "hash": head[1]},
        "currencies": [_currency_json(found, one) for one in found.currencies],
    }


def _currency_json(found: Statement, one: CurrencyStatement) -> Mapping[str, object]:
    lost = one.lost_webhooks
    return {
        "currency": one.currency,
        "exponent": decimals(one.currency),
        "local": one.local,
        "local_count": one.local_count,
        "stripe": one.stripe,
        "stripe_count": one.stripe_count,
        "refunded": one.refunded,
        "disputed": one.disputed,
        "difference": one.difference,
        "explained": one.explained,
        "unexplained": one.unexplained,
        "moved": one.moved,
        "waiting": one.waiting,
        "returned": one.returned,
        "waiting_payments": _named(one.waiting_payments),
        "returned_payments": _named(one.returned_payments),
        "moved_payments": _named(one.moved_payments),
        "unrelated": _movement(one.unrelated),
        "outside_mapping": _movement(one.outside_mapping),
        "opening": _movement(one.opening),
        "new": _movement(one.new),
        "cleared": _movement(one.cleared),
        "closing": _movement(one.closing),
        "ageing": [
            {"age": aged.age, "owner": aged.owner, **_movement(aged.items)}
            for aged in found.aged(one)
        ],
        "materiality": one.materiality,
        "below_materiality": _movement(one.below_materiality),
        "lost_webhooks": {
            **_movement(lost.lost),
            "not_right": _movement(lost.not_right),
            "slowest_seconds": None
            if lost.slowest is None
            else round(lost.slowest.total_seconds()),
        },
        "items": [{**item_json(item), "owner": found.owner_of(item)} for item in one.items],
        "opening_items": [
            {
                **item_json(opened.item),
                "owner": found.owner_of(opened.item),
                "is_carried": opened.is_carried,
            }
            for opened in one.opening_items
        ],
        "open_items": [
            {**item_json(item), "owner": found.owner_of(item), "part": found.part_of(item).value}
            for item in one.open_items
        ],
        "subsequent": [_event_json(event) for event in one.subsequent],
        "subsequent_money": [_later_json(later) for later in one.later],
    }


def _named(payments: NamedOnes) -> Mapping[str, object]:
    return {"count": payments[0], "payments": list(payments[1])}


def _movement(movement: Movement) -> Mapping[str, int]:
    return {"count": movement.count, "amount": movement.amount}


def item_json(item: ReconcilingItem) -> Mapping[str, object]:
    """The fields of an item, without its owner."""
    return {
        "subject": item.subject,
        "kind": item.kind,
        "severity": item.severity,
        "reason": item.reason,
        "state": item.state,
        "amount": item.amount,
        "payment_created": item.payment_created,
        "since": item.since,
    }


def _later_json(later: LaterMoney) -> Mapping[str, object]:
    return {
        "payment": later.payment,
        "day": later.day.isoformat(),
        "figure": later.figure.value,
        "amount_before": later.before,
        "amount_after": later.after,
        "not_before": later.since,
        "at": later.at,
        "dated": later.dated,
        "entry": later.seq,
    }


def _event_json(event: SubsequentEvent) -> Mapping[str, object]:
    known = event.after or event.before
    return {
        "subject": None if known is None else known.subject,
        "kind": None if known is None else known.kind,
        "state": event.state,
        "at": event.at,
        "amount_before": event.amount_before,
        "amount_after": event.amount_after,
    }
