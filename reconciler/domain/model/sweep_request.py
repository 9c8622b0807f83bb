"""A sweep that a person asks the service for: which process serves it, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class RequestStatus(StrEnum):
    """How far a request is."""

    ASKED = "asked"
    """No service has taken it yet."""
    TAKEN = "taken"
    """The service works on it. If that process dies, the request is asked again."""
    DONE = "done"
    """The sweep has ended, and its report is stored."""
    REFUSED = "refused"
    """The service will not do it; the answer says why."""


@dataclass(frozen=True, slots=True)
class ServingProcess:
    """The service process that holds the lease. ``mode`` is the configured one, which limits what a request may do."""

    holder: str
    epoch: int
    mode: str


@dataclass(frozen=True, slots=True)
class TakenRequest:
    """A request that the service works on. ``options`` are the stored JSON, not parsed yet."""

    id: int
    asked_by: str
    options: object


@dataclass(frozen=True, slots=True)
class RequestState:
    """How far a request is. ``result`` is the report if it is done, ``answer`` the reason if it was refused.

    ``epoch`` is that of the lease under which it was taken.
    """

    status: RequestStatus
    examined: int
    result: Mapping[str, object] | None
    answer: str | None
    epoch: int | None = None
