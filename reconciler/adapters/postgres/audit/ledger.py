"""The ledger: appending to it, and reading it to export and to verify it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain as chained
from itertools import islice
from typing import Final, NamedTuple

from reconciler.adapters.postgres.audit.quick_json import quick_hash
from reconciler.adapters.postgres.audit.record_faults import record_faults
from reconciler.adapters.postgres.database import Connection, Database
from reconciler.adapters.postgres.read_ahead import reading_ahead
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.audit.hash_chain import canonical_json
from reconciler.domain.audit.ledger_entry import Draft, Entry
from reconciler.domain.audit.read_entry import (
    UnreadableEntryError,
    are_readable,
    ensure_readable,
    read_entry,
)
from reconciler.domain.audit.record_faults import RecordFault
from reconciler.masking import map_texts, may_hold_secret, storable

_SQL: Final = STATEMENTS["audit"]

ENTRIES_AT_ONCE: Final = 200
"""Two such parts are in memory. The server works ahead only as far as a socket holds what it sends, some 200 kB."""
MOST_BYTES_AT_ONCE: Final = 16 * 1024
"""A larger body is read by itself, so that the entries in memory are at most 32 MB."""
_LOOKED_AT_TOGETHER: Final = 50
"""A search of so much text is done in the processor's nearest memory."""
MOST_BYTES: Final = 16 * 1024 * 1024
"""No entry of Reconciler's comes near this size, so a larger body is not read at all."""


def stored_json(value: object) -> str:
    """The canonical JSON of a value, without secrets. Raises TypeError for a value that has no canonical form."""
    return stored_jsons((value,))[0]


def stored_jsons(values: Iterable[object]) -> list[str]:
    """The canonical JSON of each value, as ``stored_json`` makes it."""
    texts = []
    for value in values:
        text = canonical_json(value)
        # a secret is rare, and to search each value for one is slow
        texts.append(canonical_json(map_texts(value, storable)) if may_hold_secret(text) else text)
    return texts


def append(
    connection: Connection, account: str, epoch: int | None, drafts: Sequence[Draft]
) -> None:
    """Add entries to an account's chain, in order; its head stays locked until the transaction ends.

    ``epoch`` is that of the account's lease; None is for a person's verdict, which needs no lease. The database numbers,
    stamps and hashes them in the same statement. A secret in a body is masked. Raises TypeError for a body that has no
    canonical form.
    """
    if not drafts:
        return
    parameters = {
        "account": account,
        "epoch": epoch,
        "actions": [draft.action.value for draft in drafts],
        "bodies": stored_jsons([draft.body for draft in drafts]),
    }
    connection.execute(_SQL["ledger_append"], parameters)


class StoredEntry(NamedTuple):
    """An entry as text. ``at`` is in UTC without a zone; ``body`` is JSON as PostgreSQL writes it."""

    account: str
    seq: int
    at: str
    action: str
    body: str
    prev: str
    hash: str
    role: str | None


@dataclass(frozen=True, slots=True)
class LedgerChain:
    """One account's chain. ``head`` is (seq, hash), or None if there is none; ``entries`` come in order and once.

    Reading an entry raises UnreadableEntryError if it holds what no program wrote. ``record_faults`` are the records
    that do not agree with the ledger; they are searched for when the first is taken. ``rows`` are the same entries as
    they are stored, for an export, and raise the same; take the one or the other. ``quick_hash`` is for ``first_break``.
    """

    account: str
    head: tuple[int, str] | None
    entries: Iterator[Entry]
    record_faults: Iterator[RecordFault]
    rows: Iterator[StoredEntry]
    quick_hash: Callable[[Entry], str | None] = quick_hash


class PostgresLedger:
    """The ledger of all accounts, for reading."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accounts(self) -> tuple[str, ...]:
        """The accounts that have a chain, or a part of one."""
        with self._database.connection("reading the ledger") as connection:
            rows = connection.execute(_SQL["ledger_accounts"]).fetchall()
        return tuple(row[0] for row in rows)

    @contextmanager
    def chain(self, account: str) -> Iterator[LedgerChain]:
        """A chain with its head, both of one moment: an entry appended meanwhile must not look like a break.

        The entries come from a cursor on the server, so that memory stays small. Read them inside the block.
        """
        parameters: dict[str, object] = {"account": account}
        with self._database.snapshot("reading the ledger") as connection:
            found = connection.execute(_SQL["ledger_head"], parameters).fetchone()
            head = None if found is None else (int(found[0]), str(found[1]))
            parameters["most"] = MOST_BYTES_AT_ONCE
            with reading_ahead(
                connection, _SQL["ledger_entries"], parameters, ENTRIES_AT_ONCE
            ) as rows:
                yield LedgerChain(
                    account=account,
                    head=head,
                    entries=_entries(connection, rows),
                    record_faults=record_faults(connection, account),
                    rows=_stored(connection, rows),
                )


Row = tuple[str, int, str, str, str | None, str, str, str | None]


def _entries(connection: Connection, rows: Iterable[Row]) -> Iterator[Entry]:
    for account, seq, at, action, small_body, prev, digest, role in rows:
        body = _large_body(connection, account, seq) if small_body is None else small_body
        yield read_entry(account, seq, at, action, body, prev, digest, role)


def _stored(connection: Connection, rows: Iterator[Row]) -> Iterator[StoredEntry]:
    # a generator of entries would take longer
    return chained.from_iterable(_stored_parts(connection, rows))


def _stored_parts(connection: Connection, rows: Iterator[Row]) -> Iterator[Iterator[StoredEntry]]:
    while part := list(islice(rows, _LOOKED_AT_TOGETHER)):
        bodies = [row[4] for row in part]
        small = [body for body in bodies if body is not None]
        # to look at each body alone takes longer than to write it
        if len(small) == len(bodies) and are_readable(small):
            yield map(StoredEntry._make, part)
        else:
            yield (_readable(connection, row) for row in part)


def _readable(connection: Connection, row: Row) -> StoredEntry:
    body = row[4] if row[4] is not None else _large_body(connection, row[0], row[1])
    if body is None:
        raise UnreadableEntryError(row[1], "the entry is too large to be read")
    ensure_readable(row[1], body)
    return StoredEntry(*row[:4], body, *row[5:])


def _large_body(connection: Connection, account: str, seq: int) -> str | None:
    parameters = {"account": account, "seq": seq, "most": MOST_BYTES}
    found = connection.execute(_SQL["ledger_body"], parameters).fetchone()
    return None if found is None else found[0]
