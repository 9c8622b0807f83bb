"""Discrepancies as a person lists and settles them, notes, and a sweep's corrections."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from reconciler.adapters.postgres.audit.ledger import PostgresLedger
from reconciler.adapters.postgres.discrepancies.discrepancy_list import (
    DiscrepancyFilter,
    PostgresDiscrepancyList,
    Sort,
)
from reconciler.adapters.postgres.discrepancies.discrepancy_store import PostgresDiscrepancyStore
from reconciler.adapters.postgres.discrepancies.review_store import (
    PostgresReviewStore,
    record_view,
)
from reconciler.domain.audit.hash_chain import first_break
from reconciler.domain.audit.ledger_entry import Action, AskedBy, CorrectionEntry, Draft
from reconciler.domain.audit.record_faults import RecordKind
from reconciler.domain.findings.discrepancy import Kind, Reason, Severity, State
from reconciler.domain.findings.lifecycle import finding_entry
from reconciler.domain.model.page import PageRecord
from reconciler.domain.money import Money
from reconciler.domain.review.due_date import DueRules
from reconciler.domain.review.note import Attachment
from reconciler.engine.actions.assign import assign
from reconciler.engine.actions.note import add_note, redact_note
from reconciler.engine.actions.reopen import reopen
from reconciler.engine.actions.resolve import resolve
from reconciler.errors import DatabaseBusyError, UsageError
from tests.some_quick import some_quick

JO = AskedBy("jo")


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
    resolve(PostgresReviewStore(table.database), [3], "known", JO, ignore=True)
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


@some_quick(
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
        ({"ids": (2,)}, [2]),
        ({"ids": (2, 9), "kinds": (Kind.OVERDUE,)}, []),
    ],
    quick=range(0, 11, 3),
)
def test_each_filter(stored, seen, wanted, ids):
    """Filters narrow the list alone and together; the last seen comes first."""
    if "since" in wanted:
        wanted = {**wanted, "since": seen + wanted["since"]}
    listing = PostgresDiscrepancyList(stored.database)
    chosen = DiscrepancyFilter(**wanted, sort=Sort.LAST_SEEN)
    assert [found.id for found in listing.find(chosen)] == ids
    assert [found.id for found in listing.find(chosen, limit=2)] == ids[:2]
    assert [found.id for found in listing.find(chosen, limit=2, offset=1)] == ids[1:3]
    with listing.reading(chosen) as found:
        assert [one.id for one in found] == ids


def test_a_settlement_and_its_ledger_entry_are_one_transaction(stored):
    """State, note, name and ledger entry are stored together, of several accounts; an unknown number stores nothing."""
    store = PostgresReviewStore(stored.database)
    other = stored.all("SELECT id FROM reconciler.discrepancies WHERE account = 'other'")[0][0]
    done = resolve(store, [other, 2, 2], "refunded by hand", AskedBy("jo", "Jo Doe"))
    assert [(one.discrepancy.account, one.discrepancy.id) for one in done] == [
        ("default", 2), ("other", other),
    ]  # fmt: skip
    found = store.discrepancy(2)
    assert (found.state, found.note, found.resolved_by) == (
        State.RESOLVED,
        "refunded by hand",
        "jo",
    )
    for account in ("default", "other"):
        with PostgresLedger(stored.database).chain(account) as chain:
            entries = list(chain.entries)
            assert first_break(entries, chain.head, account) is None
        assert entries[-1].action == "resolution"
        assert (entries[-1].body["asked_by"], entries[-1].body["claimed_by"]) == ("jo", "Jo Doe")
    before = stored.all("SELECT count(*) FROM reconciler.ledger")
    for decide in (
        lambda: resolve(store, [1, 99, 98], "x", JO),
        lambda: assign(store, [1, 98, 99], "x", JO),
        lambda: reopen(store, [2, 98, 99], JO),
    ):
        with pytest.raises(UsageError, match="no discrepancy 98, 99"):
            decide()
    with pytest.raises(UsageError, match="1 is open"):
        reopen(store, [2, 1], JO)
    assert stored.all("SELECT count(*) FROM reconciler.ledger") == before
    assert store.discrepancy(2).state is State.RESOLVED


def test_a_closed_discrepancy_can_be_settled(stored):
    """A person's verdict deletes the reason for which it was closed."""
    stored.all(
        "UPDATE reconciler.discrepancies SET state = 'closed', closing = 'agreement' WHERE id = 1 RETURNING 1"
    )
    store = PostgresReviewStore(stored.database)
    resolve(store, [1], "x", JO, ignore=True)
    assert store.discrepancy(1).closing is None


