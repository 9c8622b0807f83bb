"""One transaction for each page: it is written as a whole on the rows that were compared, or not at all."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from reconciler.domain.audit.ledger_entry import Action, Draft
from reconciler.domain.findings.discrepancy import Cause, Closing, Kind, Reason, Severity, State
from reconciler.domain.findings.lifecycle import DiscrepancyUpdate
from reconciler.domain.model.intent import Event
from reconciler.domain.model.page import PageRecord
from reconciler.domain.model.recheck import Recheck
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.money import Money
from reconciler.errors import DatabaseBusyError, DatabaseRefusedError, LeaseLostError, RowMovedError


@pytest.fixture
def stocked(shop):
    """Three pending payments."""
    made = shop()
    for n in (1, 2, 3):
        made.insert(key=n, payment_intent=f"pi_{n}", status="pending", order="A")
    return made


@contextmanager
def other(url: str, query: str):
    """Another session's transaction, open for the length of the block."""
    with psycopg.connect(url) as connection:
        connection.execute(query)
        yield connection
        connection.rollback()


def row_counts(table) -> dict[str, int]:
    """How many rows each of Reconciler's tables holds."""
    names = ("ledger", "discrepancies", "rechecks", "events", "outbox")
    return {name: table.all(f"SELECT count(*) FROM reconciler.{name}")[0][0] for name in names}


def full_record(payment, make_correction, make_update, make_finding, seen) -> PageRecord:
    return PageRecord(
        writes=(make_correction(payment),),
        updates=(make_update(make_finding(payment.payment_intent), state=State.CORRECTED),),
        rechecks=(Recheck("pi_9", seen, "an event is as new as what was fetched"),),
        events=(Event("evt_1", "payment_intent.succeeded", seen, "pi_1", delivered=True),),
        drafts=(Draft(Action.FINDING_OPENED, {"subject": payment.payment_intent}),),
        seen_at=seen,
        sweep=None,
    )


@pytest.fixture
def full(make_correction, make_update, make_finding, seen):
    """A record about a payment with something for every table."""
    return lambda payment: full_record(payment, make_correction, make_update, make_finding, seen)


def test_everything_of_a_page_is_written_together(stocked, bench, full):
    """Row, discrepancy, recheck, event, ledger entries and outbox row are stored with one COMMIT."""
    table = bench(stocked)
    with table.store.transaction(table.epoch) as page:
        payment = page.read_again(["pi_1"], ["1"], lock=True).payments[0]
        page.write(full(payment))
        assert row_counts(table) == dict.fromkeys(row_counts(table), 0)
    assert stocked.rows()["1"]["status"] == "paid"
    assert row_counts(table) == {
        "ledger": 2,
        "discrepancies": 1,
        "rechecks": 1,
        "events": 1,
        "outbox": 1,
    }


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_an_error_in_the_block_leaves_nothing(stocked, bench, full, failure):
    """After any error in the block nothing of the page is stored, and the row is unlocked."""
    table = bench(stocked)

    def fail_late() -> None:
        with table.store.transaction(table.epoch) as page:
            page.write(full(page.read_again(["pi_1"], ["1"], lock=True).payments[0]))
            raise failure

    with pytest.raises(failure):
        fail_late()
    assert row_counts(table) == dict.fromkeys(row_counts(table), 0)
    assert stocked.rows()["1"]["status"] == "pending"
    with table.store.transaction(table.epoch) as page:
        assert len(page.read_again(["pi_1"], [], lock=True).payments) == 1


def test_the_outbox_names_its_ledger_entry(stocked, bench, make_correction):
    """Each outbox row has both statuses, the outcome and the number of the entry that records its write."""
    table = bench(stocked)
    table.write(PageRecord(drafts=(Draft(Action.DAY_TOTALS, {}),)))
    with table.store.transaction(table.epoch) as page:
        rows = page.read_again(["pi_1", "pi_2"], [], lock=True).payments
        writes = tuple(make_correction(row, n=n) for n, row in enumerate(rows))
        revert = replace(writes[1], to_status="canceled", entry=Draft(Action.REVERT, {"n": 1}))
        page.write(PageRecord(writes=(writes[0], revert), drafts=(Draft(Action.DAY_TOTALS, {}),)))
    assert table.all(
        "SELECT o.payment_key, o.payment_intent, o.kind, o.from_status, o.to_status, o.outcome, l.action, l.body -> 'n'"
        " FROM reconciler.outbox o JOIN reconciler.ledger l ON (l.account, l.seq) = (o.account, o.ledger_seq) ORDER BY o.id"
    ) == [
        ("1", "pi_1", "correction", "pending", "paid", "succeeded", "correction", 0),
        ("2", "pi_2", "revert", "pending", "canceled", "canceled", "revert", 1),
    ]


