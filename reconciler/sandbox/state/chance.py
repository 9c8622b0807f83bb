"""Luck that repeats: every choice of the sandbox follows from a seed and from what the choice is about."""

from __future__ import annotations

import string
from random import Random

LETTERS = string.ascii_letters + string.digits


class SeededChance:
    """Choices that depend on the seed and their subject alone, not on what was chosen before.

    So a run with the same seed loses the same webhooks, also when threads meet in another order.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def _draw(self, about: tuple[object, ...]) -> float:
        # Repeatable on purpose; nothing here is a secret.
        return Random(f"{self.seed}:{':'.join(map(str, about))}").random()  # noqa: S311

    def hit(self, share: float, *about: object) -> bool:
        """Whether the thing ``about`` is among the ``share`` (0 to 1) of things that are chosen."""
        return share > 0 and self._draw(about) < share

    def between(self, low: float, high: float, *about: object) -> float:
        """A number from ``low`` to ``high`` for the thing ``about``."""
        return low + (high - low) * self._draw(about)


class Ids:
    """Identifiers as Stripe makes them: a prefix and letters, never the same twice, repeatable by seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"ids:{seed}")  # noqa: S311 - repeatable on purpose
        self._count = 0

    def fresh(self, prefix: str) -> str:
        """A new id such as ``pi_3Qx…``."""
        self._count += 1
        return f"{prefix}_3{self.letters(15)}{self._count:08d}"

    def letters(self, length: int) -> str:
        """So many random letters and digits."""
        return "".join(self._random.choices(LETTERS, k=length))
