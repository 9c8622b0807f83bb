"""Objects in the order of their creation, found by id, by time and by cursor without a scan."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from reconciler.sandbox.objects.records import Record

R = TypeVar("R", bound=Record)

# above this the bytes are made for each answer, which costs time but no memory
MOST_CACHED_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuery:
    """One page of a list. ``since`` and ``until`` are Unix seconds, both inclusive."""

    limit: int = 10
    starting_after: str | None = None
    ending_before: str | None = None
    since: int | None = None
    until: int | None = None


class CreationOrder:
    """Ids sorted by creation second, then by arrival."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, int, str]] = []

    def add(self, created: int, arrival: int, ident: str) -> None:
        """Add an id. ``arrival`` orders the ids of one second."""
        entry = (created, arrival, ident)
        if not self._entries or self._entries[-1] < entry:
            self._entries.append(entry)
        else:
            insort(self._entries, entry)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[str]:
        return (entry[2] for entry in self._entries)

    def ids_for(
        self, query: PageQuery, place_of: Callable[[str], tuple[int, int, str]]
    ) -> Iterator[str]:
        """The ids of a query, from its cursor on: newest first, but oldest first for ``ending_before``."""
        low, high = 0, len(self._entries)
        if query.since is not None:
            low = bisect_left(self._entries, (query.since, -1, ""))
        if query.until is not None:
            high = bisect_left(self._entries, (query.until + 1, -1, ""))
        if query.starting_after is not None:
            high = min(high, bisect_left(self._entries, place_of(query.starting_after)))

        if query.ending_before is not None:
            created, arrival, ident = place_of(query.ending_before)
            low = max(low, bisect_left(self._entries, (created, arrival, ident + "\0")))
            return (self._entries[i][2] for i in range(low, high))
        return (self._entries[i][2] for i in range(high - 1, low - 1, -1))


class Timeline(Generic[R]):
    """All objects of one type in one account and mode.

    ``indexed`` names the attributes by which a list can be filtered without a scan.
    """

    def __init__(self, indexed: tuple[str, ...] = ()) -> None:
        self._records: dict[str, R] = {}
        self._places: dict[str, tuple[int, int, str]] = {}
        self._all = CreationOrder()
        self._by: dict[str, dict[str, CreationOrder]] = {name: {} for name in indexed}
        self._parts: dict[str, tuple[bytes, bytes]] = {}
        self._part_bytes = 0

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, ident: str) -> bool:
        return ident in self._records

    def __iter__(self) -> Iterator[R]:
        """All objects, oldest first."""
        return (self._records[ident] for ident in list(self._all))

    def get(self, ident: str) -> R | None:
        """The object of this id, None if there is none."""
        return self._records.get(ident)

    def of(self, name: str, value: str) -> list[R]:
        """All objects whose indexed attribute has this value, oldest first."""
        return [self._records[ident] for ident in self._by[name].get(value, ())]

    def put(self, record: R) -> None:
        """Add a record, or replace the one with its id."""
        known = self._records.get(record.id)
        self._records[record.id] = record
        if known is not None:
            stale = self._parts.pop(record.id, None)
            if stale is not None:
                self._part_bytes -= len(stale[0]) + len(stale[1])
            return
        place = (record.created, len(self._places), record.id)
        self._places[record.id] = place
        self._all.add(*place)
        for name, orders in self._by.items():
            value = getattr(record, name)
            if value is not None:
                orders.setdefault(value, CreationOrder()).add(*place)

    def page(
        self,
        query: PageQuery,
        indexed: tuple[str, str] | None = None,
        keep: Callable[[R], bool] | None = None,
    ) -> tuple[list[R], bool]:
        """A page, newest first, and whether more objects follow it.

        Args:
            query: Range, cursor and limit. The cursor must be a known id.
            indexed: An indexed attribute and its value.
            keep: A further condition for each record.
        """
        order = (
            self._all if indexed is None else self._by[indexed[0]].get(indexed[1], CreationOrder())
        )
        found: list[R] = []
        for ident in order.ids_for(query, self._places.__getitem__):
            record = self._records[ident]
            if keep is not None and not keep(record):
                continue
            if len(found) == query.limit:
                return self._newest_first(found, query), True
            found.append(record)
        return self._newest_first(found, query), False

    @staticmethod
    def _newest_first(found: list[R], query: PageQuery) -> list[R]:
        return found if query.ending_before is None else found[::-1]

    def parts(self, record: R, render: Callable[[R], tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
        """The serialized record in two parts, made once and kept until the record is replaced."""
        cached = self._parts.get(record.id)
        if cached is None:
            cached = render(record)
            size = len(cached[0]) + len(cached[1])
            if self._part_bytes + size <= MOST_CACHED_BYTES:
                self._parts[record.id] = cached
                self._part_bytes += size
        return cached
