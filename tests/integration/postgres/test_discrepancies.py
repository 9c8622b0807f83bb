"""Discrepancies as a person lists and settles them, notes, and a sweep's corrections."""

from __future__ import annotations

import hashlib
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
from reconciler.domain.model.page import PageRecord
from reconciler.domain.money import Money
from reconciler.errors import DatabaseBusyError, UsageError

NOTHING = Draft(Action.RESOLUTION, {})


@pytest.fixture
def table(shop, bench):
    made = shop()
    for n in (1, 2, 3):
        made.insert(key=n, payment_intent=f"pi_{n}", status="pending")
    return bench(made)


@pytest.fixture
def stored(table, make_finding, make_update, seen):
    """Three discrepancies of one account and one of another, an hour apart."""
    found = [
        make_finding("pi_1", reason=Reason.REPORT_MODE, evidence={"request_id": "req_1"}),
        make_finding("pi_2", Kind.CONTRADICTED, severity=Severity.CRITICAL, stake=Money(10**12, "jpy"), keys=("2", "3")),
        make_finding("pi_1", Kind.OVERDUE, severity=Severity.INFO),
    ]  # fmt: skip
    for n, finding in enumerate(found):
        change = make_update(finding)
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
    """Every fact of a finding is stored and comes back as the domain's Discrepancy."""
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
    assert PostgresDiscrepancyStore(stored.database, "unknown").discrepancy(1) is None


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
    """Filters narrow the list alone and together; the last seen comes first."""
    if "since" in wanted:
        wanted = {**wanted, "since": seen + wanted["since"]}
    listing = PostgresDiscrepancyList(stored.database)
    chosen = DiscrepancyFilter(**wanted)
    assert [found.id for found in listing.find(chosen)] == ids
    assert [found.id for found in listing.find(chosen, limit=2)] == ids[:2]
    with listing.reading(chosen) as found:
        assert [one.id for one in found] == ids


def test_a_settlement_and_its_ledger_entry_are_one_transaction(stored):
    """State, note, name and ledger entry are stored together; an unknown discrepancy stores nothing."""
    store = PostgresDiscrepancyStore(stored.database, "default")
    store.settle(
        2, State.RESOLVED, "refunded by hand", "jo", Draft(Action.RESOLUTION, {"discrepancy": 2})
    )
    found = store.discrepancy(2)
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
        store.settle(99, State.RESOLVED, "x", "jo", NOTHING)
    with pytest.raises(UsageError):
        PostgresDiscrepancyStore(stored.database, "other").settle(
            2, State.RESOLVED, "x", "jo", NOTHING
        )
    assert stored.all(
        "SELECT count(*) FROM reconciler.ledger WHERE account IN ('default', 'other')"
    ) == [(len(entries),)]


def test_a_closed_discrepancy_can_be_settled(stored):
    """A person's verdict deletes the reason for which it was closed."""
    stored.all(
        "UPDATE reconciler.discrepancies SET state = 'closed', closing = 'agreement' WHERE id = 1 RETURNING 1"
    )
    store = PostgresDiscrepancyStore(stored.database, "default")
    store.settle(1, State.IGNORED, "x", "jo", NOTHING)
    assert store.discrepancy(1).closing is None


def test_settling_while_a_sweep_records_it_is_busy(stored):
    """The person may try again after a second at most."""
    store = PostgresDiscrepancyStore(stored.database, "default")
    with stored.store.transaction(stored.epoch) as page:
        page.read_again(["pi_2"], [], lock=False)
        with pytest.raises(DatabaseBusyError):
            store.settle(2, State.RESOLVED, "x", "jo", NOTHING)


def test_notes(stored):
    """Notes are listed in order with their authors, and each has a ledger entry with the SHA-256 of its text."""
    store = PostgresDiscrepancyStore(stored.database, "default")
    store.add_note(1, "asked the customer", "jo")
    store.add_note(1, "they paid twice", "sam")
    assert [(note.author, note.note) for note in store.notes(1)] == [
        ("jo", "asked the customer"), ("sam", "they paid twice"),
    ]  # fmt: skip
    assert store.notes(2) == ()
    with PostgresLedger(stored.database).chain("default") as chain:
        bodies = [entry.body for entry in chain.entries if entry.action == "note"]
    assert len(bodies) == 2
    digest = hashlib.sha256(b"they paid twice").hexdigest()
    assert bodies[-1] == {"discrepancy": 1, "note": 2, "asked_by": "sam", "sha256": digest}
    with pytest.raises(UsageError):
        store.add_note(99, "x", "jo")


def test_the_corrections_of_a_sweep(table, make_correction):
    """They come in the ledger's order, with the values before and after, and whether each was reverted."""
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
    store = PostgresDiscrepancyStore(table.database, "default")
    assert store.corrections(7) == tuple(
        CorrectionEntry(
            n,
            str(n),
            f"pi_{n}",
            "",
            {"status": "pending", "payment_intent": None},
            {"status": "paid", "payment_intent": f"pi_{n}"},
            reverted=n == 2,
        )
        for n in (1, 2)
    )
    assert [entry.key for entry in store.corrections(8)] == ["3"]
    assert store.corrections(9) == ()
    assert PostgresDiscrepancyStore(table.database, "other").corrections(7) == ()


def test_a_long_ledger_is_read_in_parts(table):
    """A chain of 2,500 entries comes through a cursor on the server, and verifies."""
    table.write(PageRecord(drafts=tuple(Draft(Action.DAY_TOTALS, {"n": n}) for n in range(2500))))
    with PostgresLedger(table.database).chain("default") as chain:
        assert first_break(chain.entries, chain.head, "default") is None
    with PostgresLedger(table.database).chain("default") as chain:
        assert (
            next(chain.entries).seq == 1
        )  # the rest is not read: the connection can be used again
    assert len(table.store.load(["pi_1"]).payments) == 1