def test_a_correction_notifies_the_merchants_worker(stocked, bench, full):
    """A page with corrections sends one NOTIFY reconciler_outbox with the account; a page without one sends none."""
    table = bench(stocked)
    with psycopg.connect(stocked.url, autocommit=True) as listener:
        listener.execute("LISTEN reconciler_outbox")
        table.write(PageRecord(drafts=(Draft(Action.DAY_TOTALS, {}),)))
        with table.store.transaction(table.epoch) as page:
            rows = page.read_again(["pi_1", "pi_2"], [], lock=True).payments
            record = full(rows[0])
            page.write(replace(record, writes=(*record.writes, *full(rows[1]).writes)))
        stocked.execute("NOTIFY reconciler_outbox, 'end'")
        notices = list(listener.notifies(timeout=10, stop_after=2))
    assert [note.payload for note in notices] == ["default", "end"]


def test_a_row_that_another_has_locked_is_skipped(stocked, bench):
    """read_again does not wait for the checkout: with lock it leaves out the locked row, without lock it has all."""
    table = bench(stocked)
    with other(stocked.url, "UPDATE payments SET status = 'paid' WHERE id = 2"):
        with table.store.transaction(table.epoch) as page:
            locked = page.read_again(["pi_1", "pi_2"], ["3"], lock=True)
            assert [row.key for row in locked.payments] == ["1", "3"]
        with table.store.transaction(table.epoch) as page:
            seen = page.read_again(["pi_1", "pi_2"], ["3"], lock=False)
            assert [row.status for row in seen.payments] == ["pending"] * 3


def test_read_again_sees_what_was_committed_since_the_load(stocked, bench):
    """A row that changed between load and lock comes as it is now; a deleted one does not come."""
    table = bench(stocked)
    assert len(table.store.load(["pi_1", "pi_2", "pi_3"]).payments) == 3
    stocked.execute("UPDATE payments SET status = 'paid' WHERE id = 1")
    stocked.execute("UPDATE payments SET stripe_payment_intent_id = 'pi_other' WHERE id = 2")
    stocked.execute("DELETE FROM payments WHERE id = 3")
    with table.store.transaction(table.epoch) as page:
        again = page.read_again(["pi_1", "pi_2", "pi_3"], ["1", "2", "3"], lock=True)
    assert [(row.key, row.payment_intent, row.status) for row in again.payments] == [
        ("1", "pi_1", "paid"),
        ("2", "pi_other", "pending"),
    ]


def test_a_locked_row_can_be_referred_to(stocked, bench):
    """A shipment that refers to a locked row can be inserted: FOR NO KEY UPDATE does not block foreign keys."""
    stocked.execute("CREATE TABLE shipments (payment bigint REFERENCES payments (id))")
    table = bench(stocked)
    with table.store.transaction(table.epoch) as page:
        page.read_again(["pi_1"], [], lock=True)
        stocked.execute("SET lock_timeout TO '1s'; INSERT INTO shipments VALUES (1)")


