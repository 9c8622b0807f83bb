"""How far the closing of a period is, as the page of its statement shows it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final

from reconciler.domain.audit.ledger_entry import Action
from reconciler.domain.money import Money
from reconciler.domain.statement.close_state import CloseState, Step
from reconciler.domain.statement.period_figures import FigureChange, LateFact
from reconciler.engine.actions.close_period import Closing
from reconciler.entrypoints.shown_text import money_text
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

_DONE: Final = {
    Action.PERIOD_PREPARED: "Prepared",
    Action.PERIOD_SIGNED: "Signed",
    Action.PERIOD_REOPENED: "Opened again",
}
_COUNTS: Final = {"items", "late_items"}
"""Figures that are numbers and no money."""


class CloseStep(StrEnum):
    """What a reviewer can do with a period."""

    PREPARE = "prepare"
    SIGN = "sign"
    REOPEN = "reopen"


def possible_steps(closing: Closing) -> list[CloseStep]:
    """The steps that the state allows. The ledger may still refuse them, and then says why."""
    match closing.state:
        case CloseState.OPEN | CloseState.REOPENED:
            return [CloseStep.PREPARE]
        case CloseState.PREPARED:
            return [CloseStep.SIGN, CloseStep.PREPARE, CloseStep.REOPEN]
        case CloseState.SIGNED | CloseState.CHANGED_SINCE_SIGNED:
            return [CloseStep.REOPEN]


def closing_tables(account: str, closing: Closing) -> Iterator[Table[Any]]:
    """The steps, what is not as in the last version any more, and the facts that were found late."""
    yield Table(
        "steps",
        "Steps",
        _STEPS,
        closing.steps,
        empty="No person has prepared or signed this period yet.",
        is_whole=True,
    )
    yield Table("changes", "Changed since the last version", _CHANGES, closing.changes)
    yield Table(
        "late", "Dated before the cut-off, but found after it", _late(account), closing.late
    )


_STEPS: Final[tuple[Column[Step], ...]] = (
    moment_column("Time", lambda step: step.at),
    Column(
        "Step",
        lambda step: Cell(_DONE[step.action], note=step.note),
        {"step": lambda step: _DONE[step.action], "note": lambda step: step.note},
    ),
    Column(
        "Person",
        lambda step: Cell(step.person or "", note=step.asked_by),
        {"person": lambda step: step.person, "asked_by": lambda step: step.asked_by},
    ),
    moment_column("As of", lambda step: step.cutoff),
    number_column("Ledger entry", lambda step: step.seq),
    Column(
        "Ledger's last entry before the step",
        # the page has room for its beginning
        lambda step: Cell(step.head[1][:12] if step.head else ""),
        {
            "head_entry_before_the_step": lambda step: step.head[0] if step.head else None,
            "head_hash_before_the_step": lambda step: step.head[1] if step.head else None,
        },
    ),
)
_CHANGES: Final[tuple[Column[FigureChange], ...]] = (
    text_column("Currency", lambda one: one.currency.upper()),
    text_column("Figure", lambda one: words(one.name)),
    text_column("Then", lambda one: _figure(one, one.before)),
    text_column("Now", lambda one: _figure(one, one.now)),
)


def _figure(one: FigureChange, amount: int) -> str:
    return f"{amount:,}" if one.name in _COUNTS else money_text(Money(amount, one.currency))


def _late(account: str) -> tuple[Column[LateFact], ...]:
    def href(fact: LateFact) -> str:
        name = fact.subject.removeprefix("row:").split(",")[0]
        return address("/payment", account=account, name=name)

    return (
        text_column("Payment", lambda fact: fact.subject, href=href),
        text_column("Kind", lambda fact: words(fact.kind)),
        moment_column("Dated", lambda fact: fact.dated),
        moment_column("Found", lambda fact: fact.found_at),
        text_column("Refund, or change of the difference", _change),
    )


def _change(fact: LateFact) -> str:
    changed = fact.change or fact.money_back
    return ", ".join(money_text(Money(changed[one], one)) for one in sorted(changed))
