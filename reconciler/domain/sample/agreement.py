"""How many compared rows must agree before a sample proves anything: lost webhooks make some rows wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reconciler.domain.model.intent import Intent
from reconciler.domain.model.payment import Payment

ENOUGH: Final = 20
"""A status means something for certain only by so many compared rows."""
FEW: Final = 5
"""A column with amounts, currencies or times is found by so many: they agree exactly, and seldom by chance."""
SHARE: Final = 0.95
"""The part of the compared rows that has to agree."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of ``compared`` rows, ``agreeing`` agree."""

    compared: int
    agreeing: int

    @property
    def share(self) -> float:
        """The part that agrees, 0 if nothing was compared."""
        return self.agreeing / self.compared if self.compared else 0.0

    def is_sure(self, least: int) -> bool:
        """Whether at least ``least`` rows were compared and nearly all of them agree."""
        return self.compared >= least and self.share >= SHARE

    def __str__(self) -> str:
        return f"{self.agreeing:,} of {self.compared:,}"


@dataclass(frozen=True, slots=True)
class Pair:
    """A row and the PaymentIntent that it holds, both as they are now."""

    payment: Payment
    intent: Intent
