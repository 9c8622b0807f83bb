"""Chance that repeats: every choice of the sandbox depends on a seed and on what the choice is about."""

from __future__ import annotations

from random import Random


class SeededChance:
    """Makes choices that depend only on the seed and on ``about``, not on earlier choices.

    A run with the same seed loses the same webhooks, even if its threads run in another order.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def _draw(self, about: tuple[object, ...]) -> float:
        # repeatable on purpose; nothing here is a secret
        return Random(f"{self.seed}:{':'.join(map(str, about))}").random()  # noqa: S311

    def hit(self, share: float, *about: object) -> bool:
        """Whether the thing ``about`` is among the ``share`` (0 to 1) of things that are chosen."""
        return share > 0 and self._draw(about) < share

    def between(self, low: float, high: float, *about: object) -> float:
        """A number from ``low`` to ``high`` for the thing ``about``."""
        return low + (high - low) * self._draw(about)