def trigger(body: str) -> str:
    """The statements for a merchant's trigger on the first row."""
    return (
        f"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {body} END';"
        "CREATE TRIGGER t BEFORE UPDATE ON payments FOR EACH ROW WHEN (OLD.id = 1) EXECUTE FUNCTION f()"
    )


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE payments SET status = 'canceled' WHERE id = 1",
        "UPDATE payments SET stripe_payment_intent_id = 'pi_other' WHERE id = 1",
        "UPDATE payments SET stripe_payment_intent_id = NULL WHERE id = 1",
        "UPDATE payments SET amount = 1251 WHERE id = 1",
        "UPDATE payments SET amount = NULL WHERE id = 1",
        "UPDATE payments SET currency = 'EUR' WHERE id = 1",
        "UPDATE payments SET id = 11 WHERE id = 1",
        "DELETE FROM payments WHERE id = 1",
        trigger("RETURN NULL;"),
        trigger("NEW.status = ''processing''; RETURN NEW;"),
    ],
)
def test_a_row_that_is_no_longer_as_compared_is_not_written(stocked, bench, full, change):
    """If the row differs from the one compared, or a trigger vetoes it, it has moved and nothing is written."""
    table = bench(stocked)
    loaded = {row.key: row for row in table.store.load(["pi_1", "pi_2"]).payments}
    stocked.execute(change)
    record = full(loaded["1"])
    both = replace(record, writes=(*record.writes, *full(loaded["2"]).writes))
    with pytest.raises(RowMovedError) as caught:
        table.write(both)
    assert caught.value.keys == {"1"}
    assert row_counts(table) == dict.fromkeys(row_counts(table), 0)
    assert stocked.rows()["2"]["status"] == "pending"


def test_a_key_that_two_rows_have_is_not_written(shop, bench, make_correction):
    """If two rows have the key, both stay as they are."""
    made = shop(columns={"key": ("id", "bigint")})
    for _ in range(2):
        made.insert(key=1, payment_intent="pi_1", status="pending")
    table = bench(made)
    payment = table.store.load(["pi_1"]).payments[0]
    with pytest.raises(RowMovedError) as caught:
        table.write(PageRecord(writes=(make_correction(payment),)))
    assert caught.value.keys == {"1"}
    assert table.store.count_open(TimeRange()) == 2


def test_a_refused_row_is_named_and_nothing_is_stored(stocked, bench, full):
    """The result has the constraint or the trigger's function and the first line. DETAIL quotes rows, so it is left out."""
    stocked.execute(
        trigger("RAISE EXCEPTION ''not after closing'' USING DETAIL = ''jane@example.com'';")
    )
    stocked.execute(
        "ALTER TABLE payments ADD CONSTRAINT two_open CHECK (id <> 2 OR status <> 'paid')"
    )
    table = bench(stocked)
    with table.store.transaction(table.epoch) as page:
        rows = page.read_again(["pi_1", "pi_2", "pi_3"], [], lock=True).payments
        writes = tuple(write for row in rows for write in full(row).writes)
        result = page.write(PageRecord(writes=writes))
    refused = {key: (one.reason, one.constraint) for key, one in result.refused.items()}
    assert refused == {
        "1": (Reason.REFUSED_BY_TABLE, "f"),
        "2": (Reason.REFUSED_BY_TABLE, "two_open"),
    }
    assert result.refused["1"].message == "not after closing"
    assert "jane" not in str(result)
    assert row_counts(table) == dict.fromkeys(row_counts(table), 0)
    assert {row["status"] for row in stocked.rows().values()} == {"pending"}


def test_a_late_holder_of_the_intent_is_no_refusal(stocked, bench, make_correction):
    """A row that would be pointed at an intent which another row has taken by now waits: the table refused nothing."""
    table = bench(stocked)
    (payment,) = table.store.load(["pi_1"]).payments
    stocked.execute("UPDATE payments SET stripe_payment_intent_id = 'pi_new' WHERE id = 2")
    with table.store.transaction(table.epoch) as page:
        page.read_again(["pi_1"], [payment.key], lock=True)
        with pytest.raises(RowMovedError) as moved:
            page.write(PageRecord(writes=(make_correction(payment, intent="pi_new"),)))
        assert moved.value.keys == {payment.key}
    assert {row["status"] for row in stocked.rows().values()} == {"pending"}


def test_the_other_rows_are_written_in_the_same_transaction(stocked, bench, full):
    """After a refusal the caller writes a record without the refused row, while the rows stay locked."""
    stocked.execute(trigger("NEW.status = ''processing''; RETURN NEW;"))
    table = bench(stocked)
    with table.store.transaction(table.epoch) as page:
        rows = page.read_again(["pi_1", "pi_2"], [], lock=True).payments
        writes = tuple(write for row in rows for write in full(row).writes)
        result = page.write(PageRecord(writes=writes))
        assert {key: one.reason for key, one in result.refused.items()} == {
            "1": Reason.NOT_KEPT_BY_TABLE
        }
        assert page.write(replace(full(rows[1]), writes=writes[1:])).refused == {}
    assert [stocked.rows()[key]["status"] for key in "12"] == ["pending", "paid"]
    assert row_counts(table)["outbox"] == 1


