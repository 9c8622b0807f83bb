"""Which net goes first when the reads of 30 days run short: the tail, then due, then window.

A net takes what nobody before it needs. What is held for the tail is its ticks and the looks that they lead to; what is
held for due is a stated part of the rest. Reads come back 30 days after they were spent, so that no net of the service may
take all that it has at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final


class Endpoint(StrEnum):
    """What a read counts against, besides the account's overall limit.

    To Stripe an endpoint is a method and a path template, so that all ids of one path share one limit, and all search
    endpoints share another. OTHER stands for endpoints that are read now and then; together they take one share.
    """

    RETRIEVE = "retrieve"
    """``GET /v1/payment_intents/{id}``"""
    LIST = "list"
    """``GET /v1/payment_intents``"""
    EVENTS = "events"
    """``GET /v1/events``"""
    CHARGES = "charges"
    """``GET /v1/charges``"""
    SEARCH = "search"
    """``GET /v1/…/search``"""
    OTHER = "other"


class RateLimitReason(StrEnum):
    """Why Stripe answered 429: the header ``Stripe-Rate-Limited-Reason``, as its rate limit page lists the values."""

    GLOBAL_RATE = "global-rate"
    ENDPOINT_RATE = "endpoint-rate"
    GLOBAL_CONCURRENCY = "global-concurrency"
    ENDPOINT_CONCURRENCY = "endpoint-concurrency"
    RESOURCE_SPECIFIC = "resource-specific"
    """The limit of one object or product: no sign of a lane that is too fast."""
    LOCK_TIMEOUT = "lock_timeout"
    """Another call holds the object (the error's code; such an answer has no reason header)."""
    UNKNOWN = "unknown"
    """No reason was given, or one that we do not know."""


SPAN: Final = timedelta(days=30)
"""Stripe counts reads over 30 rolling days (docs, "Rate limits", read allocation)."""
FASTEST_TAIL: Final = timedelta(seconds=10)
TICKS_PART: Final = 0.5
"""The part of the reads that the tail may spend when nothing happens: its pace follows from it."""
LOOKS: Final = 1.2
"""What the tail needs over its ticks: a fifth more for what events lead to."""
DUE_PART: Final = 0.6
"""The part that due keeps, before window, of what the tail leaves."""
DAYS: Final = 30
A_DAY: Final = 0.1
"""A net of the service takes in 24 hours no more of what it has left: it never stands still for the rest of the month."""


class Source(StrEnum):
    """Who spends a read."""

    TAIL = "tail"
    DUE = "due"
    WINDOW = "window"
    PERSON = "person"
    """A person's command, such as ``explain`` or a single intent: these are few, and may use everything."""


@dataclass(frozen=True, slots=True)
class ReadsSpent:
    """Reads by net in the last 30 days, and in the last 24 hours of them."""

    month: Mapping[Source, int] = field(default_factory=dict)
    day: Mapping[Source, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Reads of all nets in 30 days."""
        return sum(self.month.values())


def tail_interval(configured: timedelta, allowed: int) -> timedelta:
    """The time between two ticks of the tail: as configured, and no faster than ``allowed`` reads in 30 days let it be."""
    slowest = SPAN / max(1.0, allowed * TICKS_PART)
    return max(FASTEST_TAIL, configured, slowest)


@dataclass(frozen=True, slots=True)
class SourceShares:
    """How ``allowed`` reads in 30 days are shared, where the tail is configured to tick ``tail_every``."""

    allowed: int
    tail_every: timedelta

    @property
    def tail(self) -> int:
        """What is kept for the tail."""
        return math.ceil(LOOKS * (SPAN / tail_interval(self.tail_every, self.allowed)))

    @property
    def due(self) -> int:
        """What is kept for due before window."""
        return max(0, math.ceil(DUE_PART * (self.allowed - self.tail)))

    def left(self, source: Source, spent: ReadsSpent, *, by_service: bool) -> int:
        """How many reads a net may take now.

        A sweep that a person asks for keeps what is held for the nets before it, and may take the rest at once.
        """
        left = self.allowed - spent.total
        if source in (Source.TAIL, Source.PERSON):
            return max(0, left)
        # the tail's ticks of the next day are held even where it has spent its part
        left -= max(self.tail - spent.month.get(Source.TAIL, 0), math.ceil(self.tail / DAYS))
        if source is Source.WINDOW:
            left -= max(0, self.due - spent.month.get(Source.DUE, 0))
        if by_service:
            today = spent.day.get(source, 0)
            left = min(left, math.ceil(A_DAY * (left + today)) - today)
        return max(0, left)
