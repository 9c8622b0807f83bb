"""How many of each other discrepancy are planted among the customers, and which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reconciler.demo.disagreements import DISAGREEMENTS
from reconciler.demo.left_alone import JUST_NOW, SETTLED, Plant
from reconciler.demo.side_conditions import SIDE_CONDITIONS, WITH_LOST_WEBHOOK
from reconciler.demo.world import World

PAYMENTS_A_COPY: Final = 100
"""So many payments for one of each kind: three hundred have three of each, and nobody has fewer than one."""
MOST_COPIES: Final = 10


def plant(world: World, payments: int, *, losing: bool) -> None:
    """Plant every kind on the stage, as many of each as suit so many payments in all.

    Of the ways in which a kind comes about, each gets its turn; with which it begins depends on the stage's luck.
    ``losing`` is whether webhooks are lost at all: without it nothing is planted that a correction stands beside.
    """
    copies = max(1, min(MOST_COPIES, payments // PAYMENTS_A_COPY))
    for kind, ways in (*DISAGREEMENTS.items(), *SIDE_CONDITIONS.items()):
        unheard = WITH_LOST_WEBHOOK.get(kind, ()) if losing else ()
        _some(world, (*ways, *unheard), copies)
    _some(world, JUST_NOW, copies)
    _some(world, SETTLED, copies)


def _some(world: World, ways: Sequence[Plant], copies: int) -> None:
    first = world.random.randrange(len(ways))
    for number in range(copies):
        ways[(first + number) % len(ways)](world)