def test_settling_while_a_sweep_records_it_is_busy(stored):
    """The person may try again after a second at most."""
    store = PostgresReviewStore(stored.database)
    with stored.store.transaction(stored.epoch) as page:
        page.read_again(["pi_2"], [], lock=False)
        with pytest.raises(DatabaseBusyError):
            resolve(store, [2], "x", JO)


def bodies_of(stored, action):
    with PostgresLedger(stored.database).chain("default") as chain:
        entries = list(chain.entries)
        assert first_break(entries, chain.head, "default") is None
        assert list(chain.record_faults) == []
    return [entry.body for entry in entries if entry.action == action]


@pytest.fixture
def recorded(table, make_finding, make_update, seen):
    """One discrepancy with the ledger's entry of it, so that verify has nothing to say."""
    update = make_update(make_finding("pi_1"))
    entry = finding_entry(update, None, AskedBy("service"))
    table.write(PageRecord(updates=(update,), drafts=(entry,), seen_at=seen))
    return table


def test_notes(recorded):
    """Notes are listed in order with their authors, and each has a ledger entry with the SHA-256 of its text."""
    store = PostgresReviewStore(recorded.database)
    add_note(store, 1, " asked the customer ", JO)
    add_note(
        store, 1, "they paid twice", AskedBy("sam", "Sam Roe"), Attachment("reçu.pdf", "a" * 64)
    )
    first, second = store.notes(store.discrepancy(1))
    assert (first.id, first.author, first.text, first.attachment) == (1, "jo", "asked the customer", None)  # fmt: skip
    assert (second.claimed_by, second.attachment) == ("Sam Roe", Attachment("reçu.pdf", "a" * 64))
    bodies = bodies_of(recorded, "note")
    digest = hashlib.sha256(b"they paid twice").hexdigest()
    assert bodies[-1] == {
        "discrepancy": 1,
        "note": 2,
        "asked_by": "sam",
        "claimed_by": "Sam Roe",
        "sha256": digest,
        "attachment": {
            "name_sha256": hashlib.sha256("reçu.pdf".encode()).hexdigest(),
            "sha256": "a" * 64,
        },
    }
    for wrong in (lambda: add_note(store, 99, "x", JO), lambda: add_note(store, 1, "  ", JO)):
        with pytest.raises(UsageError):
            wrong()
    assert len(store.notes(store.discrepancy(1))) == 2


def test_a_redacted_note(recorded):
    """The text and the file's name are gone; their hashes stay in the ledger, and verify accepts it."""
    store = PostgresReviewStore(recorded.database)
    note = add_note(store, 1, "Ada Lovelace, London", JO, Attachment("ada.pdf", "b" * 64))
    blanked = redact_note(store, note.id, AskedBy("dpo"))
    assert (blanked.text, blanked.attachment, blanked.redacted_by) == (None, Attachment(None, "b" * 64), "dpo")  # fmt: skip
    assert "Ada" not in str(recorded.all("SELECT n::text, l.body::text FROM reconciler.notes n, reconciler.ledger l"))  # fmt: skip
    [entry] = bodies_of(recorded, "note_redacted")
    assert entry == {
        "asked_by": "dpo",
        "discrepancy": 1,
        "note": note.id,
        "sha256": hashlib.sha256(b"Ada Lovelace, London").hexdigest(),
    }
    with pytest.raises(UsageError, match="blanked already"):
        redact_note(store, note.id, JO)
    with pytest.raises(UsageError, match="no note 77"):
        redact_note(store, 77, JO)


