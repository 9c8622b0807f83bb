"""A plan: what a sweep asks Stripe for, in which order, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reconciler.domain.model.time_range import TimeRange

OVERRUN: Final = 1.5
"""A list that has cost this many times its expected reads was planned on wrong assumptions."""


@dataclass(frozen=True, slots=True)
class List:
    """List the intents of one range with one cursor.

    ``created`` is in Stripe's time and whole seconds. ``rows`` is the range, by the merchant's clock, of the due rows
    that this list is to show; ``due`` is how many they are. Due rows that no list of the plan has shown are retrieved
    after the last list, because a neighbouring list may show a row near the edge.
    """

    created: TimeRange
    rows: TimeRange
    expected_reads: int
    expected_intents: int
    due: int


@dataclass(frozen=True, slots=True)
class Retrieve:
    """Retrieve the due rows of a range, by the merchant's clock, one by one. ``rows`` is None for rows without a time."""

    rows: TimeRange | None
    expected_reads: int

    @property
    def due(self) -> int:
        """How many due rows it covers: one for each read."""
        return self.expected_reads


Step = List | Retrieve


@dataclass(frozen=True, slots=True)
class RequestRates:
    """Requests in a second: to the list endpoint, to the retrieve endpoint, and to all endpoints together."""

    list: float
    retrieve: float
    everything: float


@dataclass(frozen=True, slots=True)
class Budget:
    """What a sweep may spend.

    ``rates`` are the rates that Reconciler keeps to, ``limit`` those that Stripe documents. ``quota`` is Stripe's number
    of reads over 30 days (500 a transaction, 10,000 at least). ``reads_left`` is what this sweep may take of it, None if
    it may take what it needs. ``read_seconds`` is how long one read takes: a cursor reads its pages one after another.
    """

    rates: RequestRates
    limit: RequestRates
    quota: int
    reads_left: int | None = None
    read_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps that cover the due rows, lists first.

    ``left_out`` are the steps that the reads left do not pay for. ``unmet`` is how many due rows the lists are expected
    not to show; ``reads`` includes their retrieves. ``reads_one_by_one`` is what it would cost to retrieve every due
    row, those left out included. ``seconds`` is the time at Reconciler's rates, ``seconds_at_limit`` at Stripe's
    documented limits; lists and retrieves run side by side.
    """

    steps: tuple[Step, ...]
    left_out: tuple[Step, ...]
    unmet: int
    reads: int
    reads_one_by_one: int
    seconds: float
    seconds_at_limit: float
    quota_share: float

    @property
    def is_complete(self) -> bool:
        """Whether the steps cover every due row."""
        return not self.left_out


def is_overrun(step: Step, reads_so_far: int, unmet: int | None = None) -> bool:
    """Whether to end a list before its next page, and to retrieve the due rows that it has not shown yet.

    A list is overrun from one and a half times its expected reads on. If ``unmet`` is given, the number of due rows not
    met yet, the list goes on as long as it is expected to show them with fewer reads than retrieving them takes.
    """
    if isinstance(step, Retrieve) or reads_so_far < OVERRUN * step.expected_reads:
        return False
    if unmet is None or unmet >= step.due:
        return True
    # Stripe may hold ten intents for each row: a list of nothing but due rows is still ten times cheaper than retrieves
    pages_to_come = reads_so_far * unmet / (step.due - unmet)
    return unmet <= pages_to_come
