"""Holding an account: one process at a time, proved by an epoch that every write is fenced with."""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType
from typing import Final, Self

from reconciler.clock import Clock
from reconciler.engine.ports import LeaseStore
from reconciler.errors import (
    DatabaseBusyError,
    DatabaseUnavailableError,
    LeaseHeldError,
    LeaseLostError,
    ReconcilerError,
)

LEASE_SECONDS: Final = 30.0


class Lease:
    """A lease held for the length of a with block and renewed by a thread at a third of its time.

    The thread only spares the holder a takeover. What makes a write safe is the epoch, which the database checks in
    the transaction itself.
    """

    def __init__(
        self, store: LeaseStore, holder: str, clock: Clock, seconds: float = LEASE_SECONDS
    ) -> None:
        self._store = store
        self._holder = holder
        self._clock = clock
        self._seconds = seconds
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self.epoch = 0

    def __enter__(self) -> Self:
        epoch = self._store.acquire(self._holder, self._seconds)
        if epoch is None:
            other = self._store.holder() or "another process"
            raise LeaseHeldError(
                f"{other} is working on this account.",
                "Wait until it has finished, or stop it; its lease ends by itself"
                f" within {self._seconds:.0f} s of its death.",
            )
        self.epoch = epoch
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        if not self._lost.is_set():
            # one that cannot be given back ends by itself, and must not hide what was done under it
            with contextlib.suppress(ReconcilerError):
                self._store.release(self._holder, self.epoch)

    def check(self) -> None:
        """Raise LeaseLostError where another has taken over."""
        if self._lost.is_set():
            raise LeaseLostError(
                "Another process has taken over this account.",
                "Nothing was written after that; run the pass again when the other has finished.",
            )

    def _keep(self) -> None:
        while not self._clock.wait(self._stop, self._seconds / 3):
            try:
                kept = self._store.renew(self._holder, self.epoch, self._seconds)
            except (DatabaseUnavailableError, DatabaseBusyError):
                continue  # the next renewal tells; meanwhile the epoch guards every write
            except ReconcilerError:
                kept = False  # refused: it will not come back
            if not kept:
                self._lost.set()
                return
