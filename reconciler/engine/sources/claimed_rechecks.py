"""The checks that sweeps of the service are asking Stripe about just now: each is one pass's business alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable


class ClaimedRechecks:
    """Shared by the sweeps that go side by side over one account. Safe to share between threads.

    The tail and the due net both cast the checks that have come due. Whoever comes first has them until its sweep has
    ended; the other takes what is left, so that neither has to wait for the other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: set[str] = set()

    def take(
        self, read: Callable[[int], tuple[str, ...]], most: int
    ) -> tuple[tuple[str, ...], bool]:
        """Up to ``most`` intents that no sweep has in hand, and whether there are more of them.

        ``read`` gives at most so many intents whose check has come; give back what was taken when it is recorded.
        """
        # read under the lock: a check that another sweep gives back in between has been settled by then
        with self._lock:
            found = read(most + 1 + len(self._held))
            free = [intent for intent in found if intent not in self._held]
            taken = tuple(free[:most])
            self._held.update(taken)
            return taken, len(free) > most

    def give_back(self, intents: Iterable[str]) -> None:
        """The sweep that took them has ended; what it did not settle is there for the next."""
        with self._lock:
            self._held.difference_update(intents)

    def holds(self, intent: str) -> bool:
        """Whether some sweep is asking about it."""
        with self._lock:
            return intent in self._held
