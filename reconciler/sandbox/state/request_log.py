"""A log of all requests to the sandbox, for tests that count reads, refusals and rates."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

_MOST_RECENT = 10_000


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request. ``status`` is 0 if no whole answer was sent. ``headers`` never contain the key."""

    method: str
    target: str
    endpoint: str
    status: int
    at: float
    headers: Mapping[str, str]


class RequestLog:
    """Counts all requests. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget every request."""
        with self._lock:
            self._counts: Counter[tuple[str, int]] = Counter()
            self._windows: dict[str, deque[float]] = {}
            self._fastest: dict[str, int] = {}
            self._recent: deque[LoggedRequest] = deque(maxlen=_MOST_RECENT)

    def arrived(self, endpoint: str, at: float) -> None:
        """Note a request's arrival, in seconds, for the highest rates: its endpoint's and, under ``""``, the overall one."""
        with self._lock:
            for name in (endpoint, ""):
                window = self._windows.setdefault(name, deque())
                window.append(at)
                while window[0] <= at - 1:
                    window.popleft()
                self._fastest[name] = max(self._fastest.get(name, 0), len(window))

    def answered(self, request: LoggedRequest) -> None:
        """Note an answered request."""
        with self._lock:
            self._counts[request.endpoint, request.status] += 1
            self._recent.append(request)

    @property
    def counts(self) -> dict[tuple[str, int], int]:
        """Requests by (endpoint, status)."""
        with self._lock:
            return dict(self._counts)

    def count(self, endpoint: str | None = None, status: int | None = None) -> int:
        """The number of requests; only of an endpoint (``GET /v1/payment_intents``) and of a status, if given."""
        return sum(
            number
            for (name, answered), number in self.counts.items()
            if endpoint in (None, name) and status in (None, answered)
        )

    @property
    def reads(self) -> int:
        """The number of GETs with any result: each counts against Stripe's read allocation."""
        return sum(number for (name, _), number in self.counts.items() if name.startswith("GET "))

    @property
    def rate_limited(self) -> int:
        """The number of answers with 429."""
        return self.count(status=429)

    def most_per_second(self, endpoint: str = "") -> int:
        """The most requests that arrived within one second, of an endpoint or of all."""
        with self._lock:
            return self._fastest.get(endpoint, 0)

    @property
    def recent(self) -> list[LoggedRequest]:
        """The last requests, oldest first, at most 10,000."""
        with self._lock:
            return list(self._recent)
