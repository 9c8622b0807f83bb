"""The demonstration judges the real sweep, and its judgement turns red where the sweep is broken on purpose."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from reconciler.clock import Clock, SystemClock
from reconciler.demo import demonstration
from reconciler.demo.demonstration import DemoPlan, DemoResult, demonstrate
from reconciler.demo.report import faults
from reconciler.domain.findings.discrepancy import Kind
from reconciler.engine.ports import Progress
from reconciler.engine.report import Mode, SweepKind, SweepReport, Writing
from reconciler.entrypoints.cli.app import run
from reconciler.settings import Settings

Tampering = Callable[[psycopg.Connection], object]


class Unwatched:
    """Nobody watches."""

    def advance(self, examined: int, total: int | None) -> None:
        """Say nothing."""


class Borrowed:
    """A database that is there already, in the place of the embedded server."""

    def __init__(self, url: str) -> None:
        self._url = url

    def start(self) -> str:
        return self._url

    def stop(self) -> None:
        """It is put away by whoever lent it."""


@pytest.fixture
def borrowed(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The demonstration works in a database of the test run."""
    monkeypatch.setattr(demonstration, "EmbeddedPostgres", lambda: Borrowed(empty_database))
    return empty_database


def _show(payments: int, lose: float, seed: int) -> DemoResult:
    return demonstrate(DemoPlan(payments, lose, seed), SystemClock(), Unwatched())


@pytest.mark.parametrize("lose", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.usefixtures("borrowed")
def test_the_pass_is_right_whatever_the_seed(seed: int, lose: float) -> None:
    """No row wrong, nothing missed, nothing invented; and the pass's own report says what the database says."""
    result = _show(40, lose, seed)
    assert faults(result) == ()
    assert result.is_clean
    assert result.report.corrected == len(result.verdict.wrong_before)
    said = {**result.report.discrepancies}
    assert said.pop(Kind.MISSED_OUTCOME, 0) == result.report.corrected
    assert said == result.verdict.planted
    assert result.report.waiting == 1
    if lose == 0:
        assert (result.webhooks_lost, result.verdict.wrong_before) == (0, ())


def _tampered(monkeypatch: pytest.MonkeyPatch, url: str, tampering: Tampering) -> DemoResult:
    """The result of a right sweep after which somebody has changed the database."""
    real = demonstration.run_sweep

    def broken(configured: Settings, clock: Clock, progress: Progress) -> SweepReport:
        report = real(configured, clock, progress)
        with psycopg.connect(url) as connection:
            assert tampering(connection)
        return report

    monkeypatch.setattr(demonstration, "run_pass", broken)
    return _show(40, 1.0, 11)


def _executing(*statements: str) -> Tampering:
    def tamper(connection: psycopg.Connection) -> object:
        return all(connection.execute(statement).rowcount for statement in statements)

    return tamper


ONE_CORRECTED = (
    "id::text = (SELECT payment_key FROM reconciler.outbox WHERE to_status = 'paid' LIMIT 1)"
)
MISSED = {
    "a row is not corrected": "UPDATE shop.payments SET status = 'pending',"
    " stripe_payment_intent_id = (SELECT payment_intent FROM reconciler.outbox"
    f" WHERE payment_key = shop.payments.id::text) WHERE {ONE_CORRECTED} AND"
    " stripe_payment_intent_id IS NOT NULL",
    "a finding is not stored": "DELETE FROM reconciler.discrepancies WHERE kind = 'regressed'",
    "a finding is closed": "UPDATE reconciler.discrepancies SET state = 'closed', closing = 'agreement'"
    " WHERE kind = 'overdue'",
    "a wait is forgotten": "DELETE FROM reconciler.rechecks",
    "the worker is not told": "DELETE FROM reconciler.outbox WHERE id = (SELECT min(id) FROM reconciler.outbox)",
}
WRONG = {
    "a corrected row says something else": f"UPDATE shop.payments SET status = 'canceled' WHERE {ONE_CORRECTED}",
    "a corrected row holds another intent": "UPDATE shop.payments SET stripe_payment_intent_id = 'pi_x'"
    f" WHERE {ONE_CORRECTED}",
    "a settled row is changed": "UPDATE shop.payments SET status = 'failed' WHERE status = 'disputed'",
    "an amount is changed": "UPDATE shop.payments SET amount = amount + 1 WHERE status = 'paid'",
    "a row is deleted": "DELETE FROM shop.payments WHERE status = 'on_hold' OR status = 'canceled'",
}


@pytest.mark.parametrize("statement", MISSED.values(), ids=MISSED)
def test_what_the_pass_did_not_do_is_missed(
    borrowed: str, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """Undone behind its back, it counts as not done."""
    result = _tampered(monkeypatch, borrowed, _executing(statement))
    assert result.verdict.missed
    assert not result.is_clean
    assert any(line.startswith("Missed: ") for line in faults(result))


@pytest.mark.parametrize("statement", WRONG.values(), ids=WRONG)
def test_what_the_pass_wrote_wrongly_is_a_wrong_write(
    borrowed: str, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """A row that is neither as it was nor as it must be."""
    result = _tampered(monkeypatch, borrowed, _executing(statement))
    assert result.verdict.wrong_writes
    assert not result.is_clean


def test_what_nobody_planted_is_invented(borrowed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The discrepancy of a payment that is in order."""
    statement = (
        "UPDATE reconciler.discrepancies SET subject = 'pi_in_order' WHERE kind = 'contradicted'"
    )
    result = _tampered(monkeypatch, borrowed, _executing(statement))
    assert result.verdict.invented
    assert not result.is_clean


def test_a_ledger_that_was_changed_is_found(borrowed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One amount in one entry, by somebody who may switch the triggers off."""

    def tamper(connection: psycopg.Connection) -> object:
        connection.execute("ALTER TABLE reconciler.ledger DISABLE TRIGGER ALL")
        return connection.execute(
            "UPDATE reconciler.ledger SET body = jsonb_set(body, '{amount}', '1')"
            " WHERE action = 'correction' AND seq = (SELECT min(seq) FROM reconciler.ledger"
            " WHERE action = 'correction')"
        ).rowcount

    result = _tampered(monkeypatch, borrowed, tamper)
    assert result.verdict.is_clean
    assert not result.ledger_ok
    assert not result.is_clean


@pytest.mark.usefixtures("borrowed")
def test_a_pass_that_does_nothing_ends_with_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command says no, in the report and, with every fault by name, on standard error."""

    def idle(_configured: Settings, _clock: Clock, _progress: Progress) -> SweepReport:
        return SweepReport("default", SweepKind.ALL, Mode.UPDATE, Writing.ROWS, "demo")

    monkeypatch.setattr(demonstration, "run_pass", idle)
    assert run(["demo", "--seed", "3", "--payments", "60", "--lose", "1"], {}) == 1
    out, err = capsys.readouterr()
    assert "NOT CLEAN. 0 wrong writes," in out
    assert "Ledger: BROKEN." in out
    assert "is still pending, it must be paid" in err
    assert "regressed of pi_" in err
