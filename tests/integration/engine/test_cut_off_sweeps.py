"""A sweep that is cut off at any statement: the next one ends in the same state, and nothing is written twice."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from reconciler.domain.audit.hash_chain import first_break
from reconciler.domain.audit.ledger_entry import Entry
from reconciler.engine.report import SweepKind
from reconciler.errors import ReconcilerError
from tests.conftest import Server
from tests.integration.engine.cut_off import CutOff, Killed, cutting_off
from tests.integration.engine.sweeps import SweepRunner

MOST_STATEMENTS = 120


def assert_recorded_once(sweeps: SweepRunner, intent: str) -> None:
    """The row is paid, and its discrepancy, its ledger entries and its outbox row exist once."""
    key = intent.removeprefix("pi_")
    assert sweeps.shop.rows()[key]["status"] == "paid"
    for condition in (
        f"outbox WHERE payment_key = '{key}'",
        f"discrepancies WHERE subject = '{intent}' AND state = 'corrected'",
        f"ledger WHERE action = 'correction' AND body ->> 'payment_intent' = '{intent}'",
        f"ledger WHERE action = 'finding_opened' AND body ->> 'subject' = '{intent}'",
    ):
        assert len(sweeps.query(f"SELECT 1 FROM reconciler.{condition}")) == 1, condition


def assert_ledger_verifies(sweeps: SweepRunner) -> None:
    """The chain is whole from its first entry to its head."""
    entries = [
        Entry(**row)  # type: ignore[arg-type]
        for row in sweeps.query(
            "SELECT account, seq, at, action, body, prev, hash, role FROM reconciler.ledger ORDER BY seq"
        )
    ]
    (head,) = sweeps.query("SELECT seq, hash FROM reconciler.ledger_heads")
    assert first_break(entries, (head["seq"], head["hash"]), "default") is None  # type: ignore[arg-type]


def expire_lease(sweeps: SweepRunner) -> None:
    """Free the lease of the process that was cut off, as it would expire by itself."""
    sweeps.shop.execute("UPDATE reconciler.leases SET holder = NULL, expires_at = NULL")


def cut_off_everywhere(
    sweeps: SweepRunner,
    run: Callable[[CutOff], None],
    cut_off_at: Callable[[int], CutOff],
) -> int:
    """For each statement of a sweep: one sweep that is cut off there, and a whole one. Returns how many statements."""
    for number in range(1, MOST_STATEMENTS):
        intent = sweeps.add_both(number)
        cut_off = cut_off_at(number)
        run(cut_off)
        expire_lease(sweeps)
        report = sweeps.run(SweepKind.DUE)
        assert report.complete, f"statement {number}: {report.unexamined}"
        assert_recorded_once(sweeps, intent)
        if not cut_off.happened:
            assert_ledger_verifies(sweeps)
            return number
    raise AssertionError("a sweep makes more statements than were tried")


def test_a_connection_that_is_lost_at_any_statement(sweeps: SweepRunner, server: Server) -> None:
    """The process goes on without its connection and reports truly what it wrote; the next sweep does the rest."""

    def run(cut_off: CutOff) -> None:
        with cutting_off(cut_off), contextlib.suppress(ReconcilerError):
            report = sweeps.run(SweepKind.DUE)
            was_written = sweeps.shop.rows()[str(cut_off.at)]["status"] == "paid"
            assert was_written or not report.complete or not cut_off.happened
            assert not report.corrected or was_written

    count = cut_off_everywhere(sweeps, run, lambda at: CutOff(server, at, kills=False))
    assert count > 15


def test_a_process_that_dies_at_any_statement(sweeps: SweepRunner, server: Server) -> None:
    """Its open transaction is rolled back with it, so nothing is half done, and the next sweep does it."""

    def run(cut_off: CutOff) -> None:
        with cutting_off(cut_off), contextlib.suppress(Killed):
            sweeps.run(SweepKind.DUE)

    count = cut_off_everywhere(sweeps, run, lambda at: CutOff(server, at, kills=True))
    assert count > 15


def test_a_commit_whose_answer_is_lost(sweeps: SweepRunner, server: Server) -> None:
    """It is committed, and the process cannot know that: its sweep is not complete, and nothing is written twice."""

    def run(cut_off: CutOff) -> None:
        with cutting_off(cut_off), contextlib.suppress(ReconcilerError):
            report = sweeps.run(SweepKind.DUE)
            assert not (cut_off.happened and report.complete)

    already_paid = []
    for number in range(1, 5):
        intent = sweeps.add_both(number)
        cut_off = CutOff(server, number, kills=False, after_commit=True)
        run(cut_off)
        assert cut_off.happened, f"a sweep makes fewer than {number} commits"
        if sweeps.shop.rows()[str(number)]["status"] == "paid":
            already_paid.append(number)
        expire_lease(sweeps)
        assert sweeps.run(SweepKind.DUE).complete
        assert_recorded_once(sweeps, intent)
    assert already_paid, "no answer to the commit of a page was lost"
    assert_ledger_verifies(sweeps)
