"""A decided page that waits to be recorded, with the answers that it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconciler.engine.page.decided_page import DecidedPage
from reconciler.engine.reads.fetcher import FetchedIntent


@dataclass(frozen=True, slots=True)
class HeldPage:
    """A decided page with the answers from Stripe that it is made of."""

    decided_page: DecidedPage
    answers: tuple[FetchedIntent, ...]

    @property
    def oldest(self) -> float:
        """When its oldest answer was asked for, by the monotonic clock."""
        return min((answer.at for answer in self.answers), default=0.0)

    @property
    def newest(self) -> float:
        """When its newest answer was asked for, by the monotonic clock."""
        return max((answer.at for answer in self.answers), default=0.0)

    @property
    def seen_at(self) -> datetime:
        """Stripe's time of its oldest answer."""
        return min(answer.intent.seen_at for answer in self.answers)

    @property
    def name(self) -> str:
        """How a report names the page."""
        first, last = self.answers[0].intent.id, self.answers[-1].intent.id
        return first if first == last else f"{first} to {last}"
