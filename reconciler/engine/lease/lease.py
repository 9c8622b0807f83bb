"""Holding an account: one process at a time, proved by an epoch that every write is fenced with."""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType
from typing import Final, Self

from reconciler.clock import Clock
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.engine.limits.reserved_share import PART, ROOM_SECONDS
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
    the transaction itself. With the lease goes the account's budget: ``pacer`` begins with what an earlier holder has
    just sent, and what it has sent itself is left to the next one.
    """

    def __init__(
        self,
        store: LeaseStore,
        holder: str,
        clock: Clock,
        seconds: float = LEASE_SECONDS,
        rate_limiter: RateLimiter | None = None,
    ) -> None:
        self._store = store
        self._holder = holder
        self._clock = clock
        self._seconds = seconds
        self._rate_limiter = rate_limiter
        self._until = 0.0
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self.epoch = 0

    def __enter__(self) -> Self:
        asked_at = self._clock.monotonic()
        epoch = self._store.acquire(self._holder, self._seconds)
        if epoch is None:
            other = self._store.holder() or "another process"
            raise LeaseHeldError(
                f"{other} is working on this account.",
                "Wait until it has finished, or stop it; its lease ends by itself"
                f" within {self._seconds:.0f} s of its death.",
            )
        self.epoch = epoch
        self._until = asked_at + self._seconds
        try:
            self._take_budget()
        except ReconcilerError:
            with contextlib.suppress(ReconcilerError):
                self._store.release(self._holder, epoch)
            raise
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
                last_second = 0 if self._rate_limiter is None else self._rate_limiter.last_second
                self._store.release(self._holder, self.epoch, last_second)

    def _take_budget(self) -> None:
        if self._rate_limiter is not None:
            # a guest may be reading whom no holder has made room for yet
            self._rate_limiter.keep_to(1 - PART, ROOM_SECONDS)
            self._rate_limiter.recall(self._store.last_second())

    @property
    def has_run_out(self) -> bool:
        """Whether nothing has renewed it for its whole time by our own clock: another may have it by now."""
        return self._clock.monotonic() >= self._until

    def raise_if_lost(self) -> None:
        """Raise LeaseLostError where another has taken over."""
        if self._lost.is_set():
            raise LeaseLostError(
                "Another process has taken over this account.",
                "Nothing was written after that; run the sweep again when the other has finished.",
            )

    def _keep(self) -> None:
        while not self._clock.wait(self._stop, self._seconds / 3):
            asked_at = self._clock.monotonic()
            try:
                kept = self._store.renew(self._holder, self.epoch, self._seconds)
            except (DatabaseUnavailableError, DatabaseBusyError):
                continue  # the next renewal tells; meanwhile the epoch guards every write
            except ReconcilerError:
                kept = False  # refused: it will not come back
            if not kept:
                self._lost.set()
                return
            self._until = asked_at + self._seconds
