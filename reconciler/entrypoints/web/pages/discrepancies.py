"""The list of discrepancies: filtered, ordered, searched, part by part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import urlencode

from reconciler.adapters.postgres.web.discrepancy_search import DiscrepancySearch, Order, Place
from reconciler.domain.findings.discrepancy import Cause, Kind, Severity, State
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.money import Money
from reconciler.domain.review.due_date import DueRules
from reconciler.domain.statement.period import start_of
from reconciler.entrypoints.shown_text import moment_text, money_text
from reconciler.entrypoints.web.call import Call, View, WrongAddressError
from reconciler.entrypoints.web.months import asked_day
from reconciler.entrypoints.web.tables import (
    Cell,
    Column,
    Table,
    address,
    money_column,
    text_column,
)
from reconciler.entrypoints.web.templating import words

CHOICES: Final = ("resolve", "ignore", "assign", "note", "reopen")
"""What a reviewer can do with the chosen ones."""
ROWS: Final = 50
"""The discrepancies on one page."""
MOST_COUNTED: Final = 10_000
"""A list is counted up to here, so that a page does not wait for the count of a very long one."""


class Sort(StrEnum):
    """The orders that a reader can choose."""

    LAST_SEEN = "last seen"
    OLDEST = "oldest first"
    NEWEST = "newest first"
    AMOUNT = "most money first"

    @property
    def order(self) -> Order:
        """The order of the list."""
        return Order[self.name]


class Queue(StrEnum):
    """What still waits for a person."""

    UNSEEN = "unseen"
    WITHOUT_OWNER = "without owner"


def discrepancies(call: Call) -> View:
    """The page."""
    accounts = call.records.accounts()
    if not accounts:
        return View("nothing_yet.html", "Discrepancies")
    sort = call.choice("sort", Sort) or Sort.LAST_SEEN
    queue = call.choices("queue", Queue)
    zone = call.settings.statement.zone
    paid = asked_day(call, "paid_from"), asked_day(call, "paid_to")
    wanted = DiscrepancySearch(
        account=call.account(accounts) if call.text("account") else None,
        states=call.choices("state", State),
        kinds=call.choices("kind", Kind),
        severities=call.choices("severity", Severity),
        causes=call.choices("cause", Cause),
        paid_since=None if paid[0] is None else start_of(paid[0], zone),
        paid_until=None if paid[1] is None else start_of(paid[1] + timedelta(days=1), zone),
        currency=_currency(call),
        text=call.text("q"),
        owner=call.text("owner"),
        without_owner=Queue.WITHOUT_OWNER in queue,
        unseen=Queue.UNSEEN in queue,
        order=sort.order,
    )
    # one more than is shown says whether there is a next part
    found = call.records.discrepancies(wanted, _place(call, sort), ROWS + 1)
    now = call.clock.now()
    rules = call.settings.review.due_rules
    shown = [with_due_date(one, rules) for one in found[:ROWS]]
    chosen = {
        name: call.query.getlist(name)
        for name in (
            "account",
            "state",
            "kind",
            "severity",
            "cause",
            "paid_from",
            "paid_to",
            "currency",
            "q",
            "owner",
            "queue",
            "sort",
        )
    }

    @contextmanager
    def all_rows() -> Iterator[Iterator[Discrepancy]]:
        with call.records.all_discrepancies(wanted) as every:
            yield (with_due_date(one, rules) for one in every)

    table = Table(
        "discrepancies",
        "Discrepancies",
        columns(several_accounts=len(accounts) > 1, now=now, back=_here(call)),
        shown,
        empty="No discrepancy fits these filters.",
        all_rows=all_rows,
        row_id=lambda one: one.id,
    )
    values = {
        "accounts": accounts,
        "chosen": chosen,
        "sorts": list(Sort),
        "states": list(State),
        "kinds": list(Kind),
        "severities": list(Severity),
        "causes": list(Cause),
        "sort": sort,
        "queues": list(Queue),
        "decisions": list(CHOICES),
        "next": _next(chosen, shown, sort) if len(found) > ROWS else None,
        "is_first": call.text("after_id") is None,
        "first": address("/discrepancies", **chosen),
        "total": _total(call, wanted, len(found)),
    }
    return View("discrepancies.html", "Discrepancies", values, (table,))


def _total(call: Call, wanted: DiscrepancySearch, found: int) -> str:
    """How many discrepancies the filters select, of which the page shows a part."""
    if found <= ROWS and call.text("after_id") is None:
        return f"{found:,}"
    count = call.records.discrepancy_count(wanted, MOST_COUNTED + 1)
    return f"more than {MOST_COUNTED:,}" if count > MOST_COUNTED else f"{count:,}"


def with_due_date(one: Discrepancy, rules: DueRules) -> Discrepancy:
    """The discrepancy with the date until when a person should have dealt with it."""
    if one.state is not State.OPEN:
        return one
    spans = [
        span
        for money, span in rules.by_amount
        if money.currency == one.stake.currency and money.amount <= one.stake.amount
    ]
    if one.severity in rules.by_severity:
        spans.append(rules.by_severity[one.severity])
    return replace(one, due_at=one.opened_at + min(spans)) if spans else one


def _here(call: Call) -> str:
    """The address of this part of the list, for a link back to it."""
    pairs = [pair for pair in call.query.multi_items() if pair[1] and pair[0] != "done"]
    return f"/discrepancies?{urlencode(pairs)}" if pairs else ""


def columns(
    *, several_accounts: bool, now: datetime | None = None, back: str = ""
) -> list[Column[Discrepancy]]:
    """The columns of a list of discrepancies. ``back`` is the address of the list, to which a payment's page leads back."""
    made: list[Column[Discrepancy]] = [
        Column(
            "Payment",
            lambda one: Cell(
                _first_name(one), href=payment_address(one, back), note=_second_name(one)
            ),
            {
                "id": lambda one: one.id,
                "account": lambda one: one.account,
                "payment_intent": lambda one: one.payment_intent,
                "payment": lambda one: " ".join(one.keys),
                "order": lambda one: one.order,
                "payment_created": lambda one: one.payment_created,
            },
        ),
        Column(
            "Kind",
            lambda one: Cell(words(one.kind.value), note=words(one.reason) if one.reason else None),
            {
                "kind": lambda one: one.kind.value,
                "reason": lambda one: one.reason,
            },
        ),
        Column(
            "Cause",
            lambda one: Cell(words(one.cause) if one.cause else ""),
            {"cause": lambda one: one.cause},
        ),
        text_column(
            "Severity",
            lambda one: words(one.severity.value),
            tone=lambda one: f"severity-{one.severity.value}",
        ),
        Column(
            "State",
            lambda one: Cell(words(one.state.value), note=_ended_by(one)),
            {
                "state": lambda one: one.state.value,
                "closing": lambda one: one.ending,
                "closed_at": lambda one: one.ended_at,
                "resolved_by": lambda one: one.resolved_by or (one.corrected and one.corrected.by),
                "corrected_at": lambda one: one.corrected and one.corrected.at,
                "note": lambda one: one.note,
            },
        ),
        money_column("At stake", lambda one: one.stake),
        Column(
            "Your table, Stripe",
            lambda one: Cell(_row_status(one), note=f"Stripe: {_stripe_status(one)}"),
            {
                "your_status": lambda one: one.local_side.status,
                "your_amount_minor_units": lambda one: one.local_side.amount,
                "your_currency": lambda one: one.local_side.currency,
                "stripe_status": lambda one: one.stripe_side.status,
                "stripe_amount_minor_units": lambda one: one.stripe_side.amount,
                "stripe_currency": lambda one: one.stripe_side.currency,
            },
        ),
        text_column("Owner", lambda one: one.owner),
        text_column(
            "Due",
            lambda one: moment_text(one.due_at)[:10],
            tone=lambda one: "severity-critical" if now and one.is_overdue(now) else None,
        ),
        Column(
            "First and last seen",
            lambda one: Cell(_day(one.first_seen), note=_day(one.last_seen)),
            {"first_seen": lambda one: one.first_seen, "last_seen": lambda one: one.last_seen},
        ),
    ]
    if several_accounts:
        made.insert(0, Column("Account", lambda one: Cell(one.account), {}))
    return made


