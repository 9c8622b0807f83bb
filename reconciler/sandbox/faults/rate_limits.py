"""Stripe's rate limits, and a record of every request.

Buckets are filled on a clock of their own: the sandbox's Stripe time may stand still while requests come in.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.clock import Clock

_KEPT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """Requests per second and requests at once; None switches a limit off.

    The defaults are Stripe's documented ones. ``burst`` is how many seconds' worth an idle bucket holds.
    ``endpoints`` overrides ``endpoint_per_second`` by endpoint (``GET /v1/payment_intents``).
    """

    live_per_second: float | None = 100
    test_per_second: float | None = 25
    endpoint_per_second: float | None = 25
    endpoints: Mapping[str, float] = field(default_factory=dict)
    global_at_once: int | None = None
    endpoint_at_once: int | None = None
    burst: float = 1.0


NO_LIMITS = SandboxLimits(live_per_second=None, test_per_second=None, endpoint_per_second=None)


@dataclass(slots=True)
class _Bucket:
    rate: float
    size: float
    tokens: float
    filled_at: float

    def fill(self, now: float) -> None:
        self.tokens = min(self.size, self.tokens + (now - self.filled_at) * self.rate)
        self.filled_at = now


class Gate:
    """Admits requests, or names the limit that refuses them. ``holder`` is an account and mode."""

    def __init__(self, limits: SandboxLimits, clock: Clock) -> None:
        self.limits = limits
        self._clock = clock
        self._buckets: dict[tuple[str, str], _Bucket] = {}
        self._inside: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def enter(self, holder: str, endpoint: str, *, livemode: bool) -> str | None:
        """None if admitted (then call :meth:`leave`), else the ``Stripe-Rate-Limited-Reason``."""
        limits = self.limits
        overall = limits.live_per_second if livemode else limits.test_per_second
        own = limits.endpoints.get(endpoint, limits.endpoint_per_second)
        with self._lock:
            if self._full(holder, "", limits.global_at_once):
                return "global-concurrency"
            if self._full(holder, endpoint, limits.endpoint_at_once):
                return "endpoint-concurrency"
            buckets = (self._bucket(holder, "", overall), self._bucket(holder, endpoint, own))
            for bucket, reason in zip(buckets, ("global-rate", "endpoint-rate"), strict=True):
                if bucket is not None and bucket.tokens < 1:
                    return reason
            for bucket in buckets:
                if bucket is not None:
                    bucket.tokens -= 1
            self._inside[holder, ""] += 1
            self._inside[holder, endpoint] += 1
        return None

    def leave(self, holder: str, endpoint: str) -> None:
        with self._lock:
            self._inside[holder, ""] -= 1
            self._inside[holder, endpoint] -= 1

    def _full(self, holder: str, endpoint: str, at_once: int | None) -> bool:
        return at_once is not None and self._inside[holder, endpoint] >= at_once

    def _bucket(self, holder: str, endpoint: str, rate: float | None) -> _Bucket | None:
        if rate is None:
            return None
        now = self._clock.monotonic()
        bucket = self._buckets.get((holder, endpoint))
        if bucket is None or bucket.rate != rate:
            size = max(1.0, rate * self.limits.burst)
            bucket = self._buckets[holder, endpoint] = _Bucket(rate, size, size, now)
        bucket.fill(now)
        return bucket


@dataclass(frozen=True, slots=True)
class Seen:
    """One request. ``status`` is 0 where no whole answer was sent. ``headers`` never hold the key."""

    method: str
    target: str
    endpoint: str
    status: int
    at: float
    headers: Mapping[str, str]


class RequestLog:
    """Counts of all requests, for assertions on reads spent and on 429. Safe to read at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self._counts: Counter[tuple[str, int]] = Counter()
            self._windows: dict[str, deque[float]] = {}
            self._fastest: dict[str, int] = {}
            self._recent: deque[Seen] = deque(maxlen=_KEPT)

    def arrived(self, endpoint: str, at: float) -> None:
        """Take the arrival into the maximum rates: the endpoint's and, under ``""``, the overall one."""
        with self._lock:
            for name in (endpoint, ""):
                window = self._windows.setdefault(name, deque())
                window.append(at)
                while window[0] <= at - 1:
                    window.popleft()
                self._fastest[name] = max(self._fastest.get(name, 0), len(window))

    def answered(self, seen: Seen) -> None:
        with self._lock:
            self._counts[seen.endpoint, seen.status] += 1
            self._recent.append(seen)

    @property
    def counts(self) -> dict[tuple[str, int], int]:
        """Requests by (endpoint, status)."""
        with self._lock:
            return dict(self._counts)

    def count(self, endpoint: str | None = None, status: int | None = None) -> int:
        """Requests, of an endpoint (``GET /v1/payment_intents``) and status if given."""
        return sum(
            number
            for (name, answered), number in self.counts.items()
            if endpoint in (None, name) and status in (None, answered)
        )

    @property
    def reads(self) -> int:
        """GETs, whatever became of them: what Stripe's read allocation is spent on."""
        return sum(number for (name, _), number in self.counts.items() if name.startswith("GET "))

    @property
    def rate_limited(self) -> int:
        """Answers with 429."""
        return self.count(status=429)

    def most_per_second(self, endpoint: str = "") -> int:
        """The most requests that arrived within one second, of an endpoint or of all."""
        with self._lock:
            return self._fastest.get(endpoint, 0)

    @property
    def recent(self) -> list[Seen]:
        """The last requests, oldest first, at most 10,000."""
        with self._lock:
            return list(self._recent)
