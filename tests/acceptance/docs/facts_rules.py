"""What the rules say: outcomes, the decision table, kinds, reasons, deadlines and polling, for the reference."""

from __future__ import annotations

import ast
import inspect
import sys
from datetime import timedelta
from enum import Enum
from itertools import pairwise

from reconciler.domain.findings.discrepancy import Cause, Closing, Kind, Reason, Severity, State
from reconciler.domain.model.intent import OUTCOME_OF_STATUS, outcome_of_status
from reconciler.domain.outcome import AT_STRIPE, MISSED_WEBHOOK, NEXT_STEP, Outcome
from reconciler.domain.polling import poll_intervals
from reconciler.domain.polling.poll_intervals import PollInterval
from reconciler.domain.rules import payment_method_deadlines as deadlines
from reconciler.domain.rules.decision_table import TABLE, Cell
from reconciler.exit_codes import ExitCode
from tests.acceptance.docs.pages import Block, table


def member_texts(enum: type[Enum]) -> dict[str, str]:
    """The docstring below each member of an enum, by the member's name."""
    tree = ast.parse(inspect.getsource(sys.modules[enum.__module__]))
    body = next(
        node.body
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == enum.__name__
    )
    texts: dict[str, str] = {}
    for member, text in pairwise(body):
        if isinstance(member, ast.Assign) and isinstance(text, ast.Expr):
            (target,) = member.targets
            assert isinstance(target, ast.Name)
            assert isinstance(text.value, ast.Constant)
            texts[target.id] = inspect.cleandoc(str(text.value.value))
    return texts


def _members(enum: type[Enum], titles: tuple[str, ...], old: str, *, by_hand: int = 0) -> str:
    texts = member_texts(enum)
    rows = [[f"`{member.value}`", texts.get(member.name, "")] for member in enum]
    return table(titles, rows, old, by_hand=by_hand)


def outcome_table(old: str) -> str:
    """Each outcome, the statuses of Stripe that mean it, and what the merchant does next."""
    statuses: dict[Outcome, list[str]] = {}
    for status in OUTCOME_OF_STATUS:
        first = outcome_of_status(status, last_attempt_failed=False)
        second = outcome_of_status(status, last_attempt_failed=True)
        if first is second:
            statuses.setdefault(first, []).append(f"`{status}`")
        else:
            statuses.setdefault(first, []).append(f"`{status}` without `last_payment_error`")
            statuses.setdefault(second, []).append(f"`{status}` with `last_payment_error`")
    texts = member_texts(Outcome)
    rows = [
        [
            f"`{one.value}`",
            texts[one.name],
            ", ".join(statuses.get(one, ["none"])),
            ", ".join(f"`{event}`" for event in MISSED_WEBHOOK.get(one, ())) or "none",
            NEXT_STEP[one],
        ]
        for one in Outcome
    ]
    titles = ("outcome", "meaning", "status at Stripe", "its event", "what the business does next")
    return table(titles, rows, old)


def decision_table(old: str) -> str:
    """The decision for each outcome of a row against each outcome at Stripe."""
    rows = [
        [f"**{local.value}**", *(_cell(TABLE[local, stripe]) for stripe in AT_STRIPE)]
        for local in dict.fromkeys(pair[0] for pair in TABLE)
    ]
    return table(("your row \\ Stripe", *(stripe.value for stripe in AT_STRIPE)), rows, old)


def _cell(cell: Cell) -> str:
    return cell.value if cell in (Cell.KEEP, Cell.CORRECT) else f"`{cell.value}`"


def kind_table(old: str) -> str:
    """Each kind of discrepancy. Its severity, its money and its meaning are written by hand."""
    rows = [
        [f"[`{kind.value}`](#{kind.value})", "beside another" if kind.is_side else "alone"]
        for kind in Kind
    ]
    titles = ("kind", "stands", "severity", "money at stake", "meaning")
    return table(titles, rows, old, by_hand=3)


def processing_limits(old: str) -> str:
    """How long each payment method may be processing before it is overdue."""
    limits = {**deadlines.PROCESSING_LIMITS, "every other method": deadlines.OTHER_METHODS}
    rows = [
        [
            _method(method),
            f"{limit.business_days} business days"
            if limit.business_days
            else _span(timedelta(hours=limit.hours)),
        ]
        for method, limit in limits.items()
    ]
    return table(("payment method", "may be processing for"), rows, old)


def authorizations(old: str) -> str:
    """How long an authorization lasts if Stripe does not say it."""
    spans = {**deadlines.AUTHORIZATIONS, "every other method": deadlines.OTHER_AUTHORIZATIONS}
    rows = [[_method(method), _span(span)] for method, span in spans.items()]
    return table(("payment method", "holds the money for"), rows, old)


def poll_table(old: str) -> str:
    """How often the service reads an open payment that nothing else has shown to change."""
    found: dict[str, PollInterval] = {
        "incomplete or failed: the customer may act at once": poll_intervals.CUSTOMER,
        **{f"processing, `{name}`": one for name, one in poll_intervals.PROCESSING.items()},
        "processing, every other method": poll_intervals.OTHER_PROCESSING,
        "processing for longer than its limit": poll_intervals.OVERDUE,
        **{f"incomplete, `{name}`": one for name, one in poll_intervals.NEXT_ACTIONS.items()},
        "authorized": poll_intervals.AUTHORIZED,
        "settled at Stripe, and your row is still open": poll_intervals.SETTLED,
    }
    rows = [
        [
            name,
            _interval(one, one.first),
            f"{one.growth:g} times its age" if one.growth else "no",
            _interval(one, one.shortest),
            _interval(one, one.longest) if one.longest else "none",
        ]
        for name, one in found.items()
    ]
    titles = (
        "payment",
        "first poll after",
        "then grows with",
        "shortest interval",
        "longest interval",
    )
    return table(titles, rows, old)


def _interval(interval: PollInterval, span: timedelta) -> str:
    if not interval.business_days:
        return _span(span)
    days = span / timedelta(days=1)
    return f"{days:g} business day{'' if days == 1 else 's'}"


def _method(name: str) -> str:
    return name if " " in name else f"`{name}`"


def _span(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        if seconds % size == 0:
            number = seconds // size
            return f"{number} {unit}{'' if number == 1 else 's'}"
    raise AssertionError(span)


def exit_codes(old: str) -> str:
    """Every exit code of the program."""
    texts = member_texts(ExitCode)
    rows = [[f"{code.value}", texts[code.name]] for code in ExitCode]
    return table(("code", "meaning", "what to do"), rows, old, by_hand=1)


BLOCKS: dict[str, Block] = {
    "outcomes": outcome_table,
    "decision table": decision_table,
    "kinds": kind_table,
    "reasons": lambda old: _members(
        Reason, ("reason", "meaning", "what you can do"), old, by_hand=1
    ),
    "causes": lambda old: _members(Cause, ("cause", "meaning"), old),
    "states": lambda old: _members(State, ("state", "meaning"), old),
    "closings": lambda old: _members(Closing, ("closing", "meaning"), old),
    "severities": lambda old: table(
        ("severity", "meaning"), [[f"`{one.value}`"] for one in Severity], old, by_hand=1
    ),
    "processing limits": processing_limits,
    "authorizations": authorizations,
    "poll intervals": poll_table,
    "exit codes": exit_codes,
}
