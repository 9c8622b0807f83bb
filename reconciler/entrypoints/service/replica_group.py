"""The live replicas of the service: which accounts this one should hold, and reads reserved for other processes.

The group only spreads the work. The lease alone gives the right to an account. If the other replicas cannot be seen,
any replica takes a free account.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from reconciler.adapters.postgres.coordination.replicas import GroupView, PostgresReplicas
from reconciler.adapters.postgres.database import Database
from reconciler.clock import Clock
from reconciler.domain.account_assignment import assign_accounts
from reconciler.engine.health.watchdog import Pulse, Steps
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.engine.limits.reserved_share import CHECK_SECONDS, PART, ROOM_SECONDS
from reconciler.errors import ReconcilerError
from reconciler.masking import redact

INELIGIBLE_LEASES: Final = 20
"""For so many lease times a replica that could not work on an account is ineligible for it; each time twice as long."""
LONGEST_INELIGIBLE_SECONDS: Final = 86_400.0

log = structlog.stdlib.get_logger()


@dataclass(frozen=True, slots=True)
class _Ineligible:
    """This replica is not eligible for an account until this monotonic time; the time lasted so many seconds."""

    until: float
    seconds: float


class ReplicaGroup(threading.Thread):
    """This replica among the others. ``held_limiters`` gives the rate limiter of each account that this process holds."""

    def __init__(
        self,
        url: str,
        replica: str,
        accounts: Sequence[str],
        clock: Clock,
        lease_seconds: float,
        held_limiters: Callable[[], Mapping[str, RateLimiter]],
        pulse: Pulse,
    ) -> None:
        super().__init__(name="replicas", daemon=True)
        self.replica = replica
        self._url = url
        self._accounts = tuple(accounts)
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._held_limiters = held_limiters
        self._pulse = pulse
        self._stopping = threading.Event()
        self._is_leaving = False
        self._lock = threading.Lock()
        self._ineligible: dict[str, _Ineligible] = {}
        self._view: GroupView | None = None
        self._assigned: Mapping[str, str] = {}
        self._viewed_at = clock.monotonic()
        self._free_since: dict[str, float] = {}
        self._failed = False
        self._logged_failure = ""

    def may_take(self, account: str) -> bool:
        """Whether this replica should try for the account's lease now.

        A free account that is assigned to another replica is left to it for one lease time. If the view of the replicas
        is older than a lease time, because reading it fails or hangs, any replica may try.
        """
        with self._lock:
            now = self._clock.monotonic()
            if self._is_view_old(now):
                return True
            # nothing was read yet: others may have a better right, unless reading fails
            view = self._view
            if view is None:
                return self._failed
            if view.holders.get(account) is not None:
                return False
            if self._assigned.get(account, self.replica) == self.replica:
                return True
            return now - self._free_since.get(account, now) > self._lease_seconds

    def successor(self, account: str) -> str | None:
        """The replica that an account held here should go to; None if it should stay."""
        with self._lock:
            view = self._recent_view(self._clock.monotonic())
            if view is None or view.holders.get(account) != self.replica:
                return None
            assigned = self._assigned.get(account, self.replica)
            return None if assigned == self.replica else assigned

    def set_eligible(self, account: str) -> None:
        """A sweep over the account succeeded here: this replica can work on it."""
        with self._lock:
            self._ineligible.pop(account, None)

    def set_ineligible(self, account: str) -> None:
        """An error that a person has to correct keeps this replica from the account: others should take it."""
        with self._lock:
            now = self._clock.monotonic()
            # one error is met by several jobs: it counts once
            earlier = self._ineligible.get(account)
            if earlier is not None and now < earlier.until:
                return
            seconds = (
                INELIGIBLE_LEASES * self._lease_seconds if earlier is None else 2 * earlier.seconds
            )
            self._ineligible[account] = _Ineligible(
                now + seconds, min(seconds, LONGEST_INELIGIBLE_SECONDS)
            )

    def is_eligible(self, account: str) -> bool:
        """Whether the account may be assigned to this replica.

        After an error it becomes eligible again when its time is over and an eligible replica holds the account.
        """
        with self._lock:
            ineligible = self._ineligible.get(account)
            if ineligible is None:
                return True
            if self._clock.monotonic() < ineligible.until or self._view is None:
                return False

            # if no other can work on it, a return would only move the account for nothing
            holder = self._view.holders.get(account)
            return holder in self._view.eligible.get(account, ())

    def leave(self) -> None:
        """Let the others have the accounts, before their leases are given back."""
        self._is_leaving = True

    def stop(self) -> None:
        """Let the thread end."""
        self._stopping.set()

    def run(self) -> None:
        """Renew this replica's row and read the others' until stopped; an outage of the database is waited out."""
        with self._pulse.attending("replicas") as steps:
            while not self._stopping.is_set():
                steps.advance()
                try:
                    with Database(self._url, size=1) as database:
                        self._attend(PostgresReplicas(database, self.replica), steps)
                except ReconcilerError as error:
                    # a new connection pool next time: the old connections may stay broken
                    with self._lock:
                        self._failed = True
                    self._log_change(redact(str(error)))
                    with steps.resting():
                        self._clock.wait(self._stopping, self._lease_seconds / 3)

    def _attend(self, replicas: PostgresReplicas, steps: Steps) -> None:
        read_at = self._clock.monotonic()
        is_member = True
        while not self._stopping.is_set():
            now = self._clock.monotonic()
            if self._is_leaving and is_member:
                # before the leases are given back, so that they are not assigned here again
                is_member = False
                replicas.withdraw(self._accounts)
            elif is_member and now >= read_at:
                # while an account is about to come here the view is read every second: the account is free only briefly
                expects_account = self._read_view(replicas)
                longest = CHECK_SECONDS if expects_account else self._lease_seconds
                read_at = now + min(self._lease_seconds / 3, longest)
                self._log_change("")
            self._yield_reserved_shares(replicas)

            # another process that reads beside a sweep must be seen within a second
            pause = min(CHECK_SECONDS, read_at - now) if is_member else CHECK_SECONDS
            with steps.resting():
                self._clock.wait(self._stopping, pause)
        if self._is_leaving and is_member:
            replicas.withdraw(self._accounts)

    def _read_view(self, replicas: PostgresReplicas) -> bool:
        """Renew this replica's row and read the others'; whether an account is assigned here that is not held here."""
        eligible = [account for account in self._accounts if self.is_eligible(account)]
        ineligible = [account for account in self._accounts if account not in eligible]
        # one query does both: the row is renewed as often as the others are read
        view = replicas.renew(eligible, ineligible, self._lease_seconds)
        assigned = assign_accounts(view.holders, view.eligible)

        with self._lock:
            now = self._clock.monotonic()
            self._view, self._assigned, self._viewed_at = view, assigned, now
            self._failed = False
            # how long an account has been free, for an account that its assigned replica does not take
            free = [account for account, holder in view.holders.items() if holder is None]
            self._free_since = {account: self._free_since.get(account, now) for account in free}
        return any(
            replica == self.replica != view.holders[account]
            for account, replica in assigned.items()
        )

    def _yield_reserved_shares(self, replicas: PostgresReplicas) -> None:
        """Slow down on every account that another process reads beside this one."""
        held = self._held_limiters()
        if held:
            for account in replicas.reserved_shares(tuple(held)):
                held[account].keep_to(1 - PART, ROOM_SECONDS)

    def _recent_view(self, now: float) -> GroupView | None:
        return None if self._is_view_old(now) else self._view

    def _is_view_old(self, now: float) -> bool:
        """Whether the replicas were last read longer ago than a lease lasts."""
        return now - self._viewed_at > self._lease_seconds

    def _log_change(self, failure: str) -> None:
        """Log a failure to read the replicas, or its end, once each; an empty text is no failure."""
        if failure != self._logged_failure:
            self._logged_failure = failure
            if failure:
                log.warning("replicas.unseen", why=failure)
            else:
                log.info("replicas.seen")
