"""Reads the ledger of an audit bundle, and checks each entry of it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

import msgspec

from reconciler.adapters.postgres.audit.quick_json import quick_hash
from reconciler.domain.audit.hash_chain import GENESIS, entry_hash
from reconciler.domain.audit.ledger_entry import Entry
from reconciler.domain.audit.read_entry import (
    PlainObject,
    UnreadableEntryError,
    read_entry,
    read_object,
)
from reconciler.entrypoints.statement_files.bundle import LEDGER

_MOST_LINE_BYTES: Final = 64 * 1024 * 1024


def _refuse_float(_text: str) -> NoReturn:
    raise ValueError("it has a number that is not an integer")


_DECODER: Final = msgspec.json.Decoder(float_hook=_refuse_float)


class BrokenBundleError(Exception):
    """A bundle is not as it was written. The text says where."""


def bundle_entries(file: zipfile.ZipFile, manifest: Mapping[str, Any]) -> Iterator[Entry]:
    """Each entry, in order. Raises BrokenBundleError for one that does not have the hash of its content, or does not name
    that of the entry before it, and if the last one is not the head."""
    seq, prev = int(manifest["follows"]["seq"]), str(manifest["follows"]["hash"])
    with file.open(LEDGER) as stream:
        while line := stream.readline(_MOST_LINE_BYTES):
            entry = _quick_entry(line) or _entry(line.decode())
            if entry.seq != seq + 1 or entry.prev != prev:
                raise BrokenBundleError(f"{LEDGER}: entry {entry.seq} does not follow entry {seq}")
            # the quick hash is that of the recipe, which alone decides whether an entry is broken
            is_whole = quick_hash(entry) == entry.hash or _hash(entry) == entry.hash
            if entry.account != manifest["account"] or not is_whole:
                raise BrokenBundleError(f"{LEDGER}: entry {entry.seq} does not match its hash")
            seq, prev = entry.seq, entry.hash
            yield entry
    head = manifest["head"]
    if (seq, prev) != ((0, GENESIS) if head is None else (head["seq"], head["hash"])):
        raise BrokenBundleError(
            f"{LEDGER}: the last entry differs from the head that the manifest names"
        )


def _quick_entry(line: bytes) -> Entry | None:
    """The entry of a line; None if it has to be read in the usual way, which is some times as slow."""
    try:
        fields = _DECODER.decode(line)
        moment = datetime.fromisoformat(fields["at"])
    except (ValueError, TypeError, RecursionError):
        return None
    body = fields["body"]
    if type(body) is not dict or type(fields["seq"]) is not int or moment.tzinfo is not UTC:
        return None
    return Entry(
        fields["account"],
        fields["seq"],
        moment,
        fields["action"],
        PlainObject(body),
        fields["prev"],
        fields["hash"],
        fields.get("role"),
    )


def _entry(line: str) -> Entry:
    fields: Mapping[str, Any] = read_object(line)
    try:
        return read_entry(
            fields["account"],
            fields["seq"],
            fields["at"],
            fields["action"],
            json.dumps(fields["body"]),
            fields["prev"],
            fields["hash"],
            fields.get("role"),
        )
    except UnreadableEntryError as error:
        raise BrokenBundleError(f"{LEDGER}: {error}") from None


def _hash(entry: Entry) -> str:
    return entry_hash(
        entry.account, entry.seq, entry.at, entry.action, entry.body, entry.prev, entry.role
    )
