"""Stripe's rate limits.

The limits run on a clock of their own, because the sandbox's Stripe time may stand still while requests come in.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """Requests per second and requests at the same time; None turns a limit off.

    The defaults are Stripe's documented limits. ``burst`` is how many seconds' worth of requests an unused limit saves
    up. ``endpoints`` overrides ``endpoint_per_second`` by endpoint (``GET /v1/payment_intents``).
    """

    live_per_second: float | None = 100
    test_per_second: float | None = 25
    endpoint_per_second: float | None = 25
    search_per_second: float | None = 20
    endpoints: Mapping[str, float] = field(default_factory=dict)
    global_at_once: int | None = None
    endpoint_at_once: int | None = None
    burst: float = 1.0


NO_LIMITS = SandboxLimits(
    live_per_second=None, test_per_second=None, endpoint_per_second=None, search_per_second=None
)


@dataclass(slots=True)
class _Bucket:
    rate: float
    size: float
    tokens: float
    filled_at: float

    def fill(self, now: float) -> None:
        self.tokens = min(self.size, self.tokens + (now - self.filled_at) * self.rate)
        self.filled_at = now


class RequestLimiter:
    """Admits requests, or names the limit that refuses them. ``holder`` is an account and mode.

    Each limit is a token bucket. Safe to share between threads.
    """

    def __init__(self, limits: SandboxLimits, clock: Clock) -> None:
        self.limits = limits
        self._clock = clock
        self._buckets: dict[tuple[str, str], _Bucket] = {}
        self._inside: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def enter(self, holder: str, endpoint: str, *, livemode: bool) -> str | None:
        """None if the request is admitted, else the ``Stripe-Rate-Limited-Reason``. After None, call :meth:`leave`."""
        limits = self.limits
        overall = limits.live_per_second if livemode else limits.test_per_second
        is_search = endpoint.endswith("/search")
        usual = limits.search_per_second if is_search else limits.endpoint_per_second
        own = limits.endpoints.get(endpoint, usual)

        with self._lock:
            if self._full(holder, "", limits.global_at_once):
                return "global-concurrency"
            if self._full(holder, endpoint, limits.endpoint_at_once):
                return "endpoint-concurrency"

            # no bucket loses a token unless all admit the request
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
        """Note that an admitted request has ended."""
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
