"""How ledger entries are hashed and chained, and how a broken chain is found.

An auditor can recompute every hash from an export. An entry is ``{account, seq, at, action, body, prev, role, v}``, and
``v`` is 2; by the first recipe an entry has neither ``role`` nor ``v``. Its canonical JSON is UTF-8 with sorted keys and no spaces; amounts are integers; times are RFC 3339 in UTC with microseconds. The
hash is the SHA-256 of that text, in hex. ``prev`` is the hash of the entry before, and 64 zeros in the first entry. Each
account has a chain of its own.
The database hashes an entry when it appends it, by the same recipe in SQL (``reconciler.append_entries``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from reconciler.domain.audit.ledger_entry import Entry
from reconciler.domain.audit.read_entry import PlainObject, UnreadableEntryError

GENESIS: Final = "0" * 64
"""``prev`` of the first entry of an account."""
RECIPE: Final = 2
"""``v`` of an entry that names the role. The entries of the first recipe have no ``v``."""
_LENGTH: Final = len("2026-06-10T12:00:00.000000")
_ENCODER: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


@dataclass(frozen=True, slots=True)
class ChainBreak:
    """The first entry of an account at which the chain is broken, and what is wrong with it."""

    account: str
    seq: int
    what: str


def rfc3339(moment: datetime) -> str:
    """A time as the ledger writes it: UTC, six decimals, Z.

    Raises TypeError for a time without a zone, because each machine would read it in its own zone.
    """
    if moment.tzinfo is None:
        raise TypeError("a time without a zone cannot be written to the ledger")
    # most times are in UTC already, and a ledger has millions
    in_utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    # without the offset
    return f"{in_utc.isoformat('T', 'microseconds')[:_LENGTH]}Z"


def canonical_json(value: object) -> str:
    """The one JSON text of a value, so that equal values always have equal hashes.

    Raises TypeError for a value that has no canonical form. A float has none, and money is never a float.
    """
    return _ENCODER.encode(_plain(value))


def _plain(value: object) -> object:
    """The value in types that JSON has."""
    match value:
        case None | bool() | int() | str() | PlainObject():
            return value
        case datetime():
            return rfc3339(value)
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            raise TypeError(f"{type(value).__name__} cannot be written to the ledger")


def entry_hash(
    account: str,
    seq: int,
    at: datetime,
    action: str,
    body: Mapping[str, object],
    prev: str,
    role: str | None = None,
) -> str:
    """SHA-256, in hex, of an entry's canonical JSON. Without a role it is an entry of the first recipe."""
    entry: dict[str, object] = {
        "account": account,
        "seq": seq,
        "at": rfc3339(at),
        "action": action,
        "body": _plain(body),
        "prev": prev,
    }
    if role is not None:
        entry |= {"role": role, "v": RECIPE}
    return hashlib.sha256(_ENCODER.encode(entry).encode()).hexdigest()


def first_break(
    entries: Iterable[Entry],
    head: tuple[int, str] | None,
    account: str,
    quick_hash: Callable[[Entry], str | None] | None = None,
) -> ChainBreak | None:
    """The first place at which an account's chain is broken, None if it is whole.

    ``entries`` come in the order of ``seq``; reading one may raise UnreadableEntryError, and that is a break. ``head`` is
    the number and the hash of the last entry as the database keeps them apart, None if it keeps none. Only the head
    shows that the last entries were cut off.

    ``quick_hash`` may hash an entry in a faster way: if it gives the entry's own hash, that entry is whole. Whether an
    entry is broken is decided by ``entry_hash`` alone.
    """
    prev, seq, has_role = GENESIS, 0, False
    try:
        for entry in entries:
            is_whole = quick_hash is not None and quick_hash(entry) == entry.hash
            fault = _fault(entry, account, seq, prev, is_whole=is_whole)
            if fault is not None:
                return fault
            if has_role and entry.role is None:
                # the function that writes the ledger names the role in every entry
                what = "the entry does not name the database role that wrote it, but the entry before it does"
                return ChainBreak(account, entry.seq, what)
            prev, seq, has_role = entry.hash, entry.seq, entry.role is not None
    except UnreadableEntryError as error:
        return _missing(account, seq, error.seq) or ChainBreak(account, error.seq, error.what)

    if head is None:
        return (
            None
            if seq == 0
            else ChainBreak(
                account,
                seq,
                "the chain has entries, but the table of heads does not name its last one",
            )
        )
    if head != (seq, prev):
        what = f"the table of heads names entry {head[0]} as the last one, but the chain ends at entry {seq}"
        return ChainBreak(account, seq + 1, what)
    return None


def _fault(entry: Entry, account: str, seq: int, prev: str, *, is_whole: bool) -> ChainBreak | None:
    """What is wrong with the entry after number ``seq``, whose hash is ``prev``; None if nothing is wrong.

    ``is_whole`` is whether the entry's own hash was recomputed already.
    """
    if entry.account != account:
        return ChainBreak(
            account, seq + 1, f"the entry belongs to another account, {entry.account}"
        )
    missing = _missing(account, seq, entry.seq)
    if missing is not None:
        return missing
    if entry.prev != prev:
        return ChainBreak(
            account, entry.seq, "the entry does not hold the hash of the entry before it"
        )
    if is_whole:
        return None
    try:
        recomputed = entry_hash(
            entry.account,
            entry.seq,
            entry.at,
            entry.action,
            entry.body,
            entry.prev,
            entry.role,
        )
    except (ValueError, TypeError, RecursionError):
        # such as text that is not UTF-8
        return ChainBreak(account, entry.seq, "no hash can be computed from the entry's content")
    if entry.hash != recomputed:
        return ChainBreak(account, entry.seq, "the entry does not match its hash: it was changed")
    return None


def _missing(account: str, seq: int, next_seq: int) -> ChainBreak | None:
    if next_seq == seq + 1:
        return None
    return ChainBreak(
        account, seq + 1, f"the entry is missing: the next entry has the number {next_seq}"
    )
