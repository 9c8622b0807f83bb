"""Every period that a person has prepared, signed or opened again, of all accounts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reconciler.domain.audit.ledger_entry import Action
from reconciler.domain.statement.close_state import CloseState, Step
from reconciler.domain.statement.closed_period import ClosedPeriod
from reconciler.engine.actions.close_period import Closing
from reconciler.entrypoints.web.call import Call, View
from reconciler.entrypoints.web.tables import (
    Cell,
    Column,
    Table,
    address,
    moment_column,
    text_column,
)
from reconciler.entrypoints.web.templating import words

MOST_COMPARED: Final = 24
"""So many of the latest periods of an account are compared with what was signed: each takes as long as a statement."""
ADDRESS: Final = "/closed-periods"


@dataclass(frozen=True, slots=True)
class ListedClose:
    """A period of an account, and how far its closing is."""

    account: str
    closing: Closing

    @property
    def name(self) -> str:
        """The days."""
        period = self.closing.period
        return f"{period.first} to {period.last}"

    @property
    def href(self) -> str:
        """The page of its statement."""
        return period_address(self.account, self.closing)

    def last(self, action: Action) -> Step | None:
        """The last step of a kind; None if there is none."""
        steps = [step for step in self.closing.steps if step.action is action]
        return steps[-1] if steps else None

    @property
    def changed(self) -> str:
        """Whether it has changed since it was signed, for people; empty if it is not signed."""
        closing = self.closing
        match closing.state:
            case CloseState.CHANGED_SINCE_SIGNED:
                return "yes"
            case CloseState.SIGNED:
                return "no" if closing.figures is not None else "open the period to see"
            case _:
                return ""


def period_address(account: str, closed: Closing | ClosedPeriod) -> str:
    """The page of the statement of a period."""
    first, last = closed.period.first.isoformat(), closed.period.last.isoformat()
    return address("/statement", account=account, **{"from": first, "to": last})


def closed_periods(call: Call) -> View:
    """The page."""
    found = [
        ListedClose(account, closing)
        for account in call.records.accounts()
        for closing in call.records.closings(account, MOST_COMPARED)
    ]
    table = Table(
        "closed_periods",
        "Closed periods",
        _COLUMNS,
        found,
        empty="No person has prepared a period yet.",
        is_whole=True,
    )
    return View("closed_periods.html", "Closed periods", {"most": MOST_COMPARED}, (table,))


def _person(step: Step | None) -> str:
    return "" if step is None else step.person or step.asked_by


def _at(step: Step | None) -> datetime | None:
    return None if step is None else step.at


def _overlaps(one: ListedClose) -> str:
    return ", ".join(
        f"{other.period.first} to {other.period.last}" for other in one.closing.overlaps
    )


_COLUMNS: Final[tuple[Column[ListedClose], ...]] = (
    Column(
        "Period",
        lambda one: Cell(one.name, href=one.href),
        {
            "first_day": lambda one: one.closing.period.first,
            "last_day": lambda one: one.closing.period.last,
            "time_zone": lambda one: str(one.closing.period.zone),
        },
    ),
    text_column("Account", lambda one: one.account),
    Column(
        "State",
        lambda one: Cell(words(one.closing.state.value)),
        {"state": lambda one: one.closing.state.value},
    ),
    text_column("Prepared by", lambda one: _person(one.last(Action.PERIOD_PREPARED))),
    text_column("Signed by", lambda one: _person(one.last(Action.PERIOD_SIGNED))),
    moment_column("Signed at", lambda one: _at(one.last(Action.PERIOD_SIGNED))),
    moment_column("Cut-off", lambda one: one.closing.steps[-1].cutoff),
    text_column("Changed since it was signed", lambda one: one.changed),
    text_column("Shares days with signed periods", _overlaps),
)
