"""The privileges that each role needs, and those that a dry run does not need."""

from __future__ import annotations

import psycopg
import pytest

from reconciler.adapters.postgres.audit.ledger import PostgresLedger
from reconciler.adapters.postgres.coordination.lease_store import PostgresLeaseStore
from reconciler.adapters.postgres.coordination.status import PostgresStatus
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.discrepancies.review_store import (
    PostgresReviewStore,
    record_view,
)
from reconciler.adapters.postgres.merchant.inspection import inspect
from reconciler.adapters.postgres.merchant.table_warnings import warnings_of
from reconciler.adapters.postgres.outbox.outbox import PostgresOutbox
from reconciler.adapters.postgres.schema.migration import migrate
from reconciler.adapters.postgres.schema.schema_state import pending_migrations, schema_access
from reconciler.domain.audit.hash_chain import first_break
from reconciler.domain.audit.ledger_entry import Action, AskedBy, Draft
from reconciler.domain.findings.discrepancy import Kind, State
from reconciler.domain.findings.lifecycle import DiscrepancyUpdate
from reconciler.domain.model.intent import Event
from reconciler.domain.model.page import PageRecord
from reconciler.domain.model.recheck import Recheck
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.read_limits_and_shortage import Source
from reconciler.domain.review.note import Attachment
from reconciler.engine.actions.assign import assign
from reconciler.engine.actions.note import add_note, redact_note
from reconciler.engine.actions.reopen import reopen
from reconciler.engine.actions.resolve import resolve
from reconciler.errors import DatabaseRefusedError

TABLES = (
    "ledger",
    "ledger_heads",
    "discrepancies",
    "rechecks",
    "events",
    "outbox",
    "reads",
    "sweeps",
    "leases",
    "replicas",
)


@pytest.fixture
def stocked(shop):
    made = shop()
    made.insert(key=1, payment_intent="pi_1", status="pending", order="A")
    return made


@pytest.fixture
def roles(stocked, role):
    """The URLs of the daemon's and the auditor's roles, with the privileges from migrate and the documented GRANTs."""
    daemon, as_daemon = role("daemon")
    auditor, as_auditor = role("auditor")
    migrate(stocked.url, daemon_role=daemon, auditor_role=auditor)
    stocked.execute(f"GRANT SELECT, UPDATE (status, updated_at) ON payments TO {daemon}")
    return as_daemon(stocked.url), as_auditor(stocked.url)


def refused(url: str, query: str) -> bool:
    with psycopg.connect(url) as connection:
        try:
            connection.execute(query)
        except psycopg.errors.InsufficientPrivilege:
            return True
    return False


def test_the_daemons_role_is_enough_for_a_sweep(
    stocked, roles, bench, make_correction, make_update, make_finding, seen
):
    """The grants of migrate, SELECT, and UPDATE of two columns are enough for everything that a sweep writes."""
    table = bench(stocked, url=roles[0])
    assert table.store.has_schema
    sweep = table.store.start_sweep(
        {"kind": "due", "mode": "update", "applied": True, "asked_by": "me"}
    )
    with table.store.transaction(table.epoch) as page:
        payment = page.read_again(["pi_1"], [], lock=True).payments[0]
        page.write(
            PageRecord(
                writes=(make_correction(payment, sweep=sweep),),
                updates=(
                    make_update(make_finding(), state=State.CORRECTED),
                    make_update(make_finding(kind=Kind.OVERDUE)),
                ),
                rechecks=(Recheck("pi_2", seen, "grace"),),
                settled=("pi_1",),
                events=(Event("evt_1", "charge.failed", seen, "pi_1"),),
                seen_at=seen,
                sweep=sweep,
            )
        )
    table.store.book_reads({Source.DUE: 3})
    table.store.finish_sweep(sweep, {"complete": True}, [Draft(Action.SWEEP, {})], table.epoch)
    review = PostgresReviewStore(table.database)
    jo = AskedBy("jo")
    resolve(review, [2], "fine", jo)
    reopen(review, [2], jo)
    assign(review, [2], "ana", jo)
    redact_note(review, add_note(review, 2, "a note", jo).id, jo)
    record_view(table.database, "default", ["pi_1", "row:1"], "jo")
    table.leases.release("bench", table.epoch)
    assert stocked.rows()["1"]["status"] == "paid"
    assert pending_migrations(roles[0]) == ()


@pytest.mark.parametrize(
    "verb",
    [
        "UPDATE reconciler.ledger SET seq = 1",
        "DELETE FROM reconciler.ledger",
        "TRUNCATE reconciler.ledger",
    ],
)
def test_the_daemon_may_not_change_the_ledger(roles, verb):
    """The daemon's role has no privilege to UPDATE, DELETE or TRUNCATE the ledger."""
    assert refused(roles[0], verb)


