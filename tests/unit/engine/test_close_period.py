"""Closing a period: which figures may be signed by whom, judged beside a ledger in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest

from reconciler.domain.audit.hash_chain import ChainBreak
from reconciler.domain.audit.ledger_entry import Action, AskedBy, Draft
from reconciler.domain.statement.close_state import (
    CloseState,
    Refusal,
    Signing,
    Step,
    close_state,
)
from reconciler.domain.statement.closed_period import ClosedPeriod
from reconciler.domain.statement.period import Period
from reconciler.domain.statement.period_figures import (
    FigureChange,
    LateFact,
    PeriodFigures,
    changes,
    figures_dict,
    figures_of,
    late_change,
    read_figures,
)
from reconciler.domain.statement.statement import Statement
from reconciler.domain.statement.statement_figures import CurrencyStatement
from reconciler.engine.actions.close_period import (
    Closer,
    CloseRefusedError,
    closing_of,
    prepare,
    reopen_period,
    sign,
)
from reconciler.engine.actions.closed_periods import closings
from reconciler.errors import UsageError

OCTOBER = Period(date(2026, 10, 1), date(2026, 10, 31), UTC)
NOW = datetime(2026, 11, 9, tzinfo=UTC)
CUTOFF = datetime(2026, 11, 6, tzinfo=UTC)
PEOPLE = {"ana": ("os:ana",), "ben": ("os:ben",)}


@dataclass
class MemoryLedger:
    """A ledger of one period, with the money that its next statement has."""

    money: list[CurrencyStatement] = field(default_factory=list)
    late: tuple[LateFact, ...] = ()
    account: str = "default"
    stored: list[Step] = field(default_factory=list)
    broken: ChainBreak | None = None
    is_complete: bool = True

    def steps(self, _period: Period) -> tuple[Step, ...]:
        return tuple(self.stored)

    def closed_periods(self) -> tuple[ClosedPeriod, ...]:
        return (ClosedPeriod(OCTOBER, tuple(self.stored)),) if self.stored else ()

    def statement(self, period: Period, cutoff: datetime) -> Statement:
        missing = () if self.is_complete else tuple(period.days[:7])
        return Statement(
            "default", period, cutoff, cutoff, tuple(self.money), missing, (), (), (), {}
        )

    def late_facts(self, _period: Period, _cutoff: datetime) -> tuple[LateFact, ...]:
        return self.late

    def head(self) -> tuple[int, str] | None:
        return None

    def first_break(self) -> ChainBreak | None:
        return self.broken

    def add_step(self, _period: Period, after: int | None, draft: Draft) -> bool:
        if after != (self.stored[-1].seq if self.stored else None):
            return False
        body: dict = dict(draft.body)
        self.stored.append(
            Step(
                seq=len(self.stored) + 1,
                at=NOW,
                action=draft.action,
                asked_by=body["asked_by"],
                claimed_by=None,
                person=body["person"],
                note=body.get("note"),
                cutoff=body["cutoff"],
                figures=read_figures(body["figures"]),
                head=body["head"],
            )
        )
        return True


def eur(local: int, stripe: int) -> CurrencyStatement:
    return CurrencyStatement("eur", local=local, stripe=stripe)


def closer(user: str, *, four_eyes: int = 0, materiality: int = 0) -> Closer:
    return Closer(
        AskedBy(f"{user}@desk"),
        f"os:{user}",
        Signing({"eur": four_eyes}, {"eur": materiality}, PEOPLE),
    )


def refusal(*, of: object) -> Refusal:
    with pytest.raises(CloseRefusedError) as raised:
        of()  # type: ignore[operator]
    assert raised.value.exit_code == 1
    return raised.value.code


def test_below_four_eyes_one_person_does_both() -> None:
    """The money of the side that has more decides, so that a missing table does not make a period small."""
    for money in (eur(0, 5000), eur(5000, 0)):
        ledger = MemoryLedger([money])
        one = closer("ana", four_eyes=4999, materiality=5000)
        prepare(ledger, OCTOBER, CUTOFF, NOW, one)
        assert refusal(of=lambda: sign(ledger, OCTOBER, NOW, one)) is Refusal.SAME_PERSON  # noqa: B023
        sign(ledger, OCTOBER, NOW, closer("ana", four_eyes=5000, materiality=5000))
        assert closing_of(ledger, OCTOBER).state is CloseState.SIGNED


def test_too_much_unexplained_is_not_signed() -> None:
    """More than the materiality of a currency; exactly that much may be."""
    ledger = MemoryLedger([eur(100, 0)])
    prepare(ledger, OCTOBER, CUTOFF, NOW, closer("ana"))
    for materiality in (0, 99):
        ben = closer("ben", materiality=materiality)
        code = refusal(of=lambda: sign(ledger, OCTOBER, NOW, ben))  # noqa: B023
        assert code is Refusal.UNEXPLAINED_ABOVE_MATERIALITY
    assert sign(ledger, OCTOBER, NOW, closer("ben", materiality=100)).person == "ben"


def test_each_refusal_of_a_step() -> None:
    """Nothing is stored by a step that is refused."""
    ana, ben = closer("ana"), closer("ben")
    ledger = MemoryLedger([eur(100, 100)])
    early = OCTOBER.end - timedelta(seconds=1)
    assert refusal(of=lambda: prepare(ledger, OCTOBER, CUTOFF, early, ana)) is Refusal.PERIOD_NOT_ENDED  # fmt: skip
    assert refusal(of=lambda: prepare(ledger, OCTOBER, early, NOW, ana)) is Refusal.PERIOD_NOT_ENDED  # fmt: skip
    ledger.is_complete = False
    assert refusal(of=lambda: prepare(ledger, OCTOBER, CUTOFF, NOW, ana)) is Refusal.DAYS_NOT_EXAMINED  # fmt: skip
    ledger.is_complete, ledger.broken = True, ChainBreak("default", 3, "it was changed")
    assert refusal(of=lambda: prepare(ledger, OCTOBER, CUTOFF, NOW, ana)) is Refusal.LEDGER_BROKEN
    ledger.broken = None
    assert refusal(of=lambda: sign(ledger, OCTOBER, NOW, ben)) is Refusal.NOT_PREPARED
    assert refusal(of=lambda: reopen_period(ledger, OCTOBER, ben, "x")) is Refusal.NOT_CLOSED
    assert refusal(of=lambda: prepare(ledger, OCTOBER, CUTOFF, NOW, closer("eve"))) is Refusal.UNKNOWN_ACTOR  # fmt: skip
    assert ledger.stored == []
    assert closing_of(ledger, OCTOBER).state is CloseState.OPEN
    assert closing_of(ledger, OCTOBER).changes == ()

    prepare(ledger, OCTOBER, CUTOFF, NOW, ana)
    ledger.money = [eur(100, 101)]
    assert closing_of(ledger, OCTOBER).state is CloseState.PREPARED
    assert refusal(of=lambda: sign(ledger, OCTOBER, NOW, ben)) is Refusal.CHANGED_SINCE_PREPARED
    with pytest.raises(UsageError):
        reopen_period(ledger, OCTOBER, ben, "  ")
    reopen_period(ledger, OCTOBER, ben, "wrong cut-off")
    assert closing_of(ledger, OCTOBER).state is CloseState.REOPENED
    assert refusal(of=lambda: sign(ledger, OCTOBER, NOW, ben)) is Refusal.NOT_PREPARED
    assert len(ledger.stored) == 2


def test_a_cut_off_in_the_future_is_now() -> None:
    """No person knows yet what happens until then, so the version is of the moment at which it was prepared."""
    ledger = MemoryLedger([eur(1, 1)])
    step = prepare(ledger, OCTOBER, NOW + timedelta(days=1), NOW, closer("ana"))
    assert step.cutoff == NOW


def test_late_facts_are_beside_the_figures() -> None:
    """What was known to be late at the signature is signed with it; only what comes later changes the state."""
    known = LateFact(7, NOW, "pi_1", "missing_locally", CUTOFF, {"eur": -5})
    ledger = MemoryLedger([eur(100, 100)], late=(known,))
    prepare(ledger, OCTOBER, CUTOFF, NOW, closer("ana"))
    sign(ledger, OCTOBER, NOW, closer("ben"))
    assert closing_of(ledger, OCTOBER).state is CloseState.SIGNED
    ledger.late = (known, LateFact(9, NOW, "pi_2", "missing_locally", CUTOFF, {"usd": 3}))
    found = closing_of(ledger, OCTOBER)
    assert found.state is CloseState.CHANGED_SINCE_SIGNED
    assert found.changes == (
        FigureChange("usd", "late", 0, 3),
        FigureChange("usd", "late_items", 0, 1),
    )


@pytest.mark.parametrize(
    ("now", "state", "before", "change"),
    [
        ({"eur": -5}, None, {}, {"eur": -5}),
        ({"eur": -5}, "open", {"eur": -5}, {}),
        ({"eur": -5}, "open", {"eur": 2, "usd": 1}, {"eur": -7, "usd": -1}),
        ({"eur": -5}, "closed", {"eur": 2}, {"eur": -5}),
    ],
)
def test_what_a_late_finding_changes(
    now: dict[str, int], state: str | None, before: dict[str, int], change: dict[str, int]
) -> None:
    """What the version has of the payment already does not count again; a finding that had ended then had nothing."""
    assert late_change(now, state, before) == change


def test_figures_are_read_as_they_were_written() -> None:
    """By currency; a figure that an older version did not write is 0."""
    figures = figures_of(MemoryLedger([eur(5, 3)]).statement(OCTOBER, CUTOFF), ())
    assert read_figures(figures_dict(figures)) == figures
    assert read_figures({"eur": {"local": 5}}) == {"eur": PeriodFigures(local=5)}
    assert changes(figures, {})[0] == FigureChange("eur", "local", 5, 0)
    step = Step(1, NOW, Action.PERIOD_SIGNED, "a", None, "ana", None, CUTOFF, figures, None)
    assert close_state([step], None) is CloseState.SIGNED


def test_only_the_latest_periods_are_compared() -> None:
    """A list has every period; of those beyond the bound no statement is made, and their state is that of their steps."""
    figures = figures_of(MemoryLedger([eur(5, 3)]).statement(OCTOBER, CUTOFF), ())
    signed = Step(1, NOW, Action.PERIOD_SIGNED, "a", None, "ana", None, CUTOFF, figures, None)
    ledger = MemoryLedger([eur(5, 4)], stored=[signed])
    (compared,), (listed,) = closings(ledger), closings(ledger, 0)
    assert (compared.state, listed.state) == (CloseState.CHANGED_SINCE_SIGNED, CloseState.SIGNED)
    assert (listed.figures, listed.changes, compared.overlaps) == (None, (), ())
