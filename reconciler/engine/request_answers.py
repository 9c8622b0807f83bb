"""Ports for the answers to what people request: the row that was written for an acceptance, the lines of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class AnswersAcceptances(Protocol):
    """What an acceptance needs of the transaction that writes its row, after the write."""

    def newest_message(self, key: str, intent: str) -> int | None:
        """The outbox row that announces the last write to a row with this intent; None if there is none."""
        ...

    def answer_acceptance(self, number: int, answer: str) -> bool:
        """Answer a reviewer's request with what was written; False if it was answered before, or has expired."""
        ...


class LinesOfRequests(Protocol):
    """The stored lines of one account's sweep requests."""

    def add_lines(
        self, number: int, epoch: int, page: int, lines: Sequence[Mapping[str, object]]
    ) -> None:
        """Store a page of a request that was taken under the lease of this epoch. Raises LeaseLostError if it is not."""
        ...

    def take_lines(self, number: int, epoch: int, page: int) -> Sequence[Mapping[str, Any]] | None:
        """Read a page, and remove it; None if it is not there."""
        ...
