"""The replicas that are alive: which accounts fall to this one, and room for those who read beside it.

It only spreads the work. The right to an account is its lease, whatever is said here; where the others cannot be seen,
whoever finds an account free takes it.
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
from reconciler.domain.account_assignment import fair_shares
from reconciler.engine.health.watchdog import Pulse, Steps
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.engine.limits.reserved_share import LOOK_SECONDS, PART, ROOM_SECONDS
from reconciler.errors import ReconcilerError
from reconciler.masking import redact

AWAY_LEASES: Final = 20
"""For so many lease times a replica that could not work on an account stands back; each time twice as long."""
LONGEST_AWAY: Final = 86_400.0
JOIN_SECONDS: Final = 5.0

log = structlog.stdlib.get_logger()


@dataclass(frozen=True, slots=True)
class _Away:
    until: float
    seconds: float


class ReplicaGroup(threading.Thread):
    """This replica among the others. ``holding`` gives the pacer of each account that is held here now."""

    def __init__(
        self,
        url: str,
        replica: str,
        accounts: Sequence[str],
        clock: Clock,
        lease_seconds: float,
        holding: Callable[[], Mapping[str, RateLimiter]],
        pulse: Pulse,
    ) -> None:
        super().__init__(name="team", daemon=True)
        self.replica = replica
        self._url = url
        self._accounts = tuple(accounts)
        self._clock = clock
        self._seconds = lease_seconds
        self._holding = holding
        self._pulse = pulse
        self._stopping = threading.Event()
        self._leaving = False
        self._lock = threading.Lock()
        self._away: dict[str, _Away] = {}
        self._view: GroupView | None = None
        self._shares: Mapping[str, str] = {}
        self._seen_at = clock.monotonic()
        self._free_since: dict[str, float] = {}
        self._failed = False
        self._told = ""

    def may_take(self, account: str) -> bool:
        """Whether this replica should try for the account's lease now.

        One that falls to another is left to it for a lease's time; then it cannot be up to much. Where the others
        have not been seen for so long, be it that the looking fails or hangs, whoever finds it free takes it.
        """
        with self._lock:
            now = self._clock.monotonic()
            if self._is_blind(now):
                return True
            view = self._view
            if view is None:
                return self._failed
            if view.holders.get(account) is not None:
                return False
            if self._shares.get(account, self.replica) == self.replica:
                return True
            return now - self._free_since.get(account, now) > self._seconds

    def successor(self, account: str) -> str | None:
        """The replica that an account which is held here should go to, None where it should stay."""
        with self._lock:
            view = self._fresh(self._clock.monotonic())
            if view is None or view.holders.get(account) != self.replica:
                return None
            share = self._shares.get(account, self.replica)
            return None if share == self.replica else share

    def works(self, account: str) -> None:
        """A sweep over the account went well here."""
        with self._lock:
            self._away.pop(account, None)

    def cannot_work(self, account: str) -> None:
        """Something that a person has to mend keeps this replica from the account: others should have it."""
        with self._lock:
            now = self._clock.monotonic()
            away = self._away.get(account)
            if away is not None and now < away.until:
                return
            seconds = AWAY_LEASES * self._seconds if away is None else 2 * away.seconds
            self._away[account] = _Away(now + seconds, min(seconds, LONGEST_AWAY))

    def is_eligible(self, account: str) -> bool:
        """Whether the others may count on this replica for the account.

        It comes back when it has stood back long enough and the account is in the hands of one that can work on it.
        """
        with self._lock:
            away = self._away.get(account)
            if away is None:
                return True
            if self._clock.monotonic() < away.until or self._view is None:
                return False
            holder = self._view.holders.get(account)
            return holder in self._view.eligible.get(account, ())

    def leave(self) -> None:
        """Give the accounts up to the others, before their leases are given back."""
        self._leaving = True

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self.is_alive():
            self.join(JOIN_SECONDS)

    def run(self) -> None:
        """Look again and again; outages are waited out."""
        with self._pulse.attending("team") as steps:
            while not self._stopping.is_set():
                steps.advance()
                try:
                    with Database(self._url, size=1) as database:
                        self._attend(PostgresReplicas(database, self.replica), steps)
                except ReconcilerError as error:
                    with self._lock:
                        self._failed = True
                    self._tell(redact(str(error)))
                    with steps.resting():
                        self._clock.wait(self._stopping, self._seconds / 3)

    def _attend(self, replicas: PostgresReplicas, steps: Steps) -> None:
        read_at = self._clock.monotonic()
        here = True
        while not self._stopping.is_set():
            now = self._clock.monotonic()
            if self._leaving and here:
                here = False
                replicas.withdraw(self._accounts)
            elif here and now >= read_at:
                hurries = self._look(replicas)
                read_at = now + min(self._seconds / 3, LOOK_SECONDS if hurries else self._seconds)
                self._tell("")
            self._make_room(replicas)
            pause = min(LOOK_SECONDS, read_at - now) if here else LOOK_SECONDS
            with steps.resting():
                self._clock.wait(self._stopping, pause)
        if self._leaving and here:
            replicas.withdraw(self._accounts)

    def _look(self, replicas: PostgresReplicas) -> bool:
        """Renew our place and see the others'; whether an account is on its way here."""
        eligible = [account for account in self._accounts if self.is_eligible(account)]
        ineligible = [account for account in self._accounts if account not in eligible]
        view = replicas.renew(eligible, ineligible, self._seconds)
        shares = fair_shares(view.holders, view.eligible)
        with self._lock:
            now = self._clock.monotonic()
            self._view, self._shares, self._seen_at = view, shares, now
            self._failed = False
            free = [account for account, holder in view.holders.items() if holder is None]
            self._free_since = {account: self._free_since.get(account, now) for account in free}
        return any(
            share == self.replica != view.holders[account] for account, share in shares.items()
        )

    def _make_room(self, replicas: PostgresReplicas) -> None:
        held = self._holding()
        if held:
            for account in replicas.reserved_shares(tuple(held)):
                held[account].keep_to(1 - PART, ROOM_SECONDS)

    def _fresh(self, now: float) -> GroupView | None:
        """How things stood at the last look, None where that is too long ago to say anything."""
        return None if self._is_blind(now) else self._view

    def _is_blind(self, now: float) -> bool:
        """Whether the others have not been seen for longer than a lease lasts."""
        return now - self._seen_at > self._seconds

    def _tell(self, why: str) -> None:
        """Once for each thing that is new."""
        if why != self._told:
            self._told = why
            if why:
                log.warning("replicas.unseen", why=why)
            else:
                log.info("replicas.seen")
