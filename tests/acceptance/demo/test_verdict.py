"""The demonstration judges the real sweep; if the sweep is broken on purpose, the verdict is not clean."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import psycopg
import pytest
from pydantic import SecretStr

from reconciler.adapters.postgres.demo.demo_shop import DemoShop
from reconciler.clock import Clock, SystemClock
from reconciler.demo import demonstration
from reconciler.demo.demonstration import (
    DemoPlan,
    DemoResult,
    SweptShop,
    demonstrate,
    judge_swept,
    make_and_sweep,
)
from reconciler.demo.report import faults
from reconciler.domain.findings.discrepancy import Kind
from reconciler.engine.ports import Progress
from reconciler.engine.report import Mode, SweepKind, SweepReport, Writing
from reconciler.entrypoints.cli.app import run
from reconciler.settings import Settings
from reconciler.wiring.audit import open_audit
from tests.acceptance.demo.conftest import wait_for_no_limit
from tests.acceptance.demo.test_statement import ALL_DAYS, LATE, rows_without_a_match
from tests.conftest import Server

Change = Callable[[psycopg.Connection], object]
"""Changes the database after the sweep; returns whether anything was changed."""
ResultAfter = Callable[[Change], DemoResult]


class NoProgress:
    """Shows no progress."""

    def advance(self, examined: int, total: int | None) -> None:
        """Do nothing."""


def _demonstrate(payments: int, lose: float, seed: int) -> DemoResult:
    return demonstrate(DemoPlan(payments, lose, seed), SystemClock(), NoProgress())


@pytest.mark.parametrize(
    ("seed", "lose"),
    [
        (0, 0.0),
        (1, 0.3),
        *(
            pytest.param(seed, lose, marks=pytest.mark.long)
            for seed in range(8)
            for lose in (0.0, 0.3, 1.0)
            if (seed, lose) not in {(0, 0.0), (1, 0.3)}
        ),
    ],
)
@pytest.mark.usefixtures("demo_database")
def test_the_sweep_is_right_for_every_seed(seed: int, lose: float) -> None:
    """No row is wrong, nothing missed, nothing invented; and the sweep's own report agrees with the database."""
    result = _demonstrate(40, lose, seed)
    _assert_right(result)
    if lose == 0:
        assert (result.webhooks_lost, result.verdict.wrong_before) == (0, ())


def _assert_right(result: DemoResult) -> None:
    assert faults(result) == ()
    assert result.is_clean
    assert result.report.corrected == len(result.verdict.wrong_before)
    reported = {**result.report.discrepancies}
    # the parts of one payment are one finding
    payments = {after.payment_intent for _, after in result.verdict.changed}
    assert reported.pop(Kind.MISSED_OUTCOME, 0) == len(payments)
    assert reported == result.verdict.planted
    assert result.report.waiting == 1


@dataclass(frozen=True)
class Swept:
    """A shop that was swept correctly, in the database of the name ``template``."""

    shop: SweptShop
    settings: Settings
    template: str


@pytest.fixture(scope="module")
def swept(server: Server) -> Iterator[Swept]:
    """A shop whose webhooks were all lost, after a correct sweep. Its database is only copied."""
    name = f"swept_shop_{os.getpid()}"
    url = server.create(name)
    with pytest.MonkeyPatch.context() as monkeypatch, closing(DemoShop(url)) as shop:
        wait_for_no_limit(monkeypatch)
        made = make_and_sweep(DemoPlan(40, 1.0, 11), shop, url, SystemClock(), NoProgress())
    yield Swept(*made, name)
    server.drop(name)


@pytest.fixture
def result_after(server: Server, swept: Swept) -> Iterator[ResultAfter]:
    """The result of the swept shop, compared after its database was changed."""
    name = f"changed_shop_{os.getpid()}"
    url = server.create(name, swept.template)

    def decided(change: Change) -> DemoResult:
        with psycopg.connect(url) as connection:
            assert change(connection)
        database = swept.settings.database.model_copy(update={"url": SecretStr(url)})
        settings = replace(swept.settings, database=database)
        with closing(DemoShop(url)) as shop:
            return judge_swept(swept.shop, shop, settings, 1.0)

    yield decided
    server.drop(name)


def test_a_sweep_after_all_webhooks_were_lost_is_right(result_after: ResultAfter) -> None:
    """What the following tests change was right before."""
    _assert_right(result_after(lambda _: True))


