"""The ways into one account: one for each kind of sweep, so that a long one does not keep a quick one waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Protocol

from reconciler.engine.account import OpenAccount
from reconciler.engine.sources.claimed_rechecks import ClaimedRechecks
from reconciler.errors import ReconcilerError


class OpenSlot(Protocol):
    """Opens the account of these lanes."""

    def __call__(self, *, checks: ClaimedRechecks) -> AbstractContextManager[OpenAccount]:
        """With the checks in hand that its lanes share."""
        ...


class SweepSlots:
    """Open accounts by name, opened when they are first wanted; they share one database and one pacer.

    The checks in hand are theirs together as well. Each has a gateway of its own, which counts what its sweeps read. One whose sweep failed is opened anew, so that
    the table is looked at again.
    """

    def __init__(self, open_account: OpenSlot) -> None:
        self._open = open_account
        self._checks = ClaimedRechecks()
        self._free = threading.Condition()
        self._slots: dict[str, tuple[ExitStack, OpenAccount]] = {}
        self._used: set[str] = set()

    @contextmanager
    def using(self, name: str) -> Iterator[OpenAccount]:
        """The open account of that name, for the length of the block. Raises what opening it raises."""
        with self.busy(name):
            yield self._slot(name)

    @contextmanager
    def busy(self, name: str) -> Iterator[None]:
        """Something is at work under that name that needs no open account."""
        with self._free:
            self._used.add(name)
        try:
            yield
        finally:
            with self._free:
                self._used.discard(name)
                self._free.notify_all()

    def renew(self, name: str) -> None:
        """Close the lane; the next sweep opens it anew."""
        with self._free:
            slot = self._slots.pop(name, None)
        if slot is not None:
            slot[0].close()

    def idle_but(self, name: str, seconds: float | None) -> bool:
        """Wait until no lane but this one is in use; False where that took longer than so many seconds."""
        with self._free:
            return self._free.wait_for(lambda: not self._used - {name}, timeout=seconds)

    def close(self) -> None:
        """Close all lanes. Raises the last error of those that could not be closed."""
        with self._free:
            slots, self._slots = self._slots, {}
        failure: ReconcilerError | None = None
        for stack, _ in slots.values():
            try:
                stack.close()
            except ReconcilerError as error:
                failure = error
        if failure is not None:
            raise failure

    def _slot(self, name: str) -> OpenAccount:
        with self._free:
            known = self._slots.get(name)
        if known is not None:
            return known[1]
        with ExitStack() as stack:
            account = stack.enter_context(self._open(checks=self._checks))
            with self._free:
                self._slots[name] = (stack.pop_all(), account)
        return account
