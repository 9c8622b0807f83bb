"""The ledger: what was found, changed and decided, entry by entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from reconciler.adapters.postgres.web.ledger_and_sweeps import ListedEntry
from reconciler.domain.audit.ledger_entry import Action
from reconciler.domain.money import Money
from reconciler.entrypoints.shown_text import money_text
from reconciler.entrypoints.web.call import Call, View
from reconciler.entrypoints.web.tables import (
    Cell,
    Column,
    Table,
    address,
    moment_column,
    number_column,
    text_column,
)
from reconciler.entrypoints.web.templating import words

ROWS: Final = 100


def ledger(call: Call) -> View:
    """The page."""
    accounts = call.records.accounts()
    account = call.account(accounts)
    if account is None:
        return View("nothing_yet.html", "Ledger")
    actions = tuple(action.value for action in call.choices("action", Action))
    before = call.number("before")
    found = call.records.ledger(account, before, actions, ROWS + 1)
    shown = found[:ROWS]

    @contextmanager
    def all_rows() -> Iterator[Iterator[ListedEntry]]:
        yield _every_entry(call, account, actions)

    following = (
        address("/ledger", account=account, action=actions, before=shown[-1].seq)
        if len(found) > ROWS
        else None
    )
    values = {
        "account": account,
        "accounts": accounts,
        "actions": list(Action),
        "chosen": actions,
        "next": following,
        "is_first": before is None,
        "first": address("/ledger", account=account, action=actions),
    }
    table = Table(
        "ledger",
        f"Ledger of account {account}",
        _columns(account),
        shown,
        empty="No ledger entry fits this filter.",
        all_rows=all_rows,
    )
    return View("ledger.html", "Ledger", values, (table,))


def _every_entry(call: Call, account: str, actions: tuple[str, ...]) -> Iterator[ListedEntry]:
    before: int | None = None
    while True:
        part = call.records.ledger(account, before, actions, 1_000)
        yield from part
        if not part:
            return
        before = part[-1].seq


def _columns(account: str) -> tuple[Column[ListedEntry], ...]:
    return (
        number_column("Entry", lambda one: one.seq),
        moment_column("Time", lambda one: one.at),
        text_column("What", lambda one: words(one.action)),
        text_column(
            "About",
            lambda one: subject_of(one.body),
            href=lambda one: payment_link(account, one.body),
        ),
        text_column("In words", lambda one: entry_text(one.action, one.body)),
        text_column("By", lambda one: actor_of(one.body)),
        Column(
            "Hash",
            lambda one: Cell(one.hash, note=f"after {one.prev}"),
            {"hash": lambda one: one.hash, "prev": lambda one: one.prev},
        ),
    )


def subject_of(body: Mapping[str, object]) -> str:
    """What an entry is about: the intent, the row, the day or the sweep."""
    for name in ("payment_intent", "subject", "key", "day", "period"):
        value = body.get(name)
        if isinstance(value, str):
            return value
    for name in ("discrepancy", "sweep"):
        value = body.get(name)
        if isinstance(value, int):
            return f"{name} {value}"
    return ""


def payment_link(account: str, body: Mapping[str, object]) -> str | None:
    """The page of the payment that an entry is about, None if it is about none."""
    for name in ("payment_intent", "subject", "key"):
        value = body.get(name)
        if isinstance(value, str):
            return address("/payment", account=account, name=value.removeprefix("row:"))
    return None


def actor_of(body: Mapping[str, object]) -> str:
    """Who asked for it."""
    by, claimed = body.get("asked_by"), body.get("claimed_by")
    name = by if isinstance(by, str) else ""
    return f"{name}, who gave the name {claimed}" if isinstance(claimed, str) else name


def entry_text(action: str, body: Mapping[str, object]) -> str:
    """An entry in plain words."""
    kind = _text(body, "kind")
    match action:
        case Action.CORRECTION | Action.REVERT:
            before, after = _status(body, "before"), _status(body, "after")
            verb = "taken back" if action == Action.REVERT else "set"
            return f"Row {_text(body, 'key')} {verb}: {before or 'no status'} → {after or 'no status'}{_money(body)}"
        case Action.FINDING_OPENED:
            return f"{words(kind)} found{_stake(body)}{_reason(body)}"
        case Action.FINDING_CHANGED:
            closing = _text(body, "closing")
            return f"{words(kind)} is {_text(body, 'state')}{f': {words(closing)}' if closing else ''}{_reason(body)}"
        case Action.RESOLUTION | Action.REOPENING:
            return f"{words(kind)} {_text(body, 'state') or 'opened again'}"
        case Action.ASSIGNMENT:
            owner = _text(body, "owner")
            return f"{words(kind)} assigned to {owner}" if owner else f"{words(kind)} has no owner"
        case _:
            return _run_text(action, body)


def _run_text(action: str, body: Mapping[str, object]) -> str:
    """An entry that is about no discrepancy."""
    match action:
        case Action.SWEEP:
            complete = "complete" if body.get("complete") else "not complete"
            return f"Sweep {body.get('sweep')} ({_text(body, 'kind')}), {complete}, rows corrected: {body.get('corrected', 0)}"
        case Action.DAY_TOTALS:
            return _totals(body)
        case Action.PERIOD_PREPARED | Action.PERIOD_SIGNED | Action.PERIOD_REOPENED:
            return f"{words(action)}: {_period(body)}"
        case Action.CONFIGURATION:
            keys = body.get("keys")
            named = (
                [_text(one, "key") for one in keys if isinstance(one, Mapping)]
                if isinstance(keys, list)
                else []
            )
            return f"Configuration changed: {', '.join(named)}"
        case Action.MIGRATION:
            return "Reconciler's own tables brought up to date"
        case _:
            return words(action)


def _totals(body: Mapping[str, object]) -> str:
    currency, received = _text(body, "currency"), body.get("received")
    said = f"Totals of a day in {currency.upper()}"
    if not isinstance(received, Mapping):
        return said
    count, amount = received.get("count"), received.get("amount")
    if not isinstance(count, int) or not isinstance(amount, int):
        return said
    return f"{said}: Stripe received {money_text(Money(amount, currency))} from {count:,} payment{'' if count == 1 else 's'}"


def _period(body: Mapping[str, object]) -> str:
    period = body.get("period")
    if not isinstance(period, Mapping):
        return ""
    return f"{_text(period, 'first')} to {_text(period, 'last')}"


def _text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def _status(body: Mapping[str, object], name: str) -> str:
    values = body.get(name)
    return _text(values, "status") if isinstance(values, Mapping) else ""


def _reason(body: Mapping[str, object]) -> str:
    reason = _text(body, "reason")
    return f", not corrected: {reason.replace('_', ' ')}" if reason else ""


def _money(body: Mapping[str, object]) -> str:
    amount, currency = body.get("amount"), body.get("currency")
    if not isinstance(amount, int) or not isinstance(currency, str):
        return ""
    return f", {money_text(Money(amount, currency))}"


def _stake(body: Mapping[str, object]) -> str:
    stake = body.get("stake")
    return _money(stake) if isinstance(stake, Mapping) else ""