def test_the_daemon_may_change_nothing_else(roles):
    """Not the amount, not the intent, no INSERT, no DELETE, and no table of Reconciler's."""
    for query in (
        "UPDATE payments SET amount = 1",
        "UPDATE payments SET stripe_payment_intent_id = 'x'",
        "DELETE FROM payments",
        "INSERT INTO payments (id) VALUES (9)",
        "DROP TABLE reconciler.reads",
        "DELETE FROM reconciler.discrepancies",
        "DELETE FROM reconciler.sweep_requests",
    ):
        assert refused(roles[0], query), query


def test_linking_needs_its_own_privilege(stocked, roles, bench):
    """Without UPDATE on the PaymentIntent's column, linking is a fault at start, with the GRANT to run."""
    with Database(roles[0]) as database:
        assert inspect(database, stocked.mapping, writes=True).faults == ()
        [fault] = inspect(database, stocked.mapping, writes=True, links=True).faults
    grant = fault.hint.removeprefix("Run: ")
    assert grant.startswith(
        'GRANT UPDATE ("stripe_payment_intent_id") ON "public"."payments" TO "daemon_'
    )
    stocked.execute(grant)
    bench(stocked, url=roles[0], links=True)


def test_the_auditor_reads_everything_and_writes_only_notes(
    stocked, roles, bench, make_update, make_finding, seen
):
    """The auditor reads the schema, verifies the ledger, and adds notes whose author and time the database sets."""
    table = bench(stocked)
    table.write(
        PageRecord(
            updates=(make_update(make_finding()),),
            drafts=(Draft(Action.DAY_TOTALS, {}),),
            seen_at=seen,
        )
    )
    url = roles[1]
    for name in TABLES:
        assert refused(url, f"DELETE FROM reconciler.{name}"), name
        assert refused(url, f"INSERT INTO reconciler.{name} DEFAULT VALUES"), name
        assert not refused(url, f"SELECT * FROM reconciler.{name}"), name
    assert refused(
        url,
        "INSERT INTO reconciler.notes (account, discrepancy, note, author) VALUES ('default', 1, 'x', 'the boss')",
    )
    assert refused(
        url,
        "INSERT INTO reconciler.notes (account, discrepancy, note, at) VALUES ('default', 1, 'x', now())",
    )
    assert refused(
        url, "SELECT reconciler.append_ledger('default', NULL, '{resolution}', '{\"{}\"}')"
    )
    assert refused(url, "SELECT * FROM payments")
    with Database(url) as database:
        review = PostgresReviewStore(database)
        other = AskedBy("another person")
        note = add_note(review, 1, "seen by audit", other, Attachment("a.pdf", "0" * 64))
        assert note.author.startswith("auditor_")
        assert (note.text, note.attachment) == ("seen by audit", Attachment("a.pdf", "0" * 64))
        record_view(database, "default", ["pi_1"], "the auditor")
        for decide in (
            lambda: resolve(review, [1], "x", other),
            lambda: assign(review, [1], "x", other),
            lambda: redact_note(review, note.id, other),
        ):
            with pytest.raises(DatabaseRefusedError, match="permission denied"):
                decide()
        with PostgresLedger(database).chain("default") as chain:
            entries = list(chain.entries)
            assert first_break(entries, chain.head, "default") is None
        # the database appends the note's entry, although the auditor may not
        assert entries[-1].action == "note"
        assert entries[-1].body["asked_by"] == note.author
        access = schema_access(database)
    assert (access.exists, access.may_read, access.may_write) == (True, True, False)


@pytest.mark.parametrize("schema", ["absent", "forbidden"])
def test_a_dry_run_needs_select_alone(stocked, bench, role, schema):
    """Without the schema, or without a privilege on it, pages load and payments are listed; stored facts are empty."""
    if schema == "absent":
        stocked.execute("DROP SCHEMA reconciler CASCADE")
    name, as_role = role("reader")
    stocked.execute(f"GRANT SELECT ON payments TO {name}")
    table = bench(stocked, url=as_role(stocked.url), writes=False)
    store = table.store
    assert (store.has_schema, store.can_read_schema) == (False, False)
    loaded = store.load(["pi_1"], ["A"])
    assert [row.key for row in loaded.payments] == ["1"]
    assert (loaded.known, loaded.events, loaded.waiting) == ((), (), ())
    assert store.count_open(TimeRange()) == 1
    assert len(store.newest_payments(5)) == 1
    assert store.due_rechecks(loaded.at, 5) == ()
    assert store.corrections_by_service(3600) == 0


