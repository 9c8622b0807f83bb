"""Intents that name another order than the one of their rows: their money may be that order's money."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match, Rules
from reconciler.domain.outcome import NEGATIVE, Outcome

_UNPAID: Final = NEGATIVE | {Outcome.INCOMPLETE}
MOST: Final = 100_000
"""The most intents that a sweep keeps."""


class IntentsElsewhere:
    """Keeps, for one sweep, the intents that may be money of an order and that no row of that order holds.

    A row may have no order, or another one than the metadata of its intent; an intent may belong to another table.
    """

    def __init__(self, rules: Rules) -> None:
        self._key = rules.link_metadata
        self._intents: list[Intent] = []
        self.is_whole = True

    def __iter__(self) -> Iterator[Intent]:
        return iter(self._intents)

    def add(self, matches: Iterable[Match]) -> None:
        """Keep those of the examined intents that name an order which is not the one of their rows."""
        if self._key is None:
            return
        for match in matches:
            intent = match.intent
            if not isinstance(intent, Intent) or intent.outcome in _UNPAID:
                continue
            order = intent.metadata.get(self._key)
            if order and order != match.order:
                self.is_whole = self.is_whole and len(self._intents) < MOST
                if self.is_whole:
                    self._intents.append(intent)
