"""Writes the ledger into an export: a million entries in less than half a minute, so an entry is not parsed without need."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import TYPE_CHECKING, Final, TextIO

from reconciler.adapters.postgres.audit.ledger import LedgerChain, StoredEntry
from reconciler.adapters.postgres.audit.quick_json import canonical_text
from reconciler.domain.audit.hash_chain import RECIPE, canonical_json
from reconciler.domain.audit.read_entry import UnreadableEntryError, read_object
from reconciler.entrypoints.cli.output import UTF8_MARK
from reconciler.entrypoints.shown_text import csv_cells
from reconciler.errors import BrokenLedgerError
from reconciler.masking import map_texts, may_hold_secret, redact, visible_json

if TYPE_CHECKING:
    from reconciler.wiring.audit import Audit

ENTRY_NAMES: Final = ("account", "seq", "at", "action", "body", "prev", "hash", "v", "role")
HEAD_NAMES: Final = ("account", "seq", "hash")


class LedgerExport:
    """Reads the ledgers of some accounts once. ``heads`` is complete after every entry was read."""

    def __init__(self, audit: Audit, accounts: Sequence[str]) -> None:
        self._audit = audit
        self._accounts = accounts
        self.heads: list[Mapping[str, object]] = []

    def entries(self) -> Iterator[StoredEntry]:
        """Every entry, account by account. Each account's entries and its head are of one moment.

        Raises BrokenLedgerError for an entry that no program wrote.
        """
        for name in self._accounts:
            with self._audit.ledger.chain(name) as chain:
                if chain.head is not None:
                    seq, digest = chain.head
                    self.heads.append({"account": name, "seq": seq, "hash": digest})
                yield from exportable(chain)


def exportable(chain: LedgerChain) -> Iterator[StoredEntry]:
    """The entries of a chain as they are stored. Raises BrokenLedgerError for an entry that no program wrote."""
    try:
        yield from chain.rows
    except UnreadableEntryError as error:
        raise _cannot_export(chain.account, error.seq, error.what) from None


def entry_line(entry: StoredEntry, *, ascii_only: bool) -> str:
    """The line of an entry in jsonl. ``body`` is an object; the hash is made of its canonical JSON.

    An entry of the first recipe has neither ``v`` nor ``role``, so that the fields are always those that were hashed.
    Raises BrokenLedgerError for an entry that no program wrote.
    """
    text = encode_basestring_ascii if ascii_only else encode_basestring
    account, action, role, is_clean = _quoted_names(entry.account, entry.action, entry.role, text)
    line = (
        f'{{"type": "ledger", "account": {account}, "seq": {entry.seq}, "at": "{_time(entry)}", "action": {action},'
        f' "body": {entry.body}, "prev": {text(entry.prev)}, "hash": {text(entry.hash)}{role}}}\n'
    )
    is_ascii = line.isascii()
    # no secret has letters and digits alone
    is_clean = is_clean and entry.prev.isalnum() and entry.hash.isalnum()
    if not is_clean or may_hold_secret(entry.body) or (ascii_only and not is_ascii):
        # rare, so that it may be slow
        fields = map_texts(_parsed(entry, line), redact)
        line = json.dumps(fields, ensure_ascii=ascii_only) + "\n"
    return line if is_ascii and "\x7f" not in line else f"{visible_json(line[:-1])}\n"


@lru_cache(maxsize=256)
def _quoted_names(
    account: str, action: str, role: str | None, text: Callable[[str], str]
) -> tuple[str, str, str, bool]:
    """Account and action as JSON, the fields of the second recipe, and whether none of them can hold a secret."""
    fields = "" if role is None else f', "v": {RECIPE}, "role": {text(role)}'
    names = text(account), text(action), fields
    return *names, not any(map(may_hold_secret, names))


def write_entries_csv(entries: Iterable[StoredEntry], out: TextIO, *, excel: bool = False) -> int:
    """Write entries as CSV with a header, and return how many. The cell of the body can be hashed: it is canonical.

    ``excel`` is as ``output.write_csv`` has it.
    """
    delimiter = ";" if excel else ","
    if excel:
        out.write(UTF8_MARK)
    out.write(f"{delimiter.join(ENTRY_NAMES)}\n")
    count = 0
    for entry in entries:
        account, action, role = _names(entry.account, entry.action, entry.role, delimiter)
        version = "" if entry.role is None else RECIPE
        # csv.writer looks at each letter, which takes longer than all the rest
        body = _body(entry).replace('"', '""')
        cells = (
            account, str(entry.seq), _time(entry), action, f'"{body}"', _hex(entry.prev, delimiter),
            _hex(entry.hash, delimiter), str(version), role,
        )  # fmt: skip
        out.write(f"{delimiter.join(cells)}\n")
        count += 1
    return count


def _time(entry: StoredEntry) -> str:
    """The time of an entry as its hash has it."""
    try:
        return _rfc3339(entry.at)
    except ValueError:
        raise _cannot_export(entry.account, entry.seq, "the entry's time cannot be read") from None


# the entries of one transaction have one time
@lru_cache(maxsize=16)
def _rfc3339(at: str) -> str:
    return f"{datetime.fromisoformat(at).isoformat(timespec='microseconds')}Z"


def _body(entry: StoredEntry) -> str:
    """The canonical text of a body, so that an auditor can hash the cell.

    A character that could control a terminal is escaped: then the canonical text is that of the JSON in the cell.
    """
    try:
        text = canonical_text(entry.body)
        if may_hold_secret(text):
            text = canonical_json(map_texts(read_object(entry.body), redact))
    except (ValueError, TypeError, RecursionError) as error:
        raise _cannot_export(
            entry.account, entry.seq, f"the entry's content cannot be read: {error}"
        ) from None
    return visible_json(text)


def _parsed(entry: StoredEntry, line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise _cannot_export(
            entry.account,
            entry.seq,
            "the entry's content is nested too deep, or has a number with too many digits",
        ) from None


@lru_cache(maxsize=256)
def _names(account: str, action: str, role: str | None, delimiter: str) -> tuple[str, str, str]:
    return _cell(account, delimiter), _cell(action, delimiter), _cell(role or "", delimiter)


def _hex(digest: str, delimiter: str) -> str:
    # a person with every right may have written something else
    return digest if digest.isalnum() and digest.isascii() else _cell(digest, delimiter)


def _cell(text: str, delimiter: str) -> str:
    """A cell as csv writes it. An apostrophe stands before what a spreadsheet would run."""
    cells, quoting = csv_cells((text,), whole=True)
    line = io.StringIO()
    # a line with one empty cell would be quoted
    csv.writer(line, lineterminator="", delimiter=delimiter, quoting=quoting).writerow([*cells, ""])
    return line.getvalue().removesuffix('""').removesuffix(delimiter)


def _cannot_export(account: str, seq: int, what: str) -> BrokenLedgerError:
    return BrokenLedgerError(
        f"Entry {seq} of account {account} cannot be exported: {what}.",
        "See what else is wrong with: reconciler verify",
    )
