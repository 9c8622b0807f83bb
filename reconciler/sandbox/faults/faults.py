"""What goes wrong, by seed or by script.

:class:`Faults` holds shares (0 to 1) decided by seed for each event id and each request number, so that a run repeats.
:class:`FaultPlan` adds scripted faults: the next requests that match are answered so, whatever the shares say.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from enum import Enum

from reconciler.sandbox.objects.answers import SandboxAnswer
from reconciler.sandbox.state.chance import SeededChance


class Break(Enum):
    """One way in which an API request goes wrong."""

    RATE_LIMITED = "rate_limited"  # 429 with a reason
    SERVER_ERROR = "server_error"  # 500 with Stripe's body
    BAD_GATEWAY = "bad_gateway"  # 502, HTML, none of Stripe's headers
    RESET = "reset"  # the connection is reset before a byte is sent
    RESET_MIDWAY = "reset_midway"  # and after half of the body
    TRUNCATED = "truncated"  # Content-Length promises more than comes
    SILENT = "silent"  # no answer until released or stopped
    MALFORMED = "malformed"  # 200 and no JSON
    EMPTY_PAGE = "empty_page"  # a list page without items that says has_more
    REPEATED_ITEM = "repeated_item"  # a list page that shows an item again
    SKIPPED_ITEM = "skipped_item"  # a list page that leaves one out
    SLOW = "slow"  # the right answer, late
    ANSWER = "answer"  # a prepared answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Shares of things that go wrong, each 0 to 1, and how far they go, in seconds."""

    seed: int = 0
    # Webhooks. A lost one is never delivered, however often Stripe tries.
    webhooks_lost: float = 0.0
    webhooks_duplicated: float = 0.0
    webhooks_reordered: float = 0.0
    webhooks_late: float = 0.0
    late_by: float = 3600.0
    # For the merchant's own code: it answers 200 and then loses the event.
    dropped_after_200: float = 0.0
    # Events. One never generated is neither listed nor delivered.
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


_BY_SHARE = tuple(kind for kind in Break if kind not in (Break.SLOW, Break.ANSWER))


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakage:
    """One request's fault: the kind and what it needs."""

    kind: Break
    reason: str = "endpoint-rate"
    seconds: float = 0.0
    answer: SandboxAnswer | None = None


@dataclass(slots=True, kw_only=True)
class _Scripted:
    breakage: Breakage
    times: int
    endpoint: str | None
    target: re.Pattern[str] | None
    after: int = field(default=0)

    def matches(self, endpoint: str, target: str) -> bool:
        return (self.endpoint is None or self.endpoint == endpoint) and (
            self.target is None or self.target.search(target) is not None
        )


class FaultPlan:
    """The faults of a sandbox: the shares, which may be exchanged at any time, and the script."""

    def __init__(self, shares: Faults) -> None:
        self.shares = shares
        self._script: list[_Scripted] = []
        self._lock = threading.Lock()

    def script(
        self,
        kind: Break,
        *,
        times: int = 1,
        endpoint: str | None = None,
        target: str | None = None,
        after: int = 0,
        reason: str = "endpoint-rate",
        seconds: float = 0.0,
        answer: SandboxAnswer | None = None,
    ) -> None:
        """Let the next matching requests go wrong. Scripted faults are used up in the order given.

        Args:
            kind: How.
            times: For how many requests.
            endpoint: Only this one, such as ``GET /v1/payment_intents/{id}``.
            target: Only where this regular expression is found in path and query as sent.
            after: Let so many matching requests sweep first.
            reason: ``Stripe-Rate-Limited-Reason`` of a 429.
            seconds: How late, for ``Break.SLOW``.
            answer: What to answer, for ``Break.ANSWER``.
        """
        breakage = Breakage(kind=kind, reason=reason, seconds=seconds, answer=answer)
        pattern = re.compile(target) if target is not None else None
        with self._lock:
            self._script.append(
                _Scripted(
                    breakage=breakage, times=times, endpoint=endpoint, target=pattern, after=after
                )
            )

    def clear(self) -> None:
        """Forget the script."""
        with self._lock:
            self._script.clear()

    @property
    def scripted(self) -> int:
        """How many scripted faults have not happened yet."""
        with self._lock:
            return sum(entry.times for entry in self._script)

    def for_request(self, number: int, endpoint: str, target: str) -> Breakage | None:
        """The fault of a request, if it has one: the script's, else by share."""
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
                return entry.breakage
        return self._by_share(number)

    def _by_share(self, number: int) -> Breakage | None:
        shares = self.shares
        chance = SeededChance(shares.seed)
        for kind in _BY_SHARE:
            if chance.hit(getattr(shares, kind.value), kind.value, number):
                return Breakage(kind=kind, reason=shares.rate_limited_reason)
        return None

    def latency(self, number: int) -> float:
        """Seconds that a request takes before it is looked at."""
        shares = self.shares
        if not shares.latency_jitter:
            return shares.latency
        jitter = SeededChance(shares.seed).between(-1, 1, "latency", number) * shares.latency_jitter
        return max(0.0, shares.latency + jitter)