def test_nothing_in_the_statement_is_unexplained(swept: Swept) -> None:
    """Every difference has a finding, and there are differences."""
    with open_audit(swept.settings) as audit:
        found = audit.statement("default", ALL_DAYS, LATE).statement
    assert {one.currency: one.unexplained for one in found.currencies if one.unexplained} == {}
    # and both populations are bridged
    assert rows_without_a_match(found) == {}
    assert sum(len(one.items) for one in found.currencies) >= 3


def _executing(*statements: str) -> Change:
    def change(connection: psycopg.Connection) -> object:
        return all(connection.execute(statement).rowcount for statement in statements)

    return change


ONE_CORRECTED = (
    "id::text = (SELECT payment_key FROM reconciler.outbox WHERE to_status = 'paid' LIMIT 1)"
)
MISSED = {
    "a row is not corrected": "UPDATE shop.payments SET status = 'pending',"
    " stripe_payment_intent_id = (SELECT payment_intent FROM reconciler.outbox"
    f" WHERE payment_key = shop.payments.id::text) WHERE {ONE_CORRECTED} AND"
    " stripe_payment_intent_id IS NOT NULL",
    "a discrepancy is not stored": "DELETE FROM reconciler.discrepancies WHERE kind = 'regressed'",
    "a discrepancy is closed": "UPDATE reconciler.discrepancies SET state = 'closed', closing = 'agreement'"
    " WHERE kind = 'overdue'",
    "a wait is forgotten": "DELETE FROM reconciler.rechecks",
    "the outbox has no row": "DELETE FROM reconciler.outbox WHERE id = (SELECT min(id) FROM reconciler.outbox)",
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
def test_what_the_sweep_did_not_do_is_missed(result_after: ResultAfter, statement: str) -> None:
    """If a result of the sweep is undone, it counts as missed."""
    result = result_after(_executing(statement))
    assert result.verdict.missed
    assert not result.is_clean
    assert any(line.startswith("Missed: ") for line in faults(result))


@pytest.mark.parametrize("statement", WRONG.values(), ids=WRONG)
def test_a_row_that_is_not_as_it_must_be_is_a_wrong_write(
    result_after: ResultAfter, statement: str
) -> None:
    """A row is neither unchanged nor as it must be."""
    result = result_after(_executing(statement))
    assert result.verdict.wrong_writes
    assert not result.is_clean


def test_a_discrepancy_that_was_not_planted_is_invented(
    result_after: ResultAfter,
) -> None:
    """The discrepancy is about a payment that is correct."""
    statement = (
        "UPDATE reconciler.discrepancies SET subject = 'pi_in_order' WHERE kind = 'contradicted'"
    )
    result = result_after(_executing(statement))
    assert result.verdict.invented
    assert not result.is_clean


def test_a_changed_ledger_is_found(result_after: ResultAfter) -> None:
    """One amount in one entry is changed by a role that may disable the triggers."""

    def change(connection: psycopg.Connection) -> object:
        connection.execute("ALTER TABLE reconciler.ledger DISABLE TRIGGER ALL")
        return connection.execute(
            "UPDATE reconciler.ledger SET body = jsonb_set(body, '{amount}', '1')"
            " WHERE action = 'correction' AND seq = (SELECT min(seq) FROM reconciler.ledger"
            " WHERE action = 'correction')"
        ).rowcount

    result = result_after(change)
    assert result.verdict.is_clean
    assert not result.ledger_ok
    assert not result.is_clean


@pytest.mark.usefixtures("demo_database")
def test_a_sweep_that_does_nothing_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report is not clean, and standard error names every fault."""

    def idle(_configured: Settings, _clock: Clock, _progress: Progress) -> SweepReport:
        return SweepReport("default", SweepKind.ALL, Mode.UPDATE, Writing.ROWS, "demo")

    monkeypatch.setattr(demonstration, "run_sweep", idle)
    assert run(["demo", "--seed", "3", "--payments", "40", "--lose", "1"], {}) == 1

    out, err = capsys.readouterr()
    assert "NOT CLEAN. 0 wrong writes," in out
    assert "Ledger: BROKEN." in out
    assert "is still pending, but has to be paid" in err
    assert "regressed of pi_" in err
