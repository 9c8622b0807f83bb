"""The port of what reviewers accepted on the pages. The adapter implements it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from reconciler.domain.model.acceptance_request import AcceptanceRequest


class AcceptanceRequests(Protocol):
    """What reviewers accepted on the pages for one account: Stripe's outcome, which no page may write."""

    def waiting(self) -> Sequence[AcceptanceRequest]:
        """Some of the requests that wait, the oldest first. One that has expired does not wait any more."""
        ...

    def refuse(self, number: int, why: str) -> None:
        """Answer that it will not be done. Does nothing if the request was answered before."""
        ...

    def postpone(self, number: int, why: str) -> None:
        """Let it wait for another attempt, and store why this one failed."""
        ...
