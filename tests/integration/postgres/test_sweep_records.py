"""Sweeps, reads and the service's corrections, as they are recorded; and what a page stores with a correction."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.domain.audit.ledger_entry import Action, Draft
from reconciler.domain.model.intent import Event
from reconciler.domain.model.page import PageRecord
from reconciler.domain.model.recheck import Recheck
from reconciler.domain.read_limits_and_shortage import Source
from reconciler.errors import DatabaseRefusedError, LeaseLostError

NOTHING = Draft(Action.RESOLUTION, {})
FACTS = {"kind": "due", "mode": "update", "applied": True, "asked_by": "jo"}


@pytest.fixture
def table(shop, bench):
    """Two pending payments."""
    made = shop()
    for n in (1, 2):
        made.insert(key=n, payment_intent=f"pi_{n}", status="pending")
    return bench(made)


def test_corrections_by_the_service_in_the_last_hour(table):
    """Only corrections that the service made in this time count, and no revert or finding."""
    drafts = [
        Draft(Action.CORRECTION, {"asked_by": "service"}),
        Draft(Action.CORRECTION, {"asked_by": "jo"}),
        Draft(Action.REVERT, {"asked_by": "service"}),
        Draft(Action.FINDING_OPENED, {"asked_by": "service"}),
    ]
    table.write(PageRecord(drafts=tuple(drafts)))
    assert table.store.corrections_by_service(3600) == 1
    assert table.store.corrections_by_service(0) == 0


def test_a_sweep_from_start_to_end(table, seen):
    """A sweep runs until it is finished once, with its report and its ledger entries in one transaction."""
    read = "SELECT id, kind, applied, complete, report, asked_by, finished_at >= started_at FROM reconciler.sweeps"
    first = table.store.start_sweep(FACTS)
    second = table.store.start_sweep({**FACTS, "kind": "window", "applied": False})
    assert table.all(f"{read} WHERE id = {second}") == [
        (second, "window", False, None, None, "jo", None)
    ]
    report = {"complete": False, "seconds": 1.25, "since": seen, "discrepancies": {"overdue": 1}}
    table.store.finish_sweep(first, report, [Draft(Action.SWEEP, {"sweep": first})], table.epoch)
    [(_, _, _, complete, stored, asked_by, in_order)] = table.all(f"{read} WHERE id = {first}")
    assert (complete, stored, asked_by, in_order) == (
        False,
        {**report, "since": "2026-11-02T12:00:00.000000Z"},
        "jo",
        True,
    )
    assert table.all("SELECT action FROM reconciler.ledger") == [("sweep",)]
    with pytest.raises(
        DatabaseRefusedError, match=f"Sweep {first} of account default is not running"
    ):
        table.store.finish_sweep(first, report, [NOTHING], table.epoch)
    with pytest.raises(LeaseLostError):
        table.store.finish_sweep(second, report, [NOTHING], table.epoch + 1)
    assert table.all("SELECT count(*) FROM reconciler.ledger") == [(1,)]
    assert table.all(f"{read} WHERE id = {second}")[0][-1] is None


def test_reads_are_summed_over_thirty_days(table):
    """Reads of one account add up by hour and source; reads of over 30 days ago and of other accounts do not count."""
    table.store.book_reads({Source.TAIL: 3})
    table.store.book_reads({Source.WINDOW: 1, Source.TAIL: 3})
    table.all(
        "INSERT INTO reconciler.reads SELECT a, date_trunc('hour', now() - d, 'UTC'), 100, 'due' FROM"
        " (VALUES ('default', interval '29 days'), ('default', interval '31 days'), ('other', interval '1 day')) v (a, d) RETURNING 1"
    )
    booked = table.store.booked_reads()
    assert booked.month == {Source.TAIL: 6, Source.WINDOW: 1, Source.DUE: 100}
    assert booked.day == {Source.TAIL: 6, Source.WINDOW: 1, Source.DUE: 0}
    assert booked.total == 107


def test_rechecks_events_and_outbox_rows_come_with_a_correction(table, make_correction, seen):
    """Events, rechecks and the outbox row of a correction are stored in one transaction."""
    late, early = (
        Event(f"evt_{n}", "charge.failed", seen - timedelta(hours=n), "pi_1") for n in (1, 2)
    )
    rechecks = (Recheck("pi_2", seen + timedelta(hours=1), "b"), Recheck("pi_1", seen, "a"))
    with table.store.transaction(table.epoch) as page:
        rows = page.read_again(["pi_1", "pi_2"], [], lock=True).payments
        page.write(
            PageRecord(
                writes=tuple(make_correction(row) for row in rows),
                rechecks=rechecks,
                events=(late, early),
            )
        )
    assert table.store.load(["pi_1"]).events == (early, late)
    assert table.all(
        "SELECT payment_intent, due_at, reason FROM reconciler.rechecks ORDER BY due_at"
    ) == [("pi_1", seen, "a"), ("pi_2", seen + timedelta(hours=1), "b")]
    assert table.all(
        "SELECT payment_key, payment_intent, to_status, ledger_seq, delivered_at, attempts, last_error"
        " FROM reconciler.outbox ORDER BY id LIMIT 1"
    ) == [("1", "pi_1", "paid", 1, None, 0, None)]
