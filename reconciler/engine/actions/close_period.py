"""A person closes a period: prepares it, another one signs it, and a reason opens it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from reconciler.domain.audit.hash_chain import ChainBreak
from reconciler.domain.audit.ledger_entry import Action, AskedBy, Draft
from reconciler.domain.statement.close_state import (
    CloseState,
    Refusal,
    Signing,
    Step,
    close_state,
)
from reconciler.domain.statement.closed_period import ClosedPeriod, signed_overlaps
from reconciler.domain.statement.period import Period
from reconciler.domain.statement.period_figures import (
    FigureChange,
    Figures,
    LateFact,
    changes,
    figures_dict,
    figures_of,
    late_money_back,
)
from reconciler.domain.statement.statement import Statement
from reconciler.engine.actions.note import checked_text
from reconciler.errors import ReconcilerError
from reconciler.exit_codes import ExitCode


class CloseRefusedError(ReconcilerError):
    """A step of closing a period is refused; ``code`` says why."""

    exit_code = ExitCode.NO

    def __init__(self, code: Refusal, what: str, hint: str = "") -> None:
        super().__init__(f"{code.value}: {what}", hint)
        self.code = code


class PeriodLedger(Protocol):
    """One account's ledger, as far as it is about periods."""

    @property
    def account(self) -> str:
        """The account."""
        ...

    def steps(self, period: Period) -> tuple[Step, ...]:
        """The steps of a period, in their order."""
        ...

    def closed_periods(self) -> tuple[ClosedPeriod, ...]:
        """Every period of the account that has a step."""
        ...

    def statement(self, period: Period, cutoff: datetime) -> Statement:
        """The statement of a period, as the ledger knew it at the cut-off, with what became of it since."""
        ...

    def late_facts(self, period: Period, cutoff: datetime) -> tuple[LateFact, ...]:
        """The findings that were recorded after the cut-off, although they are dated before."""
        ...

    def head(self) -> tuple[int, str] | None:
        """The number and hash of the last entry, None if there is none."""
        ...

    def first_break(self) -> ChainBreak | None:
        """The first place at which the chain is broken, None if it is whole. Reads the whole chain."""
        ...

    def add_step(self, period: Period, after: int | None, draft: Draft) -> bool:
        """Append a step's entry; False if the last step of the period is not the entry ``after``."""
        ...


@dataclass(frozen=True, slots=True)
class Closing:
    """How far the closing of a period is: its steps, and its figures as they are made now, if there is a version.

    ``late`` are the facts that were found after the cut-off of the last version, ``overlaps`` the signed periods that share days.
    """

    period: Period
    state: CloseState
    steps: tuple[Step, ...]
    figures: Figures | None
    late: tuple[LateFact, ...] = ()
    overlaps: tuple[ClosedPeriod, ...] = ()

    @property
    def version(self) -> Step | None:
        """The step whose version counts: the last that prepared or signed; None if there is none."""
        return _version(self.steps)

    @property
    def changes(self) -> tuple[FigureChange, ...]:
        """What is not as in the last version."""
        version = self.version
        if version is None or self.figures is None:
            return ()
        return changes(version.figures, self.figures)


@dataclass(frozen=True, slots=True)
class Closer:
    """Who does a step, and what the configuration says. ``identity`` is a user name as ``[review.people]`` has it.

    ``seen`` is the number of the period's last step that the person has looked at, 0 if there was none. A step is refused
    if another one came after it; None refuses nothing.
    """

    by: AskedBy
    identity: str
    signing: Signing
    seen: int | None = None

    def person(self) -> str:
        """The person. Raises CloseRefusedError if the configuration knows none."""
        person = self.signing.person_of(self.identity)
        if person is None:
            raise CloseRefusedError(
                Refusal.UNKNOWN_ACTOR,
                f"[review.people] names no person with the user name {self.identity}.",
                f'In the section [review.people], name the person that {self.identity} is. For a person ana: ana = ["{self.identity}"]',
            )
        return person


