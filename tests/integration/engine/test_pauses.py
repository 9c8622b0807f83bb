"""A pause stops every write to an account's rows at once: what would be corrected is recorded, and corrected later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from reconciler.adapters.postgres.audit.ledger import PostgresLedger
from reconciler.adapters.postgres.coordination.pauses import PostgresPauses
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.page.store import PostgresStore
from reconciler.adapters.postgres.page.stored_facts import (
    recheck_findings_of_expired_pause,
    recheck_reported_findings,
)
from reconciler.domain.audit.hash_chain import first_break
from reconciler.domain.audit.ledger_entry import Action, AskedBy, Draft
from reconciler.domain.model.page import PageRecord, RowWrite
from reconciler.engine.report import PAUSED_NOTE, SweepKind, Writing
from reconciler.engine.sweep_context import SERVICE
from reconciler.errors import PausedError
from tests.integration.engine.sweeps import SweepRunner

OPS = AskedBy("ops@host", "Ada")


@pytest.fixture
def pauses(sweeps: SweepRunner) -> Iterator[PostgresPauses]:
    with Database(sweeps.shop.url) as database:
        yield PostgresPauses(database, "default")


@pytest.mark.parametrize("asked_by", [SERVICE, "ops@host"])
def test_nothing_is_written_during_a_pause(
    sweeps: SweepRunner, pauses: PostgresPauses, asked_by: str
) -> None:
    """Neither by the service nor by a person's sweep; each finding says why, and so does the report."""
    for number in range(3):
        sweeps.add_both(number)
    pauses.begin(None, OPS)
    report = sweeps.run(asked_by=asked_by)
    assert set(sweeps.statuses().values()) == {"pending"}
    assert sweeps.query("SELECT * FROM reconciler.outbox") == []
    found = sweeps.query("SELECT DISTINCT kind, state, reason FROM reconciler.discrepancies")
    assert found == [{"kind": "missed_outcome", "state": "open", "reason": "paused"}]
    assert (report.corrected, report.complete, report.notes.count(PAUSED_NOTE)) == (0, True, 1)


def test_after_the_pause_it_is_corrected(sweeps: SweepRunner, pauses: PostgresPauses) -> None:
    """The findings are due at once: the service's next sweep corrects them."""
    sweeps.add_both(1)
    pauses.begin(3600, OPS)
    sweeps.run(SweepKind.DUE, asked_by=SERVICE)
    assert pauses.end(OPS)
    # the sweep's time is not that of the database
    sweeps.shop.execute("UPDATE reconciler.rechecks SET due_at = now() + interval '1 day'")
    with Database(sweeps.shop.url) as database:
        assert recheck_reported_findings(database, "default") == 1
    report = sweeps.run(SweepKind.WINDOW, asked_by=SERVICE)
    assert (report.corrected, report.notes) == (1, [])
    assert sweeps.statuses() == {"1": "paid"}


def test_a_pause_ends_by_itself(sweeps: SweepRunner, pauses: PostgresPauses) -> None:
    """By the database's clock."""
    sweeps.add_both(1)
    begun = pauses.begin(7200, OPS)
    assert begun.until is not None
    assert (begun.until - begun.since).total_seconds() == pytest.approx(7200, abs=1)
    sweeps.shop.execute("UPDATE reconciler.pauses SET until = now() - interval '1 second'")
    assert sweeps.run().corrected == 1


def test_what_was_recorded_is_due_when_the_pause_ends_by_itself(
    sweeps: SweepRunner, pauses: PostgresPauses
) -> None:
    """As after ``resume``: not while the pause lasts, and not again after the sweep that corrects it."""
    sweeps.add_both(1)
    pauses.begin(3600, OPS)
    sweeps.run(SweepKind.DUE, asked_by=SERVICE)
    sweeps.shop.execute("UPDATE reconciler.rechecks SET due_at = now() + interval '1 day'")
    with Database(sweeps.shop.url) as database:
        assert recheck_findings_of_expired_pause(database, "default") == 0
        sweeps.shop.execute("UPDATE reconciler.pauses SET until = now() - interval '1 second'")
        assert recheck_findings_of_expired_pause(database, "default") == 1
        # the sweep's time is not that of the database, so a sweep of the window stands for the next one
        assert sweeps.run(SweepKind.WINDOW, asked_by=SERVICE).corrected == 1
        sweeps.shop.execute("UPDATE reconciler.rechecks SET due_at = now() + interval '1 day'")
        assert recheck_findings_of_expired_pause(database, "default") == 0