def _day(moment: datetime) -> str:
    return moment_text(moment)[:10]


def _first_name(one: Discrepancy) -> str:
    return one.payment_intent or " ".join(one.keys)


def _second_name(one: Discrepancy) -> str | None:
    order = f"order {one.order}" if one.order else ""
    keys = " ".join(one.keys) if one.payment_intent else ""
    return " · ".join(text for text in (order, keys) if text) or None


def payment_address(one: Discrepancy, back: str = "") -> str:
    """The page of a discrepancy's payment, with a link back to the list."""
    name = one.payment_intent or (one.keys[0] if one.keys else one.subject)
    return address("/payment", account=one.account, name=name, back=back)


def _stripe_status(one: Discrepancy) -> str:
    if one.stripe_side.status:
        return one.stripe_side.status
    # a finding about two payments of one order has Stripe's money without a status
    received = one.stripe.get("amount_received")
    if isinstance(received, int) and one.stripe_side.currency:
        return f"received {money_text(Money(received, one.stripe_side.currency))}"
    return "not found" if not one.stripe else "no status"


def _ended_by(one: Discrepancy) -> str | None:
    """Who ended it and when, or why it ended; None while it is open."""
    if one.resolved_by is None and one.corrected is not None:
        return f"{one.corrected.by}, {moment_text(one.corrected.at)[:16]}"
    return one.resolved_by or one.closing


def _row_status(one: Discrepancy) -> str:
    if one.local_side.status:
        return one.local_side.status
    return f"row {' '.join(one.keys)}" if one.keys else "no row"


def _currency(call: Call) -> str | None:
    text = call.text("currency")
    if text is None:
        return None
    if not text.isascii() or not text.isalnum() or len(text) > 8:
        raise WrongAddressError(f'"{text[:40]}" is not a currency.', "Write it such as EUR.")
    return text.lower()


def _place(call: Call, sort: Sort) -> Place | None:
    """The place from which on the address wants the list."""
    number = call.number("after_id")
    value = call.text("after")
    if number is None or value is None:
        return None
    if sort is Sort.AMOUNT:
        return Place(call.number("after") or 0, number)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise WrongAddressError(
            f"The address has after={value[:40]}, which is not a position in the list.",
            "Begin at the first part of the list.",
        )
    return Place(moment, number)


def _next(chosen: dict[str, list[str]], shown: Sequence[Discrepancy], sort: Sort) -> str:
    last = shown[-1]
    value = sort.order.value_of(last)
    place = value.isoformat() if isinstance(value, datetime) else str(value)
    return address("/discrepancies", **chosen, after=place, after_id=last.id)