def test_rows_that_are_refused_only_together_are_written(stocked, bench, full):
    """A rule that refuses the UPDATE of several rows at once, and no row alone, refuses nothing."""
    stocked.execute(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN"
        " IF (SELECT count(*) FROM n) > 1 THEN RAISE EXCEPTION ''one row at a time''; END IF; RETURN NULL; END';"
        "CREATE TRIGGER t AFTER UPDATE ON payments REFERENCING NEW TABLE AS n"
        " FOR EACH STATEMENT EXECUTE FUNCTION f()"
    )
    table = bench(stocked)
    with table.store.transaction(table.epoch) as page:
        rows = page.read_again(["pi_1", "pi_2"], [], lock=True).payments
        writes = tuple(write for row in rows for write in full(row).writes)
        assert page.write(replace(full(rows[0]), writes=writes)).refused == {}
    assert [stocked.rows()[key]["status"] for key in "12"] == ["paid", "paid"]
    assert row_counts(table)["outbox"] == 2


def test_busy_rows_have_moved(stocked, bench, full):
    """A trigger that meets a lock is busy and not a refusal. After three busy rows the others are not tried."""
    stocked.execute(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN RAISE EXCEPTION ''busy'' USING ERRCODE = ''55P03''; END';"
        "CREATE TRIGGER t BEFORE UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION f()"
    )
    for n in range(4, 9):
        stocked.insert(key=n, payment_intent=f"pi_{n}", status="pending")
    table = bench(stocked)
    with table.store.transaction(table.epoch) as page:
        rows = page.read_again([f"pi_{n}" for n in range(1, 9)], [], lock=True).payments
        writes = tuple(write for row in rows for write in full(row).writes)
        with pytest.raises(RowMovedError) as caught:
            page.write(PageRecord(writes=writes))
    assert caught.value.keys == frozenset("12345678")


def test_a_missing_privilege_on_the_column_is_no_refusal_of_a_row(stocked, bench, full, role):
    """Without UPDATE on the table every write would fail: that ends the sweep, and concerns no single row."""
    name, as_role = role("reader")
    stocked.execute(
        f"GRANT USAGE ON SCHEMA public TO {name}; GRANT SELECT ON payments TO {name};"
        f"GRANT USAGE ON SCHEMA reconciler TO {name};"
        f"GRANT ALL ON ALL TABLES IN SCHEMA reconciler TO {name};"
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA reconciler TO {name}"
    )
    table = bench(stocked, url=as_role(stocked.url), writes=False)
    payment = table.store.load(["pi_1"]).payments[0]
    with pytest.raises(DatabaseRefusedError, match="permission denied"):
        table.write(full(payment))
    assert row_counts(bench(stocked))["ledger"] == 0


@pytest.mark.parametrize("loss", ["taken", "expired", "released", "other epoch"])
def test_a_lost_lease_writes_nothing(stocked, bench, full, loss):
    """With another epoch, or a lease that has expired by the database's clock, nothing of the page is written."""
    table = bench(stocked)
    epoch = table.epoch
    expire = "UPDATE reconciler.leases SET expires_at = clock_timestamp() - interval '1 second'"
    if loss in {"taken", "expired"}:
        stocked.execute(expire)
    if loss == "taken":
        assert table.leases.acquire("another", 60) == epoch + 1
    if loss == "released":
        table.leases.release("bench", epoch)
    if loss == "other epoch":
        epoch += 1
    with pytest.raises(LeaseLostError), table.store.transaction(epoch) as page:
        page.write(full(page.read_again(["pi_1"], [], lock=True).payments[0]))
    assert row_counts(table) == dict.fromkeys(row_counts(table), 0)
    assert stocked.rows()["1"]["status"] == "pending"


