"""Whatever moment a sweep is cut off at, the next one ends in the same state, and nothing is written twice."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta

from reconciler.domain.audit.hash_chain import first_break
from reconciler.domain.audit.ledger_entry import Entry
from reconciler.engine.report import SweepKind
from reconciler.errors import ReconcilerError
from tests.conftest import Server
from tests.integration.engine.blows import Blow, Killed, struck
from tests.integration.engine.sweeps import SweepRunner
from tests.unit.engine.doubles import NOW, an_intent

AGE = timedelta(days=7)
MOST_STATEMENTS = 120


def a_missed_webhook(sweeps: SweepRunner, number: int) -> str:
    """A payment that Stripe has and the row does not say."""
    ident = f"pi_{number}"
    sweeps.shop.insert(
        key=number,
        payment_intent=ident,
        status="pending",
        amount=1000,
        created=(NOW - AGE).isoformat(),
    )
    sweeps.stripe.intents[ident] = an_intent(ident, created=NOW - AGE)
    return ident


def one_of_each(sweeps: SweepRunner, ident: str) -> None:
    """The row, its discrepancy, its ledger entry and its outbox row are there, each once."""
    key = ident.removeprefix("pi_")
    assert sweeps.shop.rows()[key]["status"] == "paid"
    for where in (
        f"outbox WHERE payment_key = '{key}'",
        f"discrepancies WHERE subject = '{ident}' AND state = 'corrected'",
        f"ledger WHERE action = 'correction' AND body ->> 'payment_intent' = '{ident}'",
        f"ledger WHERE action = 'finding_opened' AND body ->> 'subject' = '{ident}'",
    ):
        assert len(sweeps.table(f"SELECT 1 FROM reconciler.{where}")) == 1, where


def the_ledger_holds(sweeps: SweepRunner) -> None:
    """From its first entry to its head."""
    entries = [
        Entry(**row)  # type: ignore[arg-type]
        for row in sweeps.table(
            "SELECT account, seq, at, action, body, prev, hash FROM reconciler.ledger ORDER BY seq"
        )
    ]
    (head,) = sweeps.table("SELECT seq, hash FROM reconciler.ledger_heads")
    assert first_break(entries, (head["seq"], head["hash"]), "default") is None  # type: ignore[arg-type]


def its_lease_runs_out(sweeps: SweepRunner) -> None:
    """As time would have it."""
    sweeps.shop.execute("UPDATE reconciler.leases SET holder = NULL, expires_at = NULL")


def strike_everywhere(
    sweeps: SweepRunner,
    run: Callable[[Blow], None],
    blow_at: Callable[[int], Blow],
) -> int:
    """One sweep for each statement that a sweep makes, cut off there, and one after it; returns how many there were."""
    for number in range(1, MOST_STATEMENTS):
        ident = a_missed_webhook(sweeps, number)
        blow = blow_at(number)
        run(blow)
        its_lease_runs_out(sweeps)
        report = sweeps.run(SweepKind.DUE)
        assert report.complete, f"statement {number}: {report.unexamined}"
        one_of_each(sweeps, ident)
        if not blow.fell:
            the_ledger_holds(sweeps)
            return number
    raise AssertionError("a sweep makes more statements than were tried")


def test_a_connection_lost_at_any_statement(sweeps: SweepRunner, server: Server) -> None:
    """The program goes on without its connection, says that it is not complete or is, and the next sweep ends it."""

    def run(blow: Blow) -> None:
        with struck(blow), contextlib.suppress(ReconcilerError):
            report = sweeps.run(SweepKind.DUE)
            written = sweeps.shop.rows()[str(blow.at)]["status"] == "paid"
            assert written or not report.complete or not blow.fell
            assert not report.corrected or written

    assert strike_everywhere(sweeps, run, lambda at: Blow(server, at, kills=False)) > 15


def test_a_death_at_any_statement(sweeps: SweepRunner, server: Server) -> None:
    """The process dies at a statement, its transaction with it: nothing is half done, and the next sweep does it."""

    def run(blow: Blow) -> None:
        with struck(blow), contextlib.suppress(Killed):
            sweeps.run(SweepKind.DUE)

    assert strike_everywhere(sweeps, run, lambda at: Blow(server, at, kills=True)) > 15


def test_a_commit_whose_answer_is_lost(sweeps: SweepRunner, server: Server) -> None:
    """Committed, and the program does not know: it says that it is not complete, and nothing is written twice."""

    def run(blow: Blow) -> None:
        with struck(blow), contextlib.suppress(ReconcilerError):
            report = sweeps.run(SweepKind.DUE)
            assert not (blow.fell and report.complete)

    for number in range(1, 5):
        ident = a_missed_webhook(sweeps, number)
        run(Blow(server, number, kills=False, after_commit=True))
        its_lease_runs_out(sweeps)
        assert sweeps.run(SweepKind.DUE).complete
        one_of_each(sweeps, ident)
    the_ledger_holds(sweeps)
