"""What finance and ops read and settle."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.adapters.postgres.audit.ledger import PostgresLedger
from reconciler.adapters.postgres.discrepancies.discrepancy_list import (
    DiscrepancyFilter,
    PostgresDiscrepancyList,
)
from reconciler.adapters.postgres.discrepancies.discrepancy_store import PostgresDiscrepancyStore
from reconciler.domain.audit.hash_chain import first_break
from reconciler.domain.audit.ledger_entry import Action, CorrectionEntry, Draft
from reconciler.domain.findings.discrepancy import Kind, Reason, Severity, State
from reconciler.domain.model.intent import Event
from reconciler.domain.model.page import PageRecord
from reconciler.domain.model.recheck import Recheck
from reconciler.domain.money import Money
from reconciler.domain.read_limits_and_shortage import Source
from reconciler.errors import DatabaseBusyError, DatabaseRefusedError, LeaseLostError, UsageError

NOTHING = Draft(Action.RESOLUTION, {})
FACTS = {"kind": "due", "mode": "update", "applied": True, "asked_by": "jo"}


@pytest.fixture
def table(shop, bench):
    made = shop()
    for n in (1, 2, 3):
        made.insert(key=n, payment_intent=f"pi_{n}", status="pending")
    return bench(made)


@pytest.fixture
def stored(table, make_finding, make_change, seen):
    """Three discrepancies of one account and one of another, an hour apart."""
    found = [
        make_finding("pi_1", reason=Reason.REPORT_MODE, evidence={"request_id": "req_1"}),
        make_finding("pi_2", Kind.CONTRADICTED, severity=Severity.CRITICAL, stake=Money(10**12, "jpy"), keys=("2", "3")),
        make_finding("pi_1", Kind.OVERDUE, severity=Severity.INFO),
    ]  # fmt: skip
    for n, finding in enumerate(found):
        change = make_change(finding)
        table.write(PageRecord(updates=(change,), seen_at=seen + timedelta(hours=n)))
    table.all(
        "INSERT INTO reconciler.discrepancies (account, subject, kind, payment_intent, keys, severity, state, stake_amount,"
        " currency, local, stripe, evidence, fingerprint, first_seen, last_seen, changed_at)"
        " SELECT 'other', subject, kind, payment_intent, keys, severity, state, stake_amount, currency, local, stripe, evidence,"
        " fingerprint, first_seen, last_seen, changed_at FROM reconciler.discrepancies WHERE id = 1 RETURNING 1"
    )
    PostgresDiscrepancyStore(table.database, "default").settle(
        3, State.IGNORED, "known", "jo", NOTHING
    )
    return table


def test_a_discrepancy_comes_back_as_it_was_found(stored, seen):
    """Every fact of a finding is stored, and read into the domain's own type."""
    found = PostgresDiscrepancyStore(stored.database, "default").discrepancy(2)
    assert (found.kind, found.severity, found.state) == (
        Kind.CONTRADICTED,
        Severity.CRITICAL,
        State.OPEN,
    )
    assert (found.stake, found.keys, found.payment_intent) == (
        Money(10**12, "jpy"),
        ("2", "3"),
        "pi_2",
    )
    assert found.first_seen == found.last_seen == seen + timedelta(hours=1)
    assert (found.local, found.stripe) == ({"status": "pending"}, {"status": "succeeded"})
    first = PostgresDiscrepancyStore(stored.database, "default").discrepancy(1)
    assert (first.reason, first.evidence) == ("report_mode", {"request_id": "req_1"})
    assert PostgresDiscrepancyStore(stored.database, "default").discrepancy(99) is None
    assert PostgresDiscrepancyStore(stored.database, "nobody").discrepancy(1) is None


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, [3, 2, 4, 1]),
        ({"account": "default"}, [3, 2, 1]),
        ({"account": "default", "states": (State.OPEN,)}, [2, 1]),
        ({"states": (State.IGNORED, State.RESOLVED)}, [3]),
        ({"kinds": (Kind.CONTRADICTED, Kind.OVERDUE)}, [3, 2]),
        ({"severities": (Severity.CRITICAL,)}, [2]),
        ({"since": timedelta(hours=1)}, [3, 2]),
        ({"since": timedelta(hours=1, seconds=1)}, [3]),
        ({"payment_intent": "pi_1", "account": "default"}, [3, 1]),
        ({"id": 2}, [2]),
        ({"id": 2, "kinds": (Kind.OVERDUE,)}, []),
    ],
)
def test_each_filter(stored, seen, wanted, ids):
    """Filters narrow alone and together; the last seen come first."""
    if "since" in wanted:
        wanted = {**wanted, "since": seen + wanted["since"]}
    listing = PostgresDiscrepancyList(stored.database)
    chosen = DiscrepancyFilter(**wanted)
    assert [found.id for found in listing.find(chosen)] == ids
    assert [found.id for found in listing.find(chosen, limit=2)] == ids[:2]
    with listing.reading(chosen) as found:
        assert [one.id for one in found] == ids


