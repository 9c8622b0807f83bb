"""The faults of a sandbox, by share or by script.

:class:`Faults` has shares from 0 to 1. A seed decides for each event id and each request number, so that a run repeats.
:class:`FaultPlan` adds scripted faults: the next requests that match have them, independent of the shares.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from enum import Enum

from reconciler.sandbox.faults.seeded_chance import SeededChance
from reconciler.sandbox.objects.answers import SandboxAnswer


class RequestFault(Enum):
    """One way in which an API request fails."""

    RATE_LIMITED = "rate_limited"  # 429 with a reason
    SERVER_ERROR = "server_error"  # 500 with Stripe's body
    BAD_GATEWAY = "bad_gateway"  # 502 with HTML and without Stripe's headers
    RESET = "reset"  # the connection is reset before the first byte
    RESET_MIDWAY = "reset_midway"  # the connection is reset after half of the body
    TRUNCATED = "truncated"  # Content-Length is longer than the body
    SILENT = "silent"  # no answer until the server is released or stopped
    MALFORMED = "malformed"  # 200 with a body that is not JSON
    EMPTY_PAGE = "empty_page"  # a list page without items that says has_more
    REPEATED_ITEM = "repeated_item"  # a list page that shows an item again
    SKIPPED_ITEM = "skipped_item"  # a list page that leaves one item out
    SLOW = "slow"  # the right answer, late
    ANSWER = "answer"  # a prepared answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The share of each fault, from 0 to 1, and its size in seconds."""

    seed: int = 0
    # Webhooks. A lost one is never delivered, not even by a retry.
    webhooks_lost: float = 0.0
    webhooks_duplicated: float = 0.0
    webhooks_reordered: float = 0.0
    webhooks_late: float = 0.0
    late_by: float = 3600.0
    # For the merchant's own code: it answers 200 and then loses the event.
    dropped_after_200: float = 0.0
    # Events. One that is never generated is neither listed nor delivered.
    events_never_generated: float = 0.0
    events_listed_late: float = 0.0
    listed_after: int = 30
    # API requests.
    latency: float = 0.0
    latency_jitter: float = 0.0
    rate_limited: float = 0.0
    rate_limited_reason: str = "endpoint-rate"
    server_error: float = 0.0
    bad_gateway: float = 0.0
    reset: float = 0.0
    reset_midway: float = 0.0
    truncated: float = 0.0
    silent: float = 0.0
    malformed: float = 0.0
    empty_page: float = 0.0
    repeated_item: float = 0.0
    skipped_item: float = 0.0

    def drops_after_200(self, event_id: str) -> bool:
        """Whether the merchant's code answers this event with 200 and loses it."""
        return SeededChance(self.seed).hit(self.dropped_after_200, "dropped", event_id)


_BY_SHARE = tuple(
    kind for kind in RequestFault if kind not in (RequestFault.SLOW, RequestFault.ANSWER)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFault:
    """The fault of one request: its kind, and the values that this kind needs."""

    kind: RequestFault
    reason: str = "endpoint-rate"
    seconds: float = 0.0
    answer: SandboxAnswer | None = None


@dataclass(slots=True, kw_only=True)
class _ScriptedFault:
    planned: PlannedFault
    times: int
    endpoint: str | None
    target: re.Pattern[str] | None
    after: int = field(default=0)

    def matches(self, endpoint: str, target: str) -> bool:
        return (self.endpoint is None or self.endpoint == endpoint) and (
            self.target is None or self.target.search(target) is not None
        )


class FaultPlan:
    """The faults of a sandbox: the shares, which may be replaced at any time, and the script."""

    def __init__(self, shares: Faults) -> None:
        self.shares = shares
        self._script: list[_ScriptedFault] = []
        self._lock = threading.Lock()

    def script(
        self,
        kind: RequestFault,
        *,
        times: int = 1,
        endpoint: str | None = None,
        target: str | None = None,
        after: int = 0,
        reason: str = "endpoint-rate",
        seconds: float = 0.0,
        answer: SandboxAnswer | None = None,
    ) -> None:
        """Let the next matching requests fail. Scripted faults are used up in the order of their calls.

        Args:
            kind: The fault.
            times: The number of requests that fail.
            endpoint: Only requests to this endpoint fail, such as ``GET /v1/payment_intents/{id}``.
            target: Only requests fail whose path and query, as sent, match this regular expression.
            after: The number of matching requests that succeed first.
            reason: The ``Stripe-Rate-Limited-Reason`` of a 429.
            seconds: The delay, for ``RequestFault.SLOW``.
            answer: The answer, for ``RequestFault.ANSWER``.
        """
        planned = PlannedFault(kind=kind, reason=reason, seconds=seconds, answer=answer)
        pattern = re.compile(target) if target is not None else None
        with self._lock:
            self._script.append(
                _ScriptedFault(
                    planned=planned, times=times, endpoint=endpoint, target=pattern, after=after
                )
            )

    def clear(self) -> None:
        """Remove every scripted fault."""
        with self._lock:
            self._script.clear()

    @property
    def scripted(self) -> int:
        """The number of scripted faults that have not happened yet."""
        with self._lock:
            return sum(entry.times for entry in self._script)

    def for_request(self, number: int, endpoint: str, target: str) -> PlannedFault | None:
        """The fault of a request, by the script, else by share; None if it has none."""
        with self._lock:
            for entry in self._script:
                if not entry.matches(endpoint, target):
                    continue
                if entry.after > 0:
                    entry.after -= 1
                    continue
                entry.times -= 1
                if entry.times <= 0:
                    self._script.remove(entry)
                return entry.planned
        return self._by_share(number)

    def _by_share(self, number: int) -> PlannedFault | None:
        shares = self.shares
        chance = SeededChance(shares.seed)
        for kind in _BY_SHARE:
            if chance.hit(getattr(shares, kind.value), kind.value, number):
                return PlannedFault(kind=kind, reason=shares.rate_limited_reason)
        return None

    def latency(self, number: int) -> float:
        """Seconds before the sandbox begins to work on a request."""
        shares = self.shares
        if not shares.latency_jitter:
            return shares.latency
        jitter = SeededChance(shares.seed).between(-1, 1, "latency", number) * shares.latency_jitter
        return max(0.0, shares.latency + jitter)
