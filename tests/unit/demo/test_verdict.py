"""The demonstration's verdict names every fault that a sweep can have."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.adapters.postgres.demo.demo_shop import ShopRow, StoredFinding
from reconciler.demo.simulation import Simulation
from reconciler.demo.verdict import DatabaseState, DemoVerdict, judge
from reconciler.domain.findings.discrepancy import Kind
from reconciler.domain.money import Money
from tests.unit.demo.simulations import PRESENT, make_simulation


def _stored(kind: Kind, subject: str, state: str = "open") -> StoredFinding:
    return StoredFinding(subject, kind.value, state, "warning", Money(1, "eur"))


class CorrectSweep:
    """A row to correct, a row with a discrepancy, a row that waits, and what a correct sweep makes of them."""

    def __init__(self) -> None:
        self.simulation: Simulation = make_simulation()
        at = PRESENT - timedelta(hours=5)
        self.paid, self.held, self.recent = (
            self.simulation.open_intent(at, manual=True) for _ in "123"
        )
        for intent in (self.paid, self.recent):
            self.simulation.sandbox.succeed(intent.id, at=at)
        self.lost = self.simulation.add_row("pending", self.paid, holds=False, end="paid")
        self.simulation.expected.customers[self.lost] = self.paid.id
        self.kept = self.simulation.add_row("paid", self.held)
        self.waiting = self.simulation.add_row("pending", self.recent)
        self.simulation.expect(Kind.CONTRADICTED, self.held)
        self.simulation.expected.waits.add(self.recent.id)
        self.before: dict[str, ShopRow] = dict(self.simulation.shop.rows)
        self.after = dict(self.before)
        self.change(self.lost, status="paid", payment_intent=self.paid.id)
        self.findings = [
            _stored(Kind.CONTRADICTED, self.held.id),
            _stored(Kind.MISSED_OUTCOME, self.paid.id, "corrected"),
        ]
        self.rechecks = {self.recent.id}
        self.outbox = [(self.lost, "paid")]

    def change(self, key: str, **values: object) -> None:
        self.after[key] = replace(self.after[key], **values)

    @property
    def verdict(self) -> DemoVerdict:
        state = DatabaseState(
            self.before, self.after, self.findings, frozenset(self.rechecks), tuple(self.outbox)
        )
        return judge(self.simulation.expected, self.simulation.sandbox, state)


def test_a_correct_sweep_is_clean() -> None:
    """The wrong row is corrected and linked, the planted discrepancy is found, and the recent payment waits."""
    sweep = CorrectSweep()
    verdict = sweep.verdict
    assert verdict.is_clean
    assert verdict.wrong_before == (sweep.lost,)
    assert [(was.status, now.status) for was, now in verdict.changed] == [("pending", "paid")]
    assert verdict.planted == verdict.found == {Kind.CONTRADICTED: 1}
    assert verdict.money_before == {"eur": sweep.paid.amount}


def _not_corrected(sweep: CorrectSweep) -> None:
    sweep.after[sweep.lost] = sweep.before[sweep.lost]
    sweep.outbox.clear()


MISSED: dict[str, Callable[[CorrectSweep], None]] = {
    "a wrong row is left": _not_corrected,
    "a planted discrepancy is not found": lambda sweep: sweep.findings.pop(0) and None,
    "a discrepancy is closed": lambda sweep: sweep.findings.__setitem__(
        0, _stored(Kind.CONTRADICTED, sweep.held.id, "closed")
    ),
    "a wait is forgotten": lambda sweep: sweep.rechecks.clear(),
    "the outbox has no row": lambda sweep: sweep.outbox.clear(),
    "the outbox says something else": lambda sweep: sweep.outbox.__setitem__(
        0, (sweep.lost, "failed")
    ),
}

WRONG: dict[str, Callable[[CorrectSweep], None]] = {
    "another status": lambda sweep: sweep.change(sweep.lost, status="failed"),
    "another intent": lambda sweep: sweep.change(sweep.lost, payment_intent=sweep.held.id),
    "no intent": lambda sweep: sweep.change(sweep.lost, payment_intent=None),
    "another amount": lambda sweep: sweep.change(sweep.lost, amount=1),
    "another currency": lambda sweep: sweep.change(sweep.lost, currency="usd"),
    "a row that must stay": lambda sweep: sweep.change(sweep.kept, status="failed"),
    "a row that must wait": lambda sweep: sweep.change(sweep.waiting, status="paid"),
    "a row was deleted": lambda sweep: sweep.after.pop(sweep.kept) and None,
    "a row was added": lambda sweep: sweep.after.update(
        {"another": replace(sweep.after[sweep.kept], id="another")}
    ),
}


@pytest.mark.parametrize("breaking", MISSED.values(), ids=MISSED)
def test_what_was_not_done_is_missed(breaking: Callable[[CorrectSweep], None]) -> None:
    """A row left wrong, a discrepancy not found, a recheck or an outbox row missing."""
    sweep = CorrectSweep()
    breaking(sweep)
    assert len(sweep.verdict.missed) == 1
    assert not sweep.verdict.is_clean


@pytest.mark.parametrize("breaking", WRONG.values(), ids=WRONG)
def test_a_row_that_is_not_as_it_must_be_is_a_wrong_write(
    breaking: Callable[[CorrectSweep], None],
) -> None:
    """A row that is neither unchanged nor as it must be, or that was added or deleted."""
    sweep = CorrectSweep()
    breaking(sweep)
    assert len(sweep.verdict.wrong_writes) == 1
    assert not sweep.verdict.is_clean


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.MISSED_OUTCOME])
def test_a_discrepancy_that_was_not_planted_is_invented(kind: Kind) -> None:
    """Any other discrepancy is invented, also one of a planted kind about another intent."""
    sweep = CorrectSweep()
    sweep.findings.append(_stored(kind, sweep.paid.id))
    assert len(sweep.verdict.invented) == 1
    assert not sweep.verdict.is_clean


def test_a_wrong_expectation_is_a_fault() -> None:
    """If the sandbox's status is not the expected one, the verdict proves nothing and is not clean."""
    sweep = CorrectSweep()
    sweep.simulation.sandbox.refund(sweep.paid.id)
    assert len(sweep.verdict.contradictions) == 1
    assert not sweep.verdict.is_clean


def test_the_verdict_uses_none_of_the_rules() -> None:
    """To judge a sweep, no module of Reconciler's rules or engine is even loaded."""
    program = (
        "import sys, reconciler.demo.verdict, reconciler.demo.customers, reconciler.demo.plant_discrepancies;"
        "print(*[name for name in sys.modules if name.startswith('reconciler.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    assert "reconciler.demo.verdict" in loaded
    assert not [name for name in loaded if name.startswith("reconciler.domain.rules.")]
    assert not [name for name in loaded if name.startswith("reconciler.engine")]
