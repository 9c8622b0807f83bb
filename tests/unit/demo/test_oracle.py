"""The demonstration's judgement can say no, for each thing that may go wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.adapters.postgres.demo.demo_shop import ShopRow, StoredFinding
from reconciler.demo.oracle import DatabaseState, DemoVerdict, judge
from reconciler.demo.world import World
from reconciler.domain.findings.discrepancy import Kind
from reconciler.domain.money import Money
from tests.unit.demo.staging import PRESENT, make_stage


def _stored(kind: Kind, subject: str, state: str = "open") -> StoredFinding:
    return StoredFinding(subject, kind.value, state, "warning", Money(1, "eur"))


class Shown:
    """One row to correct, one to leave alone with a finding, one wait; and a sweep that does all of it rightly."""

    def __init__(self) -> None:
        self.world: World = make_stage()
        at = PRESENT - timedelta(hours=5)
        self.paid, self.held, self.fresh = (self.world.open_intent(at, manual=True) for _ in "123")
        for intent in (self.paid, self.fresh):
            self.world.sandbox.succeed(intent.id, at=at)
        self.lost = self.world.add_row("pending", self.paid, holds=False, end="paid")
        self.world.expected.stories[self.lost] = self.paid.id
        self.kept = self.world.add_row("paid", self.held)
        self.waiting = self.world.add_row("pending", self.fresh)
        self.world.expect(Kind.CONTRADICTED, self.held)
        self.world.expected.waits.add(self.fresh.id)
        self.before: dict[str, ShopRow] = dict(self.world.shop.rows)
        self.after = dict(self.before)
        self.change(self.lost, status="paid", payment_intent=self.paid.id)
        self.findings = [
            _stored(Kind.CONTRADICTED, self.held.id),
            _stored(Kind.MISSED_OUTCOME, self.paid.id, "corrected"),
        ]
        self.rechecks = {self.fresh.id}
        self.outbox = [(self.lost, "paid")]

    def change(self, key: str, **values: object) -> None:
        self.after[key] = replace(self.after[key], **values)

    @property
    def verdict(self) -> DemoVerdict:
        state = DatabaseState(
            self.before, self.after, self.findings, frozenset(self.rechecks), tuple(self.outbox)
        )
        return judge(self.world.expected, self.world.sandbox, state)


def test_a_right_pass_is_clean() -> None:
    """One wrong row, corrected and linked; what was planted is found and what is fresh waits."""
    shown = Shown()
    verdict = shown.verdict
    assert verdict.is_clean
    assert verdict.wrong_before == (shown.lost,)
    assert [(was.status, now.status) for was, now in verdict.changed] == [("pending", "paid")]
    assert verdict.planted == verdict.found == {Kind.CONTRADICTED: 1}
    assert verdict.money_before == {"eur": shown.paid.amount}


def _not_corrected(shown: Shown) -> None:
    shown.after[shown.lost] = shown.before[shown.lost]
    shown.outbox.clear()


MISSED: dict[str, Callable[[Shown], None]] = {
    "a wrong row is left": _not_corrected,
    "a planted finding is not there": lambda shown: shown.findings.pop(0) and None,
    "a finding is closed": lambda shown: shown.findings.__setitem__(
        0, _stored(Kind.CONTRADICTED, shown.held.id, "closed")
    ),
    "a wait is forgotten": lambda shown: shown.rechecks.clear(),
    "the worker is not told": lambda shown: shown.outbox.clear(),
    "the worker is told something else": lambda shown: shown.outbox.__setitem__(
        0, (shown.lost, "failed")
    ),
}

WRONG: dict[str, Callable[[Shown], None]] = {
    "another status": lambda shown: shown.change(shown.lost, status="failed"),
    "another intent": lambda shown: shown.change(shown.lost, payment_intent=shown.held.id),
    "no intent": lambda shown: shown.change(shown.lost, payment_intent=None),
    "another amount": lambda shown: shown.change(shown.lost, amount=1),
    "another currency": lambda shown: shown.change(shown.lost, currency="usd"),
    "a row that must stay": lambda shown: shown.change(shown.kept, status="failed"),
    "a row that must wait": lambda shown: shown.change(shown.waiting, status="paid"),
    "a row is gone": lambda shown: shown.after.pop(shown.kept) and None,
    "a row has appeared": lambda shown: shown.after.update(
        {"another": replace(shown.after[shown.kept], id="another")}
    ),
}


@pytest.mark.parametrize("breaking", MISSED.values(), ids=MISSED)
def test_what_was_not_done_is_missed(breaking: Callable[[Shown], None]) -> None:
    """A row left wrong, a discrepancy not found, a wait or a worker forgotten."""
    shown = Shown()
    breaking(shown)
    assert len(shown.verdict.missed) == 1
    assert not shown.verdict.is_clean


@pytest.mark.parametrize("breaking", WRONG.values(), ids=WRONG)
def test_what_was_written_wrongly_is_a_wrong_write(breaking: Callable[[Shown], None]) -> None:
    """A row that is neither as it was nor as it must be, or that came or went."""
    shown = Shown()
    breaking(shown)
    assert len(shown.verdict.wrong_writes) == 1
    assert not shown.verdict.is_clean


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.MISSED_OUTCOME])
def test_what_nobody_planted_is_invented(kind: Kind) -> None:
    """Any other discrepancy, also one of the right kind about another intent."""
    shown = Shown()
    shown.findings.append(_stored(kind, shown.paid.id))
    assert len(shown.verdict.invented) == 1
    assert not shown.verdict.is_clean


def test_a_judgement_on_a_wrong_script_is_void() -> None:
    """Where Stripe's own memory says otherwise than the script, nothing is proved."""
    shown = Shown()
    shown.world.sandbox.refund(shown.paid.id)
    assert len(shown.verdict.untrue) == 1
    assert not shown.verdict.is_clean


def test_the_judgement_shares_nothing_with_the_rules() -> None:
    """To judge the reconciler, neither its comparison nor its decision is even loaded."""
    program = (
        "import sys, reconciler.demo.oracle, reconciler.demo.scenario, reconciler.demo.planting;"
        "print(*[name for name in sys.modules if name.startswith('reconciler.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    assert "reconciler.demo.oracle" in loaded
    rules = ("comparison", "decision", "side_findings", "joining", "cadence", "subject")
    assert not [name for name in loaded if name.rpartition(".")[2] in rules]
    assert not [name for name in loaded if name.startswith("reconciler.engine")]
