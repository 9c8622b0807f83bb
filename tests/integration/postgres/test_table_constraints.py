"""The database refuses impossible rows: half a lease, half a sweep, a verdict without a name."""

from __future__ import annotations

import psycopg
import pytest

from tests.some_quick import some_quick

DISCREPANCY = {
    "account": "'a'",
    "subject": "'pi_1'",
    "kind": "'missed_outcome'",
    "keys": "'{1}'",
    "severity": "'warning'",
    "state": "'open'",
    "stake_amount": "1",
    "currency": "'eur'",
    "local": "'{}'",
    "stripe": "'{}'",
    "evidence": "'{}'",
    "fingerprint": "repeat('0', 64)",
    "first_seen": "now()",
    "last_seen": "now()",
    "changed_at": "now()",
}
OUTBOX = {
    "account": "'a'",
    "payment_key": "'1'",
    "payment_intent": "'pi_1'",
    "kind": "'correction'",
    "to_status": "'paid'",
    "outcome": "'succeeded'",
    "ledger_seq": "1",
}
LEDGER = {
    "account": "'a'",
    "seq": "1",
    "at": "now()",
    "action": "'note'",
    "body": "'{}'",
    "prev": "repeat('0', 64)",
    "hash": "repeat('a', 64)",
}
SWEEP = {
    "account": "'a'",
    "kind": "'due'",
    "mode": "'report'",
    "applied": "false",
    "asked_by": "'me'",
}
LEASE = {"account": "'a'", "epoch": "1"}
REQUEST = {"account": "'a'", "asked_by": "'me'", "options": "'{}'"}
READS = {"account": "'a'", "hour": "date_trunc('hour', now())", "source": "'due'", "count": "1"}

WRONG = [
    ("discrepancies", DISCREPANCY, {"state": "'closed'"}),
    ("discrepancies", DISCREPANCY, {"closing": "'agreement'"}),
    ("discrepancies", DISCREPANCY, {"state": "'resolved'", "note": "'x'"}),
    ("discrepancies", DISCREPANCY, {"state": "'ignored'", "resolved_by": "'me'"}),
    ("discrepancies", DISCREPANCY, {"resolved_by": "'me'"}),
    ("discrepancies", DISCREPANCY, {"state": "'gone'"}),
    ("discrepancies", DISCREPANCY, {"stake_amount": "-1"}),
    ("discrepancies", DISCREPANCY, {"last_seen": "now() - interval '1 day'"}),
    ("discrepancies", DISCREPANCY, {"fingerprint": "'abc'"}),
    ("discrepancies", DISCREPANCY, {"local": "'[]'"}),
    ("discrepancies", DISCREPANCY, {"account": "''"}),
    ("outbox", OUTBOX, {"payment_intent": "NULL"}),
    ("outbox", OUTBOX, {"to_status": "NULL"}),
    ("outbox", OUTBOX, {"kind": "'other'"}),
    ("outbox", OUTBOX, {"attempts": "-1"}),
    ("outbox", OUTBOX, {"given_up_at": "now()", "attempts": "1"}),
    ("outbox", OUTBOX, {"given_up_at": "now()", "last_error": "'x'"}),
    ("outbox", OUTBOX, {"delivered_at": "now() - interval '1 day'"}),
    ("ledger", LEDGER, {"seq": "2"}),
    ("ledger", LEDGER, {"prev": "repeat('b', 64)"}),
    ("ledger", LEDGER, {"body": "'1'"}),
    ("ledger", LEDGER, {"hash": "'x'"}),
    ("ledger_heads", {"account": "'a'", "seq": "1", "hash": "repeat('a', 64)"}, {"seq": "0"}),
    ("leases", LEASE, {"holder": "'me'"}),
    ("leases", LEASE, {"expires_at": "now()"}),
    ("leases", LEASE, {"epoch": "0"}),
    ("sweeps", SWEEP, {"finished_at": "now()"}),
    ("sweeps", SWEEP, {"finished_at": "now()", "complete": "true"}),
    ("sweeps", SWEEP, {"finished_at": "now() - interval '1 day'", "complete": "true", "report": "'{}'"}),
    ("sweep_requests", REQUEST, {"status": "'done'"}),
    ("sweep_requests", REQUEST, {"status": "'refused'"}),
    ("sweep_requests", REQUEST, {"status": "'asked'", "sweep": "1"}),
    ("reads", READS, {"hour": "date_trunc('hour', now()) + interval '1 minute'"}),
    ("reads", READS, {"count": "-1"}),
    ("reads", READS, {"source": "'webhook'"}),
]  # fmt: skip


def insert(url: str, table: str, values: dict[str, str]) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            f"INSERT INTO reconciler.{table} ({', '.join(values)}) VALUES ({', '.join(values.values())})"
        )


@some_quick(("table", "whole", "change"), WRONG, quick=range(0, 35, 3))
def test_an_incomplete_row_is_refused(database, table, whole, change):
    """A row with one half of a fact and without the other is refused; the complete row is accepted."""
    with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.NotNullViolation)):
        insert(database, table, whole | change)
    insert(database, table, whole)


def test_a_discrepancy_is_stored_once(database):
    """Account, subject and kind are its identity."""
    insert(database, "discrepancies", DISCREPANCY)
    with pytest.raises(psycopg.errors.UniqueViolation):
        insert(database, "discrepancies", DISCREPANCY)
    insert(database, "discrepancies", DISCREPANCY | {"account": "'b'"})


def test_a_ledger_entry_has_one_outbox_row(database):
    """A correction goes into the outbox once."""
    insert(database, "outbox", OUTBOX)
    with pytest.raises(psycopg.errors.UniqueViolation):
        insert(database, "outbox", OUTBOX)
