"""Ids in the format of Stripe's."""

from __future__ import annotations

import string
from random import Random

LETTERS = string.ascii_letters + string.digits


class Ids:
    """Makes ids: a prefix and letters, never the same id twice. The same seed makes the same ids."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"ids:{seed}")  # noqa: S311 - repeatable on purpose
        self._count = 0

    def new(self, prefix: str) -> str:
        """A new id such as ``pi_3Qx…``."""
        self._count += 1
        return f"{prefix}_3{self.letters(15)}{self._count:08d}"

    def letters(self, length: int) -> str:
        """So many random letters and digits."""
        return "".join(self._random.choices(LETTERS, k=length))
