"""One open account for each job, so that a long sweep does not delay a short one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Protocol

from reconciler.engine.account import OpenAccount
from reconciler.engine.sweep_context import ClaimedRechecks
from reconciler.errors import ReconcilerError


class AccountOpener(Protocol):
    """Opens the account of these slots."""

    def __call__(self, *, rechecks: ClaimedRechecks) -> AbstractContextManager[OpenAccount]:
        """Open it for the length of a block, with the claimed rechecks that all slots share."""
        ...


class SweepSlots:
    """Open accounts by the name of their job. A slot is opened when a job first uses it.

    All slots share one database, one rate limiter and the claimed rechecks. Each slot has a gateway of its own, which
    counts the reads of its sweeps. After a failed sweep the slot is closed, so that the next one inspects the merchant's
    table again.
    """

    def __init__(self, open_account: AccountOpener) -> None:
        self._open = open_account
        self._rechecks = ClaimedRechecks()
        self._changed = threading.Condition()
        self._slots: dict[str, tuple[ExitStack, OpenAccount]] = {}
        self._in_use: set[str] = set()

    @contextmanager
    def using(self, name: str) -> Iterator[OpenAccount]:
        """Use the slot of that name for the length of the block. Raises what opening the account raises."""
        with self.busy(name):
            yield self._slot(name)

    @contextmanager
    def busy(self, name: str) -> Iterator[None]:
        """Count work under that name for the length of the block, if the work needs no open account."""
        with self._changed:
            self._in_use.add(name)

        try:
            yield
        finally:
            with self._changed:
                self._in_use.discard(name)
                self._changed.notify_all()

    def close_slot(self, name: str) -> None:
        """Close one slot; the next sweep opens it again."""
        with self._changed:
            slot = self._slots.pop(name, None)
        if slot is not None:
            slot[0].close()

    def wait_until_idle_except(self, name: str, seconds: float | None) -> bool:
        """Wait until no other slot than this one is in use; False if that takes longer than ``seconds``."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._in_use - {name}, timeout=seconds)

    def close(self) -> None:
        """Close all slots. Raises the last error, after every slot was tried."""
        with self._changed:
            slots, self._slots = self._slots, {}

        # one that cannot be closed must not keep the others open
        failure: ReconcilerError | None = None
        for stack, _ in slots.values():
            try:
                stack.close()
            except ReconcilerError as error:
                failure = error
        if failure is not None:
            raise failure

    def _slot(self, name: str) -> OpenAccount:
        with self._changed:
            known = self._slots.get(name)
        if known is not None:
            return known[1]

        # opened outside the lock: opening reads the database, and other jobs must not wait for that
        with ExitStack() as stack:
            account = stack.enter_context(self._open(rechecks=self._rechecks))
            with self._changed:
                self._slots[name] = (stack.pop_all(), account)
        return account