def _seen_steps(ledger: PeriodLedger, period: Period, closer: Closer) -> tuple[Step, ...]:
    """The steps of the period. Raises CloseRefusedError if the last one is not the one that the person has looked at."""
    steps = ledger.steps(period)
    if closer.seen is not None and closer.seen != (steps[-1].seq if steps else 0):
        raise _changed_meanwhile()
    return steps


def _changed_meanwhile() -> CloseRefusedError:
    return CloseRefusedError(
        Refusal.CHANGED_MEANWHILE,
        "in the meantime, another person has prepared, signed or opened the period.",
        "To see who and when, run: reconciler close PERIOD --show",
    )


def closing_of(ledger: PeriodLedger, period: Period) -> Closing:
    """How far the closing of a period is."""
    steps = ledger.steps(period)
    overlaps = signed_overlaps(period, ledger.closed_periods())
    version = _version(steps)
    if version is None:
        return Closing(period, close_state(steps, None), steps, None, overlaps=overlaps)
    statement = ledger.statement(period, version.cutoff)
    late = _late_facts(ledger, statement)
    figures = figures_of(statement, late)
    return Closing(period, close_state(steps, figures), steps, figures, late, overlaps)


def prepare(
    ledger: PeriodLedger,
    period: Period,
    cutoff: datetime,
    now: datetime,
    closer: Closer,
    note: str | None = None,
) -> Step:
    """Prepare a period with its money as it stood at the cut-off, for another person to sign.

    A cut-off in the future becomes ``now``. A period that is prepared already is prepared anew. Raises CloseRefusedError.
    """
    person = closer.person()
    steps = _seen_steps(ledger, period, closer)
    if steps and steps[-1].action is Action.PERIOD_SIGNED:
        raise CloseRefusedError(
            Refusal.ALREADY_SIGNED,
            f"the period was signed by {steps[-1].person}.",
            "Open the period again first with: reconciler close PERIOD --reopen --note TEXT",
        )
    # microseconds, as the ledger writes them
    cutoff = min(cutoff, now)
    figures = _checked_figures(ledger, period, cutoff, now)
    return _add(
        ledger, period, steps, Action.PERIOD_PREPARED, closer, person, cutoff, figures, note
    )


def sign(ledger: PeriodLedger, period: Period, now: datetime, closer: Closer) -> Step:
    """Sign the prepared version of a period. Raises CloseRefusedError."""
    person = closer.person()
    steps = _seen_steps(ledger, period, closer)
    if not steps or steps[-1].action is not Action.PERIOD_PREPARED:
        is_signed = bool(steps) and steps[-1].action is Action.PERIOD_SIGNED
        raise CloseRefusedError(
            Refusal.ALREADY_SIGNED if is_signed else Refusal.NOT_PREPARED,
            f"the period was signed by {steps[-1].person}."
            if is_signed
            else "no version of the period is prepared.",
            "" if is_signed else "Prepare the period with: reconciler close PERIOD --prepare",
        )
    prepared = steps[-1]
    if prepared.person == person and closer.signing.needs_four_eyes(prepared.figures):
        raise CloseRefusedError(
            Refusal.SAME_PERSON,
            f"{person} has prepared the period and may not sign it too: the period has more money "
            "than review.four_eyes_above.",
            "Another person has to sign the period.",
        )
    figures = _checked_figures(ledger, period, prepared.cutoff, now)
    if changes(prepared.figures, figures):
        raise CloseRefusedError(
            Refusal.CHANGED_SINCE_PREPARED,
            "the figures have changed since the period was prepared.",
            "See what has changed with reconciler close PERIOD --diff, and prepare the period anew.",
        )
    above = closer.signing.above_materiality(figures)
    if above:
        raise CloseRefusedError(
            Refusal.UNEXPLAINED_ABOVE_MATERIALITY,
            f"the unexplained money is more than review.materiality allows, in {', '.join(above).upper()}.",
            "To see the unexplained money, run: reconciler statement PERIOD",
        )
    return _add(
        ledger,
        period,
        steps,
        Action.PERIOD_SIGNED,
        closer,
        person,
        prepared.cutoff,
        figures,
        None,
    )