def test_verify_finds_a_note_that_was_blanked_by_another_hand(recorded):
    """Without its ledger entry, a blanked text is a fault."""
    store = PostgresReviewStore(recorded.database)
    add_note(store, 1, "evidence", JO)
    recorded.all(
        "UPDATE reconciler.notes SET note = NULL, redacted_at = now(), redacted_by = 'x' RETURNING 1"
    )
    with PostgresLedger(recorded.database).chain("default") as chain:
        list(chain.entries)
        assert [fault.kind for fault in chain.record_faults] == [RecordKind.NOTE]


def test_owners(recorded):
    """A new owner is a ledger entry with the one before; the same owner again changes nothing."""
    store = PostgresReviewStore(recorded.database)
    assert [one.owner for one in assign(store, [1], " ana ", JO)] == [None]
    assert assign(store, [1], "ana", JO) == ()
    assert store.discrepancy(1).owner == "ana"
    assign(store, [1], None, JO)
    assert store.discrepancy(1).owner is None
    assert [(one["before"], one["owner"]) for one in bodies_of(recorded, "assignment")] == [
        (None, "ana"), ("ana", None),
    ]  # fmt: skip
    for wrong in ("", "a\nb", "x" * 201):
        with pytest.raises(UsageError, match="not a name"):
            assign(store, [1], wrong, JO)


def test_what_no_person_has_seen(table, make_finding, make_update, seen):
    """A view, a note, an owner and a decision each count; a change of the finding makes it unseen again."""
    listing, store = PostgresDiscrepancyList(table.database), PostgresReviewStore(table.database)
    acts = (
        lambda: record_view(table.database, "default", ["pi_1", "row:1"], "jo"),
        lambda: add_note(store, 2, "x", JO),
        lambda: assign(store, [3], "ana", JO),
        lambda: resolve(store, [4], "x", JO),
    )
    for n in range(1, 6):
        update = make_update(make_finding(f"pi_{n}"))
        table.write(PageRecord(updates=(update,), seen_at=seen))

    def unseen():
        return [one.id for one in listing.find(DiscrepancyFilter(unseen=True, sort=Sort.ID))]

    assert unseen() == [1, 2, 3, 4, 5]
    for n, act in enumerate(acts, start=1):
        act()
        assert unseen() == list(range(n + 1, 6))
    assert table.all("SELECT account, subject, viewer, role FROM reconciler.payment_views") == [
        ("default", "pi_1", "jo", "postgres")
    ]
    again = make_update(make_finding("pi_1", stripe={"status": "canceled"}), number=1)
    table.write(PageRecord(updates=(replace(again, is_news=False),), seen_at=seen))
    assert unseen() == [5]
    table.write(PageRecord(updates=(again,), seen_at=seen))
    assert unseen() == [1, 5]


def test_age_and_due_date_count_from_the_last_opening(table, make_finding, make_update, seen):
    """By severity, or earlier by the money; a finding that comes back is young again."""
    due = DueRules(
        {Severity.WARNING: timedelta(days=7)}, ((Money(1000, "eur"), timedelta(hours=4)),)
    )
    table.write(
        PageRecord(
            updates=(
                make_update(make_finding("pi_1", stake=Money(999, "eur"))),
                make_update(make_finding("pi_2", stake=Money(1000, "eur"))),
                make_update(make_finding("pi_3", severity=Severity.INFO, stake=Money(9, "eur"))),
            ),
            seen_at=seen,
        )
    )
    listing = PostgresDiscrepancyList(table.database)
    wanted = DiscrepancyFilter(due=due, sort=Sort.DUE)
    assert [(one.id, one.due_at) for one in listing.find(wanted)] == [
        (2, seen + timedelta(hours=4)), (1, seen + timedelta(days=7)), (3, None),
    ]  # fmt: skip
    overdue = replace(wanted, due_before=seen + timedelta(days=1))
    assert [one.id for one in listing.find(overdue)] == [2]

    table.all("UPDATE reconciler.discrepancies SET state = 'corrected' WHERE id = 1 RETURNING 1")
    later = seen + timedelta(days=30)
    update = make_update(make_finding("pi_1", stake=Money(999, "eur")), number=1)
    table.write(PageRecord(updates=(update,), seen_at=later))
    [found] = listing.find(replace(wanted, ids=(1,)))
    assert (found.opened_at, found.first_seen) == (later, seen)
    assert found.due_at == later + timedelta(days=7)


