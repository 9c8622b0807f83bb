"""The lease of an account: one process at a time works on it, and every write checks the lease's epoch."""

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
    """A lease that is held for the length of a with block. A thread renews it after each third of its time.

    The renewal spares the holder a takeover by another process. It does not make a write safe: each transaction checks
    the epoch in the database. The account's rate limits go with the lease. ``rate_limiter`` begins with the reads that
    an earlier holder has just sent, and the next holder is left the number of reads that this one has just sent.
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
                "Wait until it has finished, or stop it. If it has crashed, its lease ends"
                f" within {self._seconds:.0f} s.",
            )
        self.epoch = epoch
        self._until = asked_at + self._seconds
        try:
            if self._rate_limiter is not None:
                last_second = self._store.last_second()
                # another process may be reading with the reserved share, for which no holder has made room yet
                self._rate_limiter.keep_to(1 - PART, ROOM_SECONDS)
                self._rate_limiter.recall(last_second)
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
            # a lease that cannot be released expires by itself; its error must not hide what was done under it
            with contextlib.suppress(ReconcilerError):
                last_second = 0 if self._rate_limiter is None else self._rate_limiter.last_second
                self._store.release(self._holder, self.epoch, last_second)

    @property
    def has_run_out(self) -> bool:
        """Whether it was not renewed for its whole time, by this machine's clock. Another process may hold it now."""
        return self._clock.monotonic() >= self._until

    def raise_if_lost(self) -> None:
        """Raise LeaseLostError if another process has taken over."""
        if self._lost.is_set():
            raise LeaseLostError(
                "Another process has taken over this account.",
                "Nothing was written after that. Run the sweep again when the other process has finished.",
            )

    def _keep(self) -> None:
        try:
            self._renew_until_stopped()
        finally:
            # also after an error that nothing expects: without its renewal the lease must not seem to be held
            if not self._stop.is_set():
                self._lost.set()

    def _renew_until_stopped(self) -> None:
        while not self._clock.wait(self._stop, self._seconds / 3):
            asked_at = self._clock.monotonic()
            try:
                was_renewed = self._store.renew(self._holder, self.epoch, self._seconds)
            except (DatabaseUnavailableError, DatabaseBusyError):
                continue  # the next renewal shows whether the lease is lost; until then the epoch guards every write
            except ReconcilerError:
                was_renewed = False  # the database refuses, and will refuse again
            if not was_renewed:
                return
            self._until = asked_at + self._seconds
