"""The closing of a period: its steps, the state that follows from them, and why a step is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from reconciler.domain.audit.ledger_entry import Action
from reconciler.domain.statement.period_figures import Figures, changes, read_figures


class CloseState(StrEnum):
    """How far the closing of a period is."""

    OPEN = "open"
    PREPARED = "prepared"
    """A person has prepared it, and another one has not signed yet."""
    SIGNED = "signed"
    CHANGED_SINCE_SIGNED = "changed_since_signed"
    """A fact that is dated before the cut-off was found after the signature. The signed version stays as it is."""
    REOPENED = "reopened"


class Refusal(StrEnum):
    """Why a step is refused."""

    PERIOD_NOT_ENDED = "period_not_ended"
    DAYS_NOT_EXAMINED = "days_not_examined"
    LEDGER_BROKEN = "ledger_broken"
    NOT_PREPARED = "not_prepared"
    CHANGED_SINCE_PREPARED = "changed_since_prepared"
    SAME_PERSON = "same_person"
    UNEXPLAINED_ABOVE_MATERIALITY = "unexplained_above_materiality"
    UNKNOWN_ACTOR = "unknown_actor"
    """``[review.people]`` names no person with this user name."""
    ALREADY_SIGNED = "already_signed"
    NOT_CLOSED = "not_closed"
    """There is nothing to open again."""
    CHANGED_MEANWHILE = "changed_meanwhile"
    """Another person did a step at the same time."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step, as its ledger entry has it. ``person`` is the name of ``[review.people]``.

    ``cutoff`` and ``figures`` are those of the version; ``head`` is the ledger's last entry before the step.
    """

    seq: int
    at: datetime
    action: Action
    asked_by: str
    claimed_by: str | None
    person: str | None
    note: str | None
    cutoff: datetime
    figures: Figures
    head: tuple[int, str] | None


@dataclass(frozen=True, slots=True)
class Signing:
    """What the configuration says about signatures: amounts by currency, in minor units, and who is one person."""

    four_eyes_above: Mapping[str, int]
    materiality: Mapping[str, int]
    people: Mapping[str, Sequence[str]]

    def person_of(self, identity: str) -> str | None:
        """The person who has this user name, such as ``os:ana``; None if no person has."""
        return next(
            (name for name, identities in self.people.items() if identity in identities), None
        )

    def needs_four_eyes(self, figures: Figures) -> bool:
        """Whether a period with these figures is signed by another person than prepared it."""
        return any(
            one.money > self.four_eyes_above.get(currency, 0) for currency, one in figures.items()
        )

    def above_materiality(self, figures: Figures) -> tuple[str, ...]:
        """The currencies of which too much is unexplained for a signature."""
        return tuple(
            currency
            for currency, one in sorted(figures.items())
            if abs(one.unexplained) > self.materiality.get(currency, 0)
        )


def read_step(seq: int, at: datetime, action: str, body: Mapping[str, Any]) -> Step:
    """The step of an entry. Raises KeyError, TypeError, ValueError or AttributeError for what no program wrote."""
    head = body.get("head")
    return Step(
        seq=seq,
        at=at,
        action=Action(action),
        asked_by=str(body["asked_by"]),
        claimed_by=body.get("claimed_by"),
        person=body.get("person"),
        note=body.get("note"),
        cutoff=datetime.fromisoformat(body["cutoff"]),
        figures=read_figures(body["figures"]),
        head=None if head is None else (int(head["seq"]), str(head["hash"])),
    )


def close_state(steps: Sequence[Step], figures: Figures | None) -> CloseState:
    """The state after these steps, in their order. ``figures`` are those of the last version's cut-off, made now.

    They are None if there is no version, and needed only after a signature.
    """
    if not steps:
        return CloseState.OPEN
    last = steps[-1]
    match last.action:
        case Action.PERIOD_PREPARED:
            return CloseState.PREPARED
        case Action.PERIOD_SIGNED:
            is_same = figures is None or not changes(last.figures, figures)
            return CloseState.SIGNED if is_same else CloseState.CHANGED_SINCE_SIGNED
        case _:
            return CloseState.REOPENED