def test_settling_is_one_with_its_entry(stored):
    """State, note, name and ledger entry come together; a discrepancy that is not there leaves nothing."""
    book = PostgresDiscrepancyStore(stored.database, "default")
    book.settle(
        2, State.RESOLVED, "refunded by hand", "jo", Draft(Action.RESOLUTION, {"discrepancy": 2})
    )
    found = book.discrepancy(2)
    assert (found.state, found.note, found.resolved_by) == (
        State.RESOLVED,
        "refunded by hand",
        "jo",
    )
    with PostgresLedger(stored.database).chain("default") as chain:
        entries = list(chain.entries)
        assert first_break(entries, chain.head, "default") is None
    assert (entries[-1].action, entries[-1].body) == ("resolution", {"discrepancy": 2})
    with pytest.raises(UsageError, match="no discrepancy 99"):
        book.settle(99, State.RESOLVED, "x", "jo", NOTHING)
    with pytest.raises(UsageError):
        PostgresDiscrepancyStore(stored.database, "other").settle(
            2, State.RESOLVED, "x", "jo", NOTHING
        )
    assert stored.all(
        "SELECT count(*) FROM reconciler.ledger WHERE account IN ('default', 'other')"
    ) == [(len(entries),)]


def test_a_closed_one_can_be_settled(stored):
    """The reason of its closing goes when a person takes it over."""
    stored.all(
        "UPDATE reconciler.discrepancies SET state = 'closed', closing = 'agreement' WHERE id = 1 RETURNING 1"
    )
    book = PostgresDiscrepancyStore(stored.database, "default")
    book.settle(1, State.IGNORED, "x", "jo", NOTHING)
    assert book.discrepancy(1).closing is None


def test_settling_while_a_pass_records_it_is_busy(stored):
    """The person is told to try again, after a second at most."""
    book = PostgresDiscrepancyStore(stored.database, "default")
    with stored.store.transaction(stored.epoch) as page:
        page.read_again(["pi_2"], [], lock=False)
        with pytest.raises(DatabaseBusyError):
            book.settle(2, State.RESOLVED, "x", "jo", NOTHING)


def test_notes(stored):
    """Notes stand in order with their authors, each with a ledger entry."""
    book = PostgresDiscrepancyStore(stored.database, "default")
    book.add_note(1, "asked the customer", "jo")
    book.add_note(1, "they paid twice", "sam")
    assert [(note.author, note.note) for note in book.notes(1)] == [
        ("jo", "asked the customer"), ("sam", "they paid twice"),
    ]  # fmt: skip
    assert book.notes(2) == ()
    with PostgresLedger(stored.database).chain("default") as chain:
        bodies = [entry.body for entry in chain.entries if entry.action == "note"]
    assert bodies[-1] == {"discrepancy": 1, "note": "they paid twice", "asked_by": "sam"}
    with pytest.raises(UsageError):
        book.add_note(99, "x", "jo")


def test_the_corrections_of_a_pass(table, make_correction):
    """What a sweep corrected comes in the ledger's order, with what was before and after, and whether it was reverted."""
    for sweep, intents in ((7, ["pi_1", "pi_2"]), (8, ["pi_3"])):
        with table.store.transaction(table.epoch) as page:
            rows = page.read_again(intents, [], lock=True).payments
            page.write(
                PageRecord(
                    writes=tuple(
                        make_correction(
                            row,
                            sweep=sweep,
                            payment_intent=row.payment_intent,
                            before={"status": "pending", "payment_intent": None},
                            after={"status": "paid", "payment_intent": row.payment_intent},
                        )
                        for row in rows
                    )
                )
            )
    table.write(PageRecord(drafts=(Draft(Action.REVERT, {"sweep": 7, "correction": 2}),)))
    book = PostgresDiscrepancyStore(table.database, "default")
    assert book.corrections(7) == tuple(
        CorrectionEntry(
            n,
            str(n),
            f"pi_{n}",
            {"status": "pending", "payment_intent": None},
            {"status": "paid", "payment_intent": f"pi_{n}"},
            reverted=n == 2,
        )
        for n in (1, 2)
    )
    assert [entry.key for entry in book.corrections(8)] == ["3"]
    assert book.corrections(9) == ()
    assert PostgresDiscrepancyStore(table.database, "other").corrections(7) == ()


def test_corrections_by_the_service_in_the_last_hour(table):
    """Only the service's own corrections count, of the time asked for, and of this account."""
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
    """A sweep is running until it is finished, once, with its report and its ledger entries in one transaction."""
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
    """Reads of one account add up by hour and source; those of long ago and of others do not count."""
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
    """What is known of an intent, what waits, and what the merchant's worker has to act upon, in one transaction."""
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


def test_a_long_ledger_is_read_in_pieces(table):
    """A chain of thousands of entries sweeps through a cursor on the server, and proves whole."""
    table.write(PageRecord(drafts=tuple(Draft(Action.NOTE, {"n": n}) for n in range(2500))))
    with PostgresLedger(table.database).chain("default") as chain:
        assert first_break(chain.entries, chain.head, "default") is None
    with PostgresLedger(table.database).chain("default") as chain:
        assert next(chain.entries).seq == 1  # left unread: the connection is given back clean
    assert len(table.store.load(["pi_1"]).payments) == 1