def test_ageing_in_number_and_money(table, make_finding, make_update, seen):
    """By whole days and currency; a payment with two findings counts once, with the greater amount and the older age."""
    for n, (days, amount, currency) in enumerate(
        [
            (0, 5, "eur"),
            (1, 7, "eur"),
            (2, 100, "eur"),
            (7, 10, "jpy"),
            (30, 1, "eur"),
            (31, 9, "eur"),
        ]
    ):
        finding = make_finding(f"pi_{n}", stake=Money(amount, currency))
        at = seen - timedelta(days=days)
        table.write(PageRecord(updates=(make_update(finding),), seen_at=at))
    second = make_finding("pi_0", Kind.OVERDUE, stake=Money(500, "eur"))
    at = seen - timedelta(days=3)
    table.write(PageRecord(updates=(make_update(second),), seen_at=at))
    found = PostgresDiscrepancyList(table.database).aged(None, seen)
    assert [(one.currency, one.bucket, one.count, one.amount) for one in found] == [
        ("eur", "0-1", 1, 7), ("eur", "2-7", 2, 600), ("eur", "8-30", 1, 1), ("eur", "over 30", 1, 9),
        ("jpy", "0-1", 0, 0), ("jpy", "2-7", 1, 10), ("jpy", "8-30", 0, 0), ("jpy", "over 30", 0, 0),
    ]  # fmt: skip
    assert PostgresDiscrepancyList(table.database).aged("other", seen) == ()


@some_quick(
    ("wanted", "ids"),
    [
        ({"order": "A-1"}, [1]),
        ({"search": "A-1"}, [1]),
        ({"search": "3"}, [2, 3]),
        ({"search": "pi_3"}, [3]),
        ({"currency": "jpy"}, [2]),
        ({"min_amount": Decimal("12.50")}, [2, 1]),
        ({"min_amount": Decimal("12.501")}, [2]),
        ({"max_amount": Decimal("12.50")}, [3, 1]),
        ({"max_amount": Decimal(1300)}, [2, 3, 1]),
        ({"paid_since": timedelta(0)}, [2]),
        ({"paid_until": timedelta(0)}, [1]),
        ({"without_owner": True}, [2, 3]),
        ({"owner": "ana"}, [1]),
        ({"opened_before": timedelta(seconds=1)}, [1]),
        ({"sort": Sort.PAID}, [2, 1, 3]),
        ({"sort": Sort.AGE}, [1, 2, 3]),
        ({"sort": Sort.ID, "reverse": True}, [3, 2, 1]),
    ],
    quick=range(0, 17, 3),
)
def test_the_filters_and_orders_of_the_queue(table, make_finding, make_update, seen, wanted, ids):
    """Amounts are in the major unit of the row's own currency; most money comes first by default."""
    day = timedelta(days=1)
    found = [
        make_finding("pi_1", order="A-1", payment_created=seen - day),
        make_finding("pi_2", stake=Money(1300, "jpy"), keys=("2", "3"), payment_created=seen),
        make_finding("pi_3", stake=Money(1251, "kwd")),
    ]
    # the currency's decimals decide: 1.251 KWD is less than 12.50
    for n, finding in enumerate(found):
        table.write(PageRecord(updates=(make_update(finding),), seen_at=seen + n * day))
    assign(PostgresReviewStore(table.database), [1], "ana", JO)
    wanted = {
        name: seen + value if isinstance(value, timedelta) else value
        for name, value in wanted.items()
    }
    listed = PostgresDiscrepancyList(table.database).find(DiscrepancyFilter(**wanted))
    assert [one.id for one in listed] == ids
    if ids == [1]:
        assert (listed[0].order, listed[0].payment_created) == ("A-1", seen - day)


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