def test_a_database_that_is_read_only_has_no_schema_to_write(stocked, bench):
    """With default_transaction_read_only, as on a standby, a dry run works and reads what is stored."""
    table = bench(stocked)
    table.write(
        PageRecord(events=(Event("evt_1", "charge.failed", table.store.load([]).at, "pi_1"),))
    )
    stocked.execute(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only TO on', current_database()); END $$"
    )
    reader = bench(stocked, account="default", writes=False).store
    assert (reader.has_schema, reader.can_read_schema) == (False, True)
    assert len(reader.load(["pi_1"]).events) == 1


def test_row_security_that_hides_rows_is_a_warning(stocked, role, bench):
    """A policy that hides rows from the role is a warning, and a row whose update it prevents counts as moved."""
    from reconciler.errors import RowMovedError

    daemon, as_daemon = role("daemon")
    migrate(stocked.url, daemon_role=daemon, auditor_role=None)
    stocked.execute(f"GRANT SELECT, UPDATE ON payments TO {daemon}")
    stocked.execute("ALTER TABLE payments ENABLE ROW LEVEL SECURITY")
    stocked.execute("CREATE POLICY seen ON payments FOR SELECT USING (true)")
    table = bench(stocked, url=as_daemon(stocked.url))
    warnings = warnings_of(table.database, inspect(table.database, stocked.mapping, writes=True))
    assert any("Row security" in warning.what for warning in warnings)
    payment = table.store.load(["pi_1"]).payments[0]
    from reconciler.domain.model.page import RowWrite

    write = RowWrite(payment, "paid", "pi_1", Draft(Action.CORRECTION, {}))
    with pytest.raises(RowMovedError):
        table.write(PageRecord(writes=(write,)))


def test_a_report_needs_no_privilege_to_write(
    stocked, bench, role, make_finding, make_update, seen
):
    """In report mode SELECT on the merchant's table is enough: rows are read again without a lock."""
    daemon, as_daemon = role("daemon")
    migrate(stocked.url, daemon_role=daemon, auditor_role=None)
    stocked.execute(f"GRANT SELECT ON payments TO {daemon}")
    table = bench(stocked, url=as_daemon(stocked.url), writes=False)
    with table.store.transaction(table.epoch) as page:
        assert len(page.read_again(["pi_1"], [], lock=False).payments) == 1
        update: DiscrepancyUpdate = make_update(make_finding())
        page.write(PageRecord(updates=(update,), seen_at=seen))
    with (
        pytest.raises(DatabaseRefusedError, match="payments"),
        table.store.transaction(table.epoch) as page,
    ):
        page.read_again(["pi_1"], [], lock=True)


def test_the_daemons_role_is_enough_to_deliver(stocked, roles):
    """The grants of migrate are enough for every step of a delivery."""
    for number in (1, 2):
        stocked.execute(
            "INSERT INTO reconciler.outbox (account, payment_key, payment_intent, kind, to_status, outcome,"
            f" ledger_seq) VALUES ('default', '{number}', 'pi_1', 'correction', 'paid', 'succeeded', {number})"
        )
    with Database(roles[0]) as database:
        epoch = PostgresLeaseStore(database, "default").acquire("me", 60)
        outbox = PostgresOutbox(database, "default")
        first, second = outbox.claim(epoch, 60), outbox.claim(epoch, 60)
        outbox.failed(first, "the endpoint answered 500", 3600, given_up=False)
        assert outbox.claim(epoch, 60) is None
        assert outbox.try_now(3) == 1
        assert outbox.claim(epoch, 60).message == first.message
        outbox.delivered(second.message.number)
        assert PostgresStatus(database, "default").outbox()[:2] == (1, 0)


def test_the_workers_role_may_only_mark_rows_as_delivered(stocked, role):
    """--worker-role is enough for the documented worker's SELECT … FOR UPDATE and UPDATE, and for nothing else."""
    worker, as_worker = role("worker")
    migrate(stocked.url, daemon_role=None, auditor_role=None, worker_role=worker)
    url = as_worker(stocked.url)
    assert not refused(
        url,
        "SELECT account, id, kind FROM reconciler.outbox WHERE delivered_at IS NULL FOR UPDATE SKIP LOCKED",
    )
    assert not refused(url, "UPDATE reconciler.outbox SET delivered_at = now() WHERE id = 1")
    assert refused(url, "UPDATE reconciler.outbox SET to_status = 'x'")
    assert refused(url, "DELETE FROM reconciler.outbox")
    assert refused(url, "SELECT FROM reconciler.ledger")