def test_a_pause_of_another_account_is_none_of_this_one(sweeps: SweepRunner) -> None:
    """Each account is paused for itself."""
    sweeps.add_both(1)
    with Database(sweeps.shop.url) as database:
        PostgresPauses(database, "other").begin(None, OPS)
    assert sweeps.run().corrected == 1


def test_a_pause_between_the_load_and_the_write(
    sweeps: SweepRunner, pauses: PostgresPauses
) -> None:
    """The page that was decided before the pause is recorded without its correction."""
    sweeps.add_both(1)
    sweeps.before_each_transaction(lambda: pauses.begin(None, OPS) and None)
    assert sweeps.run().corrected == 0
    assert sweeps.statuses() == {"1": "pending"}


class PausingStore:
    """A store that pauses the account in each page's transaction, after the page has read that it is not paused."""

    def __init__(self, store: PostgresStore, pause: Callable[[], object]) -> None:
        self._store = store
        self._pause = pause

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    @contextmanager
    def transaction(self, epoch: int) -> Iterator[object]:
        with self._store.transaction(epoch) as page:
            write = page.write

            def paused_write(record: PageRecord) -> object:
                self._pause()
                return write(record)

            page.write = paused_write  # type: ignore[method-assign]
            yield page


def test_a_pause_within_the_transaction_of_a_page(
    sweeps: SweepRunner, pauses: PostgresPauses
) -> None:
    """It is seen before the page is committed: the page is rolled back, and recorded without its correction."""
    sweeps.add_both(1)
    sweeps.wrap = lambda store: PausingStore(store, lambda: pauses.begin(None, OPS))  # type: ignore[assignment,return-value]
    report = sweeps.run()
    assert (report.corrected, report.complete) == (0, True)
    assert sweeps.statuses() == {"1": "pending"}
    assert sweeps.query("SELECT reason FROM reconciler.discrepancies") == [{"reason": "paused"}]


def test_a_write_of_a_person_is_refused(sweeps: SweepRunner, pauses: PostgresPauses) -> None:
    """Taking a correction back, or accepting Stripe's outcome, goes through the same transaction, which says who paused."""
    sweeps.add_both(1)
    pauses.begin(None, OPS)

    def revert() -> None:
        with Database(sweeps.shop.url) as database, sweeps.lease(database) as lease:
            from reconciler.adapters.postgres.merchant.inspection import inspect

            table = inspect(database, sweeps.shop.mapping, writes=True).table_or_raise()
            store = PostgresStore(database, table, "default")
            with store.transaction(lease.epoch) as page:
                row = page.read_again(["pi_1"], ["1"], lock=True).payments[0]
                entry = Draft(Action.REVERT, {"sweep": 1, "correction": 1})
                page.write(PageRecord((RowWrite(row, "paid", "pi_1", entry),)))

    with pytest.raises(PausedError, match="paused by ops@host") as caught:
        revert()
    assert "reconciler resume --account default" in caught.value.hint
    assert sweeps.statuses() == {"1": "pending"}


def test_the_ledger_says_who_and_when(sweeps: SweepRunner, pauses: PostgresPauses) -> None:
    """Pausing, pausing again and resuming are entries; resuming what is not paused is none. The chain verifies."""
    pauses.begin(7200, OPS)
    pauses.begin(None, replace(OPS, claimed=None))
    assert pauses.end(OPS)
    assert not pauses.end(OPS)
    found = sweeps.query("SELECT action, body FROM reconciler.ledger ORDER BY seq")
    ada = {"asked_by": "ops@host", "claimed_by": "Ada"}
    assert [(row["action"], row["body"]) for row in found] == [
        ("pause", {**ada, "seconds": 7200}),
        ("pause", {"asked_by": "ops@host", "seconds": None}),
        ("resume", ada),
    ]
    with Database(sweeps.shop.url) as database, PostgresLedger(database).chain("default") as chain:
        assert first_break(chain.entries, chain.head, "default") is None


def test_a_sweep_that_only_records_is_not_changed(
    sweeps: SweepRunner, pauses: PostgresPauses
) -> None:
    """A pause concerns writes to rows alone: the reason stays that of the sweep."""
    sweeps.add_both(1)
    pauses.begin(None, OPS)
    report = sweeps.run(writing=Writing.FINDINGS)
    assert sweeps.query("SELECT reason FROM reconciler.discrepancies") == [
        {"reason": "not_applied"}
    ]
    assert report.notes == []
