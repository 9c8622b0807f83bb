"""Writes the ledger into an export: a million entries in less than half a minute, so an entry is not parsed without need."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import islice, repeat
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import TYPE_CHECKING, Final, TextIO

from reconciler.adapters.postgres.audit.ledger import LedgerChain, StoredEntry
from reconciler.adapters.postgres.audit.quick_json import canonical_lines, canonical_text
from reconciler.domain.audit.hash_chain import RECIPE, canonical_json
from reconciler.domain.audit.read_entry import UnreadableEntryError, read_object
from reconciler.entrypoints.cli.output import UTF8_MARK
from reconciler.entrypoints.shown_text import csv_cells
from reconciler.errors import BrokenLedgerError
from reconciler.masking import (
    map_texts,
    may_hold_secret,
    may_lines_hold_secret,
    redact,
    visible_json,
)

if TYPE_CHECKING:
    from reconciler.wiring.audit import Audit

ENTRY_NAMES: Final = ("account", "seq", "at", "action", "body", "prev", "hash", "v", "role")
HEAD_NAMES: Final = ("account", "seq", "hash")
_AT_ONCE: Final = 25
"""So many entries are written together."""


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


def entry_lines(entries: Iterable[StoredEntry], *, ascii_only: bool) -> Iterator[str]:
    """The lines of entries in jsonl; a text has one of them or many.

    ``body`` is an object; the hash is made of its canonical JSON. An entry of the first recipe has neither ``v`` nor
    ``role``, so that the fields are always those that were hashed.
    Raises BrokenLedgerError for an entry that no program wrote.
    """
    text = encode_basestring_ascii if ascii_only else encode_basestring
    for part in _parts(entries):
        lines, texts = _lines(part, text)
        # to search each line for what is rare takes longer than to write it
        if may_hold_secret(texts) or (ascii_only and not texts.isascii()):
            pairs = zip(part, lines, strict=True)
            yield from (_safe_line(entry, line, ascii_only=ascii_only) for entry, line in pairs)
        else:
            yield visible_json("".join(lines))


def _lines(part: Sequence[StoredEntry], text: Callable[[str], str]) -> tuple[list[str], str]:
    """The line of each entry, and the texts in them that may hold what is rare: each of the names once, and no hash."""
    accounts, seqs, _, actions, bodies, prevs, digests, roles = zip(*part, strict=True)
    rare = {*accounts, *actions, *filter(None, roles)}
    if not _are_hashes((*prevs, *digests)):
        rare |= {*prevs, *digests}
        prevs, digests = (tuple(text(one)[1:-1] for one in of) for of in (prevs, digests))
    names = map(_quoted_names, accounts, actions, roles, repeat(text))
    columns = zip(names, seqs, _times(part), bodies, prevs, digests, strict=True)
    lines = [
        f'{{"type": "ledger", "account": {account}, "seq": {seq}, "at": "{time}", "action": {action}, "body": {body},'
        f' "prev": "{prev}", "hash": "{digest}"{role}}}\n'
        for (account, action, role), seq, time, body, prev, digest in columns
    ]
    return lines, "\n".join((*rare, *bodies))


def _safe_line(entry: StoredEntry, line: str, *, ascii_only: bool) -> str:
    if may_hold_secret(line) or (ascii_only and not line.isascii()):
        fields = map_texts(_parsed(entry, line), redact)
        line = json.dumps(fields, ensure_ascii=ascii_only) + "\n"
    return visible_json(line)


@lru_cache(maxsize=256)
def _quoted_names(
    account: str, action: str, role: str | None, text: Callable[[str], str]
) -> tuple[str, str, str]:
    """Account and action as JSON, and the fields of the second recipe."""
    fields = "" if role is None else f', "v": {RECIPE}, "role": {text(role)}'
    return text(account), text(action), fields


def write_entries_csv(entries: Iterable[StoredEntry], out: TextIO, *, excel: bool = False) -> int:
    """Write entries as CSV with a header, and return how many. The cell of the body can be hashed: it is canonical.

    ``excel`` is as ``output.write_csv`` has it.
    """
    delimiter = ";" if excel else ","
    if excel:
        out.write(UTF8_MARK)
    out.write(f"{delimiter.join(ENTRY_NAMES)}\n")
    count = 0
    for part in _parts(entries):
        bodies = _quick_cells(part) or [_cell_of_body(_body(entry)) for entry in part]
        out.write("".join(_csv_lines(part, bodies, delimiter)))
        count += len(part)
    return count


def _csv_lines(part: Sequence[StoredEntry], bodies: Sequence[str], delimiter: str) -> list[str]:
    d = delimiter
    accounts, seqs, _, actions, _, prevs, digests, roles = zip(*part, strict=True)
    if not _are_hashes((*prevs, *digests)):
        prevs, digests = (tuple(_cell(one, d) for one in of) for of in (prevs, digests))
    names = map(_names, accounts, actions, roles, repeat(d))
    columns = zip(names, seqs, _times(part), bodies, prevs, digests, strict=True)
    # csv.writer looks at each letter, which takes longer than all the rest
    return [
        f'{account}{d}{seq}{d}{time}{d}{action}{d}"{body}"{d}{prev}{d}{digest}{d}{end}\n'
        for (account, action, end), seq, time, body, prev, digest in columns
    ]


def _quick_cells(part: Sequence[StoredEntry]) -> list[str] | None:
    """The cells of the bodies, as ``_body`` has each of them; None if one of them has to be looked at alone."""
    try:
        text = canonical_lines([entry.body for entry in part])
    except (ValueError, TypeError, RecursionError):
        return None
    if may_lines_hold_secret(text):
        return None
    return _cell_of_body(visible_json(text)).split("\n")[:-1]


def _cell_of_body(text: str) -> str:
    return text.replace('"', '""')


def _parts(entries: Iterable[StoredEntry]) -> Iterator[Sequence[StoredEntry]]:
    rows = iter(entries)
    while part := list(islice(rows, _AT_ONCE)):
        yield part


def _times(part: Sequence[StoredEntry]) -> list[str]:
    """The time of each entry as its hash has it."""
    times = []
    try:
        for entry in part:
            times.append(_rfc3339(entry.at))
    except ValueError:
        raise _cannot_export(entry.account, entry.seq, "the entry's time cannot be read") from None
    return times


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
    """The cells of account and action, and those at the end of the line: the version of the recipe, and the role."""
    end = delimiter if role is None else f"{RECIPE}{delimiter}{_cell(role, delimiter)}"
    return _cell(account, delimiter), _cell(action, delimiter), end


def _are_hashes(digests: Sequence[str]) -> bool:
    """Whether these have the digits of hashes alone. A person with every right may have written another text."""
    together = "".join(digests)
    try:
        # much quicker than to ask each character, but it takes spaces between two digits
        return all(digests) and 2 * len(bytes.fromhex(together)) == len(together)
    except ValueError:
        return False


def _cell(text: str, delimiter: str) -> str:
    """A cell as csv writes it. An apostrophe stands before what a spreadsheet would run."""
    cells, quoting = csv_cells((text,), whole=True)
    line = io.StringIO()
    # csv quotes a line feed only if that ends a line; and a line with one empty cell would be quoted
    writer = csv.writer(line, lineterminator="\n", delimiter=delimiter, quoting=quoting)
    writer.writerow([*cells, ""])
    return line.getvalue().removesuffix("\n").removesuffix('""').removesuffix(delimiter)


def _cannot_export(account: str, seq: int, what: str) -> BrokenLedgerError:
    return BrokenLedgerError(
        f"Entry {seq} of account {account} cannot be exported: {what}.",
        "To see what else is wrong, run: reconciler verify",
    )
