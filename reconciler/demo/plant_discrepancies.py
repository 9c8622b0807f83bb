"""How many discrepancies of each kind are planted among the customers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reconciler.demo.no_discrepancies import CORRECT_ROWS, RECENT_CHANGES, PlantFunction
from reconciler.demo.retries_and_parts import (
    MONEY_BACK,
    OTHER_IDS,
    SEVERAL_ROWS,
    WITH_LOST_WEBHOOK,
)
from reconciler.demo.row_discrepancies import ROW_DISCREPANCIES
from reconciler.demo.side_discrepancies import BESIDE_A_CORRECTION, SIDE_DISCREPANCIES
from reconciler.demo.simulation import Simulation

PAYMENTS_A_COPY: Final = 100
"""One discrepancy of each kind for so many payments: three hundred payments have three of each. One is the least."""
MOST_COPIES: Final = 10


def plant_discrepancies(simulation: Simulation, payments: int, *, losing: bool) -> None:
    """Plant discrepancies of every kind, as many of each as suit so many payments in all.

    A kind that has several causes uses each in turn, beginning with a random one. ``losing`` is whether webhooks are lost
    at all: if not, no discrepancy is planted that needs a correction beside it.
    """
    copies = max(1, min(MOST_COPIES, payments // PAYMENTS_A_COPY))
    for kind, causes in (*ROW_DISCREPANCIES.items(), *SIDE_DISCREPANCIES.items()):
        beside_a_correction = BESIDE_A_CORRECTION.get(kind, ()) if losing else ()
        _plant(simulation, (*causes, *beside_a_correction), copies)
    _plant(simulation, RECENT_CHANGES, copies)
    _plant(simulation, CORRECT_ROWS, copies)
    # payments over several rows, intents or other ids
    for causes in (SEVERAL_ROWS, MONEY_BACK, OTHER_IDS, *((WITH_LOST_WEBHOOK,) if losing else ())):
        _plant(simulation, causes, copies)


def _plant(simulation: Simulation, causes: Sequence[PlantFunction], copies: int) -> None:
    # a random start, so that a small demonstration does not always show the same cause
    first = simulation.random.randrange(len(causes))
    for number in range(copies):
        causes[(first + number) % len(causes)](simulation)
