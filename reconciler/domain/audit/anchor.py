"""Anchors: heads of a chain that were noted outside the database, and what a chain looks like beside them.

A chain of hashes proves nothing about its own end. A person with every right on the database can cut off the last
entries, or write the whole chain anew. A head that was noted elsewhere shows both.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from reconciler.domain.audit.ledger_entry import Entry

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NO_TIME: Final = -(2**63)
_HASH_BYTES: Final = 32


class AnchorState(StrEnum):
    """What the anchors say about a chain."""

    AGREES = "agrees"
    """Every anchored entry is in the chain, with the anchored hash."""
    CUT = "cut"
    """The chain ends before an anchored entry."""
    REWRITTEN = "rewritten"
    """An anchored entry has another hash."""
    RESTORED = "restored?"
    """Later entries are gone or are newer than the anchor, and everything else agrees. The database may have been
    restored to an earlier time; a person who removed the entries everywhere would leave the same."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """An anchored head: the number and the hash of an entry. ``at`` is the time of the entry, or a later one."""

    seq: int
    hash: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AnchorVerdict:
    """What the anchors say. ``anchor`` is the first that does not agree, None if all agree.

    ``last_agreeing`` is the number of the last anchored entry that is in the chain, 0 if there is none. ``ends_at`` is
    the number of the chain's last entry.
    """

    state: AnchorState
    last_agreeing: int
    ends_at: int
    anchor: Anchor | None = None

    @property
    def first_bad(self) -> int | None:
        """The number of the first entry that is known to be missing or another one; None if none is."""
        return None if self.anchor is None else min(self.anchor.seq, self.ends_at + 1)

    @property
    def what(self) -> str:
        """What is wrong, as a part of a sentence; empty if nothing is."""
        if self.anchor is None:
            return ""
        if self.anchor.seq > self.ends_at:
            fact = f"an anchor names entry {self.anchor.seq}, but the ledger ends at entry {self.ends_at}"
        else:
            fact = f"entry {self.anchor.seq} has another hash than its anchor"
        if self.state is AnchorState.RESTORED:
            return f"{fact}: was the database restored to an earlier time?"
        return fact


class Anchors:
    """The anchors of one account, in the order of their numbers. A million take about 50 MB."""

    def __init__(self, anchors: Iterable[Anchor] = ()) -> None:
        self._numbers = array("q")
        self._times = array("q")
        self._hashes = bytearray()
        for anchor in anchors:
            self.add(anchor)

    def add(self, anchor: Anchor) -> None:
        """Add an anchor. Raises ValueError if its number or its hash cannot be those of an entry."""
        digest = bytes.fromhex(anchor.hash)
        if len(digest) != _HASH_BYTES or not 0 < anchor.seq < 2**63:
            raise ValueError(
                "this is not an anchor: an anchor has the number of an entry and a hash of 64 hexadecimal digits"
            )
        self._numbers.append(anchor.seq)
        self._times.append(
            _NO_TIME if anchor.at is None else (anchor.at.astimezone(UTC) - _EPOCH) // _MICROSECOND
        )
        self._hashes += digest

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[Anchor]:
        for index in sorted(range(len(self)), key=self._numbers.__getitem__):
            start = index * _HASH_BYTES
            time = self._times[index]
            yield Anchor(
                seq=self._numbers[index],
                hash=self._hashes[start : start + _HASH_BYTES].hex(),
                at=None if time == _NO_TIME else _EPOCH + time * _MICROSECOND,
            )


class AnchorComparison:
    """Compares the entries of a chain with its anchors while they are read.

    ``entries`` gives the same entries on. ``verdict`` is valid after the last one.
    """

    def __init__(self, anchors: Anchors) -> None:
        self._anchors = iter(anchors)
        self._next = next(self._anchors, None)
        self._last_agreeing = 0
        self._ends_at = 0
        self._different: Anchor | None = None
        self._all_are_newer = True

    def entries(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The entries, in the order of their numbers, each compared with its anchors."""
        for entry in entries:
            self._ends_at = entry.seq
            while self._next is not None and self._next.seq <= entry.seq:
                self._compare(self._next, entry)
                self._next = next(self._anchors, None)
            yield entry

    def _compare(self, anchor: Anchor, entry: Entry) -> None:
        if (anchor.seq, anchor.hash) == (entry.seq, entry.hash):
            self._last_agreeing = anchor.seq
            return
        self._different = self._different or anchor
        # an entry that took the place of an anchored one after a restore is newer than that anchor
        is_newer = anchor.at is not None and entry.at > anchor.at
        self._all_are_newer = self._all_are_newer and is_newer

    def verdict(self, *, rest_agrees: bool) -> AnchorVerdict:
        """What the anchors say. ``rest_agrees`` is whether the chain is whole and fits everything else that is stored.

        A restore sets the ledger and all else back together, so if the rest does not agree it was none.
        """
        anchor = self._different or self._next
        if anchor is None:
            return AnchorVerdict(AnchorState.AGREES, self._last_agreeing, self._ends_at)
        state = AnchorState.CUT if self._different is None else AnchorState.REWRITTEN
        if rest_agrees and self._all_are_newer:
            state = AnchorState.RESTORED
        return AnchorVerdict(state, self._last_agreeing, self._ends_at, anchor)
