"""A plan: what a sweep asks Stripe, in which order, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reconciler.domain.model.time_range import TimeRange

OVERRUN: Final = 1.5
"""A list that has cost this many times its plan was planned on a wrong picture."""


@dataclass(frozen=True, slots=True)
class List:
    """List the intents of one range with one cursor.

    ``created`` is in Stripe's time and whole seconds; ``rows`` is the local range whose due rows this list is to show.
    Those that no list of the plan has shown are retrieved, after the last list: near an edge it may have been a
    neighbour's to show. ``due`` is how many due rows ``rows`` holds.
    """

    created: TimeRange
    rows: TimeRange
    expected_reads: int
    expected_intents: int
    due: int


@dataclass(frozen=True, slots=True)
class Retrieve:
    """Retrieve the due rows of a local range one by one. ``rows`` is None for the rows without a time."""

    rows: TimeRange | None
    expected_reads: int

    @property
    def due(self) -> int:
        """How many due rows it covers: one a read."""
        return self.expected_reads


Step = List | Retrieve


@dataclass(frozen=True, slots=True)
class RequestRates:
    """Requests a second: on the list, on retrieving, and over all endpoints together."""

    list: float
    retrieve: float
    everything: float


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent: our ``lanes``, Stripe's own (``limit``), and the 30-day allowance.

    ``allowance`` is Stripe's, in reads over 30 days (500 a transaction, 10,000 at least); ``reads_left`` is what this
    sweep may take of it, None for as many as it needs. ``read_seconds`` is how long one read takes: a cursor reads its
    pages one after another.
    """

    rates: RequestRates
    limit: RequestRates
    quota: int
    reads_left: int | None = None
    read_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps that cover the due rows, lists first.

    ``left_out`` is what the reads that are left do not pay for: a sweep with anything there is not complete. ``unmet``
    is how many rows are expected to be listed without being met; ``reads`` has their retrieves in it.
    ``reads_one_by_one`` is what retrieving every due row would cost, those left out too. ``seconds`` is at our budget,
    ``seconds_at_limit`` at Stripe's documented limits; lists and retrieves run side by side.
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
        """Whether every due row is covered."""
        return not self.left_out


def is_overrun(step: Step, reads_so_far: int, unmet: int | None = None) -> bool:
    """Whether to end a list before its next page and retrieve the due rows that it has not shown yet.

    So it is from one and a half times the expected reads on. ``unmet``, where it is known, is how many of the step's
    due rows have not been met yet. Then the list goes on where that is cheaper all the same: at the pace at which it
    has met rows so far, the pages to come cost fewer reads than those rows. Where Stripe turns out to hold ten intents
    a row, a list of nothing but due rows is still ten times cheaper than retrieving them.
    """
    if isinstance(step, Retrieve) or reads_so_far < OVERRUN * step.expected_reads:
        return False
    if unmet is None or unmet >= step.due:
        return True
    pages_to_come = reads_so_far * unmet / (step.due - unmet)
    return unmet <= pages_to_come
