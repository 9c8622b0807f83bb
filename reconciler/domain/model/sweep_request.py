"""A sweep that a person asks the service for: who serves, and how the request stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class RequestStatus(StrEnum):
    """Where a request is in its life."""

    ASKED = "asked"
    """Nobody has taken it up yet."""
    TAKEN = "taken"
    """The service is at it. It is asked for again where the service dies."""
    DONE = "done"
    """The sweep has ended; its whole report is there."""
    REFUSED = "refused"
    """It will not be done; the answer says why."""


@dataclass(frozen=True, slots=True)
class ServingProcess:
    """A service that has the lease. ``mode`` is the configured one, which caps what a request may do."""

    holder: str
    epoch: int
    mode: str


@dataclass(frozen=True, slots=True)
class TakenRequest:
    """A request that the service has taken up. ``options`` are as they stand in the table: not yet understood."""

    id: int
    asked_by: str
    options: object


@dataclass(frozen=True, slots=True)
class RequestState:
    """How a request stands. ``result`` is there where it is done, ``answer`` where it was refused."""

    status: RequestStatus
    examined: int
    result: Mapping[str, object] | None
    answer: str | None