def reopen_period(ledger: PeriodLedger, period: Period, closer: Closer, note: str) -> Step:
    """Open a prepared or signed period again. The versions before stay in the ledger. Raises CloseRefusedError."""
    person = closer.person()
    written = checked_text(note, "the note")
    steps = _seen_steps(ledger, period, closer)
    if not steps or steps[-1].action is Action.PERIOD_REOPENED:
        raise CloseRefusedError(
            Refusal.NOT_CLOSED, "the period is open already: no person has prepared or signed it."
        )
    last = steps[-1]
    return _add(
        ledger,
        period,
        steps,
        Action.PERIOD_REOPENED,
        closer,
        person,
        last.cutoff,
        last.figures,
        written,
    )


def _version(steps: Sequence[Step]) -> Step | None:
    """The last step that prepared or signed."""
    return next(
        (step for step in reversed(steps) if step.action is not Action.PERIOD_REOPENED), None
    )


def _checked_figures(
    ledger: PeriodLedger, period: Period, cutoff: datetime, now: datetime
) -> Figures:
    """The figures at the cut-off. Raises CloseRefusedError if they are not those of a whole period and a whole ledger."""
    if now < period.end or cutoff < period.end:
        raise CloseRefusedError(
            Refusal.PERIOD_NOT_ENDED,
            f"the period ends on {period.last} ({period.zone}), after the cut-off.",
            "Prepare the period when it has ended, with a --cutoff after its last day.",
        )
    statement = ledger.statement(period, cutoff)
    if not statement.is_complete:
        days = ", ".join(str(day) for day in statement.days_not_examined[:5])
        more = len(statement.days_not_examined) - 5
        raise CloseRefusedError(
            Refusal.DAYS_NOT_EXAMINED,
            f"at the cut-off, these days had not been examined: {days}{f' and {more} more' if more > 0 else ''}.",
            "Examine these days with reconciler sweep --kind window --since DATE --until DATE --record, and "
            "prepare the period with a --cutoff after that sweep.",
        )
    broken = ledger.first_break()
    if broken is not None:
        raise CloseRefusedError(
            Refusal.LEDGER_BROKEN,
            f"entry {broken.seq} of the ledger is not intact: {broken.what}.",
            "To see what else is wrong, run: reconciler verify",
        )
    return figures_of(statement, _late_facts(ledger, statement))


def _late_facts(ledger: PeriodLedger, statement: Statement) -> tuple[LateFact, ...]:
    """Findings, and money that went back: what was found after the cut-off and is dated before."""
    findings = ledger.late_facts(statement.period, statement.cut)
    return (*findings, *late_money_back(statement))


def _add(
    ledger: PeriodLedger,
    period: Period,
    steps: Sequence[Step],
    action: Action,
    closer: Closer,
    person: str,
    cutoff: datetime,
    figures: Figures,
    note: str | None,
) -> Step:
    """Append the entry of a step, and return the step as it is stored."""
    head = ledger.head()
    after = steps[-1].seq if steps else None
    body: dict[str, object] = {
        "period": {"first": period.first.isoformat(), "last": period.last.isoformat()},
        "timezone": str(period.zone),
        "cutoff": cutoff,
        "person": person,
        "figures": figures_dict(figures),
        "head": None if head is None else {"seq": head[0], "hash": head[1]},
        **({} if note is None else {"note": note}),
        **({"prepared": after} if action is Action.PERIOD_SIGNED else {}),
        **closer.by.fields,
    }
    if not ledger.add_step(period, after, Draft(action, body)):
        raise _changed_meanwhile()
    return replace(ledger.steps(period)[-1])