def test_a_takeover_waits_for_the_page_that_is_being_written(stocked, bench, full):
    """While the page's transaction has locked the lease, no other process can take the lease."""
    table = bench(stocked)
    with table.store.transaction(table.epoch) as page:
        page.write(full(page.read_again(["pi_1"], [], lock=True).payments[0]))
        with pytest.raises(DatabaseBusyError):
            table.leases.acquire("another", 60)
    assert table.leases.acquire("another", 60) is None


def test_a_lock_that_is_not_free_is_busy(stocked, bench, full):
    """If a migration has locked the table, or another writer the head, the page fails as busy after a second."""
    table = bench(stocked)
    payment = table.store.load(["pi_1"]).payments[0]
    with (
        other(stocked.url, "LOCK TABLE payments IN ACCESS EXCLUSIVE MODE"),
        pytest.raises(DatabaseBusyError, match="lock_timeout"),
        table.store.transaction(table.epoch) as page,
    ):
        page.read_again(["pi_1"], [], lock=True)
    table.write(PageRecord(drafts=(Draft(Action.DAY_TOTALS, {}),)))
    with (
        other(stocked.url, "SELECT * FROM reconciler.ledger_heads FOR UPDATE"),
        pytest.raises(DatabaseBusyError),
    ):
        table.write(full(payment))
    assert row_counts(table)["ledger"] == 1


def test_a_page_has_its_own_timeouts(stocked, bench):
    """In a page's transaction, READ COMMITTED, lock_timeout is 1 s and statement_timeout 10 s; elsewhere 5 s and 60 s."""
    stocked.execute(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation TO serializable', current_database()); END $$"
    )
    table = bench(stocked)
    ask = "SELECT current_setting('lock_timeout'), current_setting('statement_timeout'), current_setting('transaction_isolation')"
    with table.store.transaction(table.epoch) as page:
        page.read_again(["pi_1"], [], lock=True)
        inside = page._connection.execute(ask).fetchone()
    with table.database.connection("asking") as connection:
        outside = connection.execute(ask).fetchone()
    assert inside == ("1s", "10s", "read committed")
    assert outside == ("5s", "1min", "serializable")


