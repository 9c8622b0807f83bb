"""``close --list``: every period that a person has prepared, signed or opened again."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.domain.audit.ledger_entry import Action
from reconciler.engine.actions.close_period import Closing
from reconciler.entrypoints.cli.output import OutputColumn, moment_text, write_line, write_table

ListedClose = tuple[str, Closing]
"""An account, and one of its periods."""


def write_closings(found: Sequence[ListedClose]) -> None:
    """Write a table of the periods."""
    if not found:
        write_line("No person has prepared a period yet.")
        return
    write_table(
        (
            OutputColumn[ListedClose]("account", lambda one: one[0]),
            OutputColumn[ListedClose](
                "period", lambda one: f"{one[1].period.first} to {one[1].period.last}"
            ),
            OutputColumn[ListedClose]("state", lambda one: one[1].state.value),
            OutputColumn[ListedClose](
                "prepared by", lambda one: _by(one[1], Action.PERIOD_PREPARED)
            ),
            OutputColumn[ListedClose]("signed by", lambda one: _by(one[1], Action.PERIOD_SIGNED)),
            OutputColumn[ListedClose](
                "shares days with signed periods", lambda one: _overlaps(one[1])
            ),
        ),
        found,
    )


def _by(closing: Closing, action: Action) -> str:
    """Who did the last step of a kind, and when; empty if there is none."""
    steps = [step for step in closing.steps if step.action is action]
    return f"{steps[-1].person}, {moment_text(steps[-1].at)}" if steps else ""


def _overlaps(closing: Closing) -> str:
    return ", ".join(f"{one.period.first} to {one.period.last}" for one in closing.overlaps)
