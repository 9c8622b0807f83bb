"""Reads what is stored besides the ledger, and gives what does not agree with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from reconciler.adapters.postgres.database import Connection
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.audit.record_faults import DiscrepancyBesideLedger, RecordFault, RecordKind

_SQL: Final = STATEMENTS["audit"]
_ROWS_AT_ONCE: Final = 500
_MOST_BYTES: Final = 64 * 1024
"""A larger entry without a fingerprint is not read, so that the rows in memory are at most 32 MB."""


def record_faults(connection: Connection, account: str) -> Iterator[RecordFault]:
    """Every record of an account that does not agree with its ledger. The connection is in a transaction.

    Only what a chain without a break says counts, so verify the chain first.
    """
    yield from _discrepancies(connection, account)
    yield from _notes(connection, account)
    for number, seq in connection.execute(_SQL["outbox_beside_ledger"], {"account": account}):
        what = f"this outbox row announces a write that entry {seq} of the ledger does not record"
        yield RecordFault(RecordKind.OUTBOX, number, what)


def _discrepancies(connection: Connection, account: str) -> Iterator[RecordFault]:
    parameters = {"account": account, "most": _MOST_BYTES}
    # every discrepancy is read, so they come from a cursor on the server
    with connection.cursor("discrepancies_beside_ledger") as rows:
        rows.itersize = _ROWS_AT_ONCE
        rows.execute(_SQL["discrepancies_beside_ledger"], parameters)
        for row in rows:
            fault = DiscrepancyBesideLedger(*row).fault()
            if fault is not None:
                yield fault
    for seq, kind, subject in connection.execute(_SQL["discrepancies_missing"], parameters):
        what = (
            f"entry {seq} of the ledger names the discrepancy {kind} of {subject}, but the table of "
            "discrepancies does not have it"
        )
        yield RecordFault(RecordKind.DISCREPANCY, None, what)


def _notes(connection: Connection, account: str) -> Iterator[RecordFault]:
    parameters = {"account": account}
    for number, has_entry in connection.execute(_SQL["notes_beside_ledger"], parameters):
        what = (
            "the note differs from the one that the ledger recorded"
            if has_entry
            else "the ledger has no entry about this note"
        )
        yield RecordFault(RecordKind.NOTE, number, what)
    for seq, discrepancy in connection.execute(_SQL["notes_missing"], parameters):
        what = (
            f"entry {seq} of the ledger names a note about discrepancy {discrepancy}, but the table "
            "of notes does not have it"
        )
        yield RecordFault(RecordKind.NOTE, None, what)
