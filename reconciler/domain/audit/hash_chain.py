"""The audit record's arithmetic: canonical form, hash chain and its proof.

The recipe, so that an auditor can recompute it from an export: an entry is ``{account, seq, at, action, body, prev}``;
canonical JSON is UTF-8 with sorted keys and no spaces, amounts as integers, times as RFC 3339 in UTC with
microseconds; the hash is SHA-256 of it in hex; ``prev`` of the first entry is 64 zeros; each account has its own chain.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from reconciler.domain.audit.ledger_entry import Entry

GENESIS: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class ChainBreak:
    """The first entry of an account at which the chain does not hold, and how."""

    account: str
    seq: int
    what: str


def rfc3339(moment: datetime) -> str:
    """A time as the ledger writes it: UTC, six decimals, Z.

    Raises TypeError for a time without a zone: it would be read in that of the machine.
    """
    if moment.tzinfo is None:
        raise TypeError("a time without a zone has no canonical form in the ledger")
    naive = moment.astimezone(UTC).replace(tzinfo=None)
    return f"{naive.isoformat(timespec='microseconds')}Z"


def canonical_json(value: object) -> str:
    """Canonical JSON. Floats are refused: they have no single form, and money is never one.

    Raises TypeError for a value that has no canonical form.
    """
    return json.dumps(
        _plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def _plain(value: object) -> object:
    match value:
        case None | bool() | int() | str():
            return value
        case datetime():
            return rfc3339(value)
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            raise TypeError(f"{type(value).__name__} has no canonical form in the ledger")


def entry_hash(
    account: str, seq: int, at: datetime, action: str, body: Mapping[str, object], prev: str
) -> str:
    """SHA-256, in hex, of an entry's canonical form."""
    form = canonical_json(
        {"account": account, "seq": seq, "at": at, "action": action, "body": body, "prev": prev}
    )
    return hashlib.sha256(form.encode()).hexdigest()


def first_break(
    entries: Iterable[Entry], head: tuple[int, str] | None, account: str
) -> ChainBreak | None:
    """The first place where an account's chain does not hold, or None.

    ``entries`` come in order of seq. ``head`` is the number and hash that the head says are the last: a chain whose
    tail was cut off is whole in itself and is betrayed only by it.
    """
    prev, seq = GENESIS, 0
    for entry in entries:
        if entry.account != account:
            return ChainBreak(account, seq + 1, f"an entry of account {entry.account} stands here")
        if entry.seq != seq + 1:
            return ChainBreak(
                account, seq + 1, f"the entry is missing: the next one is {entry.seq}"
            )
        if entry.prev != prev:
            return ChainBreak(
                account, entry.seq, "it does not name the hash of the entry before it"
            )
        if entry.hash != entry_hash(
            entry.account, entry.seq, entry.at, entry.action, entry.body, entry.prev
        ):
            return ChainBreak(
                account, entry.seq, "its content does not give its hash: it was changed"
            )
        prev, seq = entry.hash, entry.seq
    if head is None:
        return None if seq == 0 else ChainBreak(account, seq, "the chain has no head")
    if head != (seq, prev):
        return ChainBreak(
            account, seq + 1, f"the head names entry {head[0]}, the chain ends at {seq}"
        )
    return None
