"""The edge of a page, where a sweep asks whether it may write, and whether it is to go on."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.errors import StoppedError


class StopToken:
    """Keeps a stop until the page in hand is recorded. ``check`` raises where the lease is lost, or to stop the sweep.

    A lost lease is raised at once, for nothing more may be written then; a stop is only no reason to begin anything.
    """

    def __init__(self, recheck: Callable[[], None]) -> None:
        self._check = recheck
        self._stop: StoppedError | None = None

    @property
    def is_stopping(self) -> bool:
        """Whether the sweep was told to stop: then what is held is recorded, and nothing else begun."""
        return self._stop is not None

    def raise_if_lease_lost(self) -> None:
        """Raises what ``check`` raises, but for a stop, which is kept in mind."""
        try:
            self._check()
        except StoppedError as error:
            self._stop = error

    def raise_if_stopping(self) -> None:
        """Raises the StoppedError that was kept in mind. Asks nobody: a stop heard now would lose what is held."""
        if self._stop is not None:
            raise self._stop