def test_what_a_person_decides_meanwhile_is_not_overwritten(
    stocked, bench, make_update, make_finding, seen
):
    """Between reading a discrepancy again and writing it no other session changes it: the person waits."""
    table = bench(stocked)
    table.write(PageRecord(updates=(make_update(make_finding()),), seen_at=seen))
    with table.store.transaction(table.epoch) as page:
        page.read_again(["pi_1"], [], lock=False)
        with psycopg.connect(stocked.url) as person:
            person.execute("SET lock_timeout TO '50ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                person.execute("UPDATE reconciler.discrepancies SET severity = 'info'")


def stored(table):
    """The only discrepancy, as a dictionary."""
    names = (
        "id", "state", "severity", "reason", "cause", "closing", "note", "resolved_by", "stake_amount",
        "fingerprint", "first_seen", "last_seen", "changed_at", "keys", "evidence", "sweep",
    )  # fmt: skip
    [row] = table.all(f"SELECT {', '.join(names)} FROM reconciler.discrepancies")
    return dict(zip(names, row, strict=True))


def test_the_life_of_a_discrepancy(stocked, bench, make_finding, make_update, seen):
    """Opened, seen again, changed, closed and reopened: one row with one id and one first_seen."""
    table = bench(stocked)
    hour = timedelta(hours=1)

    def write(update: DiscrepancyUpdate, when, sweep=None):
        table.write(PageRecord(updates=(update,), seen_at=when, sweep=sweep))
        return stored(table)

    found = make_finding(reason=Reason.REPORT_MODE, evidence={"seen_at": seen, "n": 1})
    first = write(make_update(found), seen, sweep=7)
    assert (first["state"], first["reason"], first["sweep"]) == ("open", "report_mode", 7)
    assert first["first_seen"] == first["last_seen"] == first["changed_at"] == seen
    assert first["evidence"] == {"seen_at": "2026-11-02T12:00:00.000000Z", "n": 1}
    number = first["id"]

    again = write(replace(make_update(found, number), is_news=False), seen + hour, sweep=8)
    assert (again["first_seen"], again["last_seen"], again["changed_at"]) == (
        seen,
        seen + hour,
        seen,
    )
    assert again["sweep"] == 8

    changed = make_finding(
        severity=Severity.CRITICAL,
        stake=Money(99, "eur"),
        stripe={"status": "canceled"},
        cause=Cause.UNDELIVERED,
        keys=("1", "2"),
    )
    after = write(make_update(changed, number), seen + 2 * hour)
    assert (after["severity"], after["stake_amount"], after["reason"]) == ("critical", 99, None)
    assert (after["cause"], after["keys"], after["changed_at"]) == (
        "undelivered",
        ["1", "2"],
        seen + 2 * hour,
    )
    assert after["fingerprint"] == changed.fingerprint != first["fingerprint"]

    gone = DiscrepancyUpdate(
        number, "pi_1", Kind.MISSED_OUTCOME, State.CLOSED, None, True, Closing.AGREEMENT
    )
    closed = write(gone, seen + 3 * hour)
    assert (closed["state"], closed["closing"]) == ("closed", "agreement")
    assert (closed["last_seen"], closed["changed_at"]) == (seen + 2 * hour, seen + 3 * hour)

    reopened = write(make_update(changed, number), seen + 4 * hour)
    assert (reopened["state"], reopened["closing"], reopened["id"]) == ("open", None, number)
    assert (reopened["first_seen"], reopened["last_seen"]) == (seen, seen + 4 * hour)


def test_a_persons_verdict_stays_until_the_state_changes(
    stocked, bench, make_finding, make_update, seen
):
    """Name and note of a resolved discrepancy stay while the state stays, and are deleted when it reopens."""
    table = bench(stocked)
    found = make_finding()
    table.write(PageRecord(updates=(make_update(found),), seen_at=seen))
    number = stored(table)["id"]
    settled = DiscrepancyUpdate(
        number, "pi_1", found.kind, State.RESOLVED, None, True, by="jo", note="paid by cash"
    )
    table.write(PageRecord(updates=(settled,), seen_at=seen))
    kept = DiscrepancyUpdate(number, "pi_1", found.kind, State.RESOLVED, found, is_news=False)
    table.write(PageRecord(updates=(kept,), seen_at=seen + timedelta(hours=1)))
    row = stored(table)
    assert (row["state"], row["note"], row["resolved_by"]) == ("resolved", "paid by cash", "jo")
    assert (row["last_seen"], row["changed_at"]) == (seen + timedelta(hours=1), seen)
    table.write(PageRecord(updates=(make_update(found, number),), seen_at=seen))
    row = stored(table)
    assert (row["state"], row["note"], row["resolved_by"]) == ("open", None, None)


@pytest.mark.parametrize("verdict", [State.RESOLVED, State.IGNORED])
@pytest.mark.parametrize("fingerprint", ["the same", "another"])
def test_a_finding_that_is_new_to_its_sweep_leaves_a_persons_verdict(
    stocked, bench, make_finding, make_update, seen, verdict, fingerprint
):
    """A sweep that read before the discrepancy was stored does not reopen it; if it differs, the next sweep sees that."""
    table = bench(stocked)
    found = make_finding()
    table.write(PageRecord(updates=(make_update(found),), seen_at=seen))
    settled = DiscrepancyUpdate(
        stored(table)["id"], "pi_1", found.kind, verdict, None, True, by="jo", note="paid by cash"
    )
    table.write(PageRecord(updates=(settled,), seen_at=seen))
    before = stored(table)
    met = found if fingerprint == "the same" else make_finding(stripe={"status": "canceled"})
    table.write(PageRecord(updates=(make_update(met),), seen_at=seen + timedelta(hours=1)))
    assert stored(table) == before


def test_the_same_finding_from_two_sides_is_one(stocked, bench, make_finding, make_update, seen):
    """A duplicate payment that both intents of a page report, or that is stored already, is one discrepancy."""
    table = bench(stocked)
    found = make_finding(kind=Kind.DUPLICATE_PAYMENT)
    worse = make_finding(kind=Kind.DUPLICATE_PAYMENT, severity=Severity.CRITICAL)
    table.write(PageRecord(updates=(make_update(found), make_update(worse)), seen_at=seen))
    assert stored(table)["severity"] == "critical"
    table.write(PageRecord(updates=(make_update(found),), seen_at=seen))
    assert stored(table)["severity"] == "warning"


def test_a_negative_amount_is_stored_without_its_sign(
    stocked, bench, make_finding, make_update, seen
):
    """The page of a merchant's row with a negative amount is recorded."""
    table = bench(stocked)
    table.write(
        PageRecord(updates=(make_update(make_finding(stake=Money(-500, "eur"))),), seen_at=seen)
    )
    assert stored(table)["stake_amount"] == 500


def test_rechecks_are_stored_and_deleted(stocked, bench, seen):
    """A Wait stores a recheck, a later one moves it, a verdict deletes it; due ones come the longest overdue first."""
    table = bench(stocked)
    later = seen + timedelta(minutes=5)
    table.write(
        PageRecord(
            rechecks=(
                Recheck("pi_1", later, "grace"),
                Recheck("pi_2", seen, "grace"),
                Recheck("pi_3", seen, "x"),
            )
        )
    )
    table.write(
        PageRecord(
            rechecks=(
                Recheck("pi_2", later + timedelta(hours=1), "again"),
                Recheck("pi_4", seen, "new"),
            ),
            settled=("pi_3", "pi_4"),
        )
    )
    assert table.store.due_rechecks(later, 10) == ("pi_4", "pi_1")
    assert table.store.due_rechecks(later, 1) == ("pi_4",)
    assert table.store.due_rechecks(seen - timedelta(seconds=1), 10) == ()
    waiting = table.store.load(["pi_1", "pi_2", "pi_3"]).waiting
    assert {recheck.payment_intent for recheck in waiting} == {"pi_1", "pi_2"}


def test_events_are_stored_once(stocked, bench, seen):
    """An event seen twice is stored once; it can become delivered, and never undelivered again."""
    table = bench(stocked)
    event = Event("evt_1", "payment_intent.succeeded", seen, "pi_1")
    orphan = Event("evt_2", "charge.succeeded", seen, None, delivered=True)
    table.write(PageRecord(events=(event, orphan, event)))
    table.write(
        PageRecord(events=(replace(event, delivered=True), replace(orphan, delivered=False)))
    )
    assert table.store.load(["pi_1"]).events == (replace(event, delivered=True),)
    assert table.all("SELECT delivered FROM reconciler.events WHERE id = 'evt_2'") == [(True,)]


def test_stored_discrepancies_come_with_a_page(stocked, bench, make_finding, make_update, seen):
    """load and read_again bring the stored discrepancies of the page's intents, in any state, and no others."""
    table = bench(stocked)
    kinds = (Kind.MISSED_OUTCOME, Kind.OVERDUE)
    table.write(
        PageRecord(
            updates=(
                *(
                    make_update(make_finding("pi_1", kind, reason=Reason.HOURLY_LIMIT))
                    for kind in kinds
                ),
                make_update(make_finding("pi_2")),
            ),
            seen_at=seen,
        )
    )
    known = table.store.load(["pi_1", "nul\x00"]).known
    assert {(item.subject, item.kind, item.state, item.reason) for item in known} == {
        ("pi_1", kind, State.OPEN, Reason.HOURLY_LIMIT) for kind in kinds
    }
    with table.store.transaction(table.epoch) as page:
        assert set(page.read_again(["pi_1"], [], lock=False).known) == set(known)


def test_a_large_page(shop, bench, make_correction, make_update, make_finding, seen):
    """100 corrections with their discrepancies, ledger entries and outbox rows are one page."""
    made = shop()
    made.execute(
        "INSERT INTO payments (id, status, amount, currency, stripe_payment_intent_id) SELECT n, 'pending', 5, 'eur', 'pi_' || n FROM generate_series(1, 100) n"
    )
    table = bench(made)
    with table.store.transaction(table.epoch) as page:
        rows = page.read_again([f"pi_{n}" for n in range(1, 101)], [], lock=True).payments
        page.write(
            PageRecord(
                writes=tuple(make_correction(row) for row in rows),
                updates=tuple(
                    make_update(make_finding(row.payment_intent), state=State.CORRECTED)
                    for row in rows
                ),
                seen_at=seen,
            )
        )
    assert row_counts(table) == {
        "ledger": 100,
        "discrepancies": 100,
        "rechecks": 0,
        "events": 0,
        "outbox": 100,
    }
    assert table.store.corrections_by_service(3600) == 100
