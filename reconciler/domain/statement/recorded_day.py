"""Reads what the ledger holds of a day's money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import date, datetime
from typing import Any

from reconciler.domain.statement.day_entry import (
    BackOfDay,
    BackOfPayment,
    DayEntry,
    LeftOut,
    MatchingOfDay,
    MovedDay,
    NamedOnes,
)


def read_day(body: Mapping[str, Any]) -> DayEntry | None:
    """The day of an entry's body; None if a first version wrote it, which had no sum of its own of the table.

    Raises KeyError, TypeError, ValueError or AttributeError for what no program wrote.
    """
    if "received" not in body:
        return None
    return DayEntry(
        sweep=int(body["sweep"]),
        day=date.fromisoformat(body["day"]),
        currency=str(body["currency"]),
        local={outcome: _count(value) for outcome, value in body["local"].items()},
        received=_count(body["received"]),
        refunded=int(body["refunded"]),
        disputed=int(body["disputed"]),
        moved=int(body["moved"]),
        waiting=int(body["waiting"]),
        returned=int(body["returned"]),
        unrelated=_count(body["unrelated"]),
        outside_mapping=_count(body["outside_mapping"]),
        # the first versions recorded none of these
        stripe={outcome: _count(value) for outcome, value in body.get("stripe", {}).items()},
        left_out=_left_out(body.get("left_out")),
        waiting_payments=_named(body.get("waiting_payments")),
        returned_payments=_named(body.get("returned_payments")),
        refunded_payments=_back(body.get("refunded_payments")),
        disputed_payments=_back(body.get("disputed_payments")),
        moved_by_day=_moved(body.get("moved_by_day")),
        matching=_matching(body.get("matching")),
    )


def _count(value: Mapping[str, Any]) -> tuple[int, int]:
    return int(value["count"]), int(value["amount"])


def _left_out(value: Mapping[str, Mapping[str, Any]] | None) -> Mapping[str, LeftOut] | None:
    if value is None:
        return None
    return {
        reason: LeftOut(
            *(int(one[name]) for name in ("count", "amount", "paid_count", "paid_amount"))
        )
        for reason, one in value.items()
    }


def _matching(value: Mapping[str, Mapping[str, Any]] | None) -> MatchingOfDay | None:
    if value is None:
        return None
    return MatchingOfDay(*(_count(value[one.name]) for one in fields(MatchingOfDay)))


def _named(value: Mapping[str, Any] | None) -> NamedOnes:
    if value is None:
        return 0, ()
    return int(value["count"]), tuple(str(one) for one in value["payments"])


def _back(value: Mapping[str, Any] | None) -> BackOfDay | None:
    if value is None:
        return None
    payments = {
        str(name): BackOfPayment(
            int(one["amount"]), datetime.fromisoformat(one["at"]) if "at" in one else None
        )
        for name, one in value["payments"].items()
    }
    return BackOfDay(int(value["count"]), payments)


def _moved(value: Mapping[str, Mapping[str, Any]] | None) -> Mapping[date | None, MovedDay] | None:
    if value is None:
        return None
    return {
        date.fromisoformat(day) if day else None: MovedDay(int(one["amount"]), _named(one))
        for day, one in value.items()
    }
