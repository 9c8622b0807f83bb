"""What Stripe's search knows: each intent as it was some time ago, because the index is behind."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.sandbox.objects.records import IntentRecord
from reconciler.sandbox.state.timeline import Timeline

DELAY_SECONDS = 60.0
"""Stripe: data is normally searchable in less than a minute, in an outage after up to an hour."""
LONGEST_DELAY_SECONDS = 3_600.0
_MOST_NOTED = 1_000


class SearchIndex:
    """The recent versions of the intents of one account and mode."""

    def __init__(self) -> None:
        self._replaced: dict[str, list[tuple[int, IntentRecord | None]]] = {}

    def note(self, before: IntentRecord | None, after: IntentRecord, moment: int) -> None:
        """An intent was made or changed at this second. ``before`` is None for a new one."""
        self._replaced.setdefault(after.id, []).append((moment, before))
        if len(self._replaced) > _MOST_NOTED:
            self._forget(moment)

    def found(
        self, intents: Timeline[IntentRecord], now: int, delay: float
    ) -> Iterator[IntentRecord]:
        """Every intent as the index has it at this second, newest first. Those that it lacks are left out.

        ``delay`` is how many seconds the index is behind, an hour at most.
        """
        self._forget(now)
        for intent in reversed(list(intents)):
            known = self._as_indexed(intent, now - delay)
            if known is not None:
                yield known

    def _as_indexed(self, intent: IntentRecord, until: float) -> IntentRecord | None:
        for moment, before in self._replaced.get(intent.id, ()):
            if moment > until:
                return before
        return intent

    def _forget(self, now: int) -> None:
        """Drop what every index has by now."""
        indexed = [
            ident
            for ident, versions in self._replaced.items()
            if versions[-1][0] <= now - LONGEST_DELAY_SECONDS
        ]
        for ident in indexed:
            del self._replaced[ident]
