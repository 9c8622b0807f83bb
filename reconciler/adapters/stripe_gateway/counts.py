"""What the gateway has spent."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from reconciler.domain.quota.stripe_limits import Endpoint


class ReadCounts:
    """Reads sent and refusals for being too fast, by endpoint. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reads: Counter[Endpoint] = Counter()
        self._limited: Counter[Endpoint] = Counter()

    def sent(self, endpoint: Endpoint) -> None:
        """A GET is about to be sent."""
        with self._lock:
            self._reads[endpoint] += 1

    def limited(self, endpoint: Endpoint) -> None:
        """It was refused for being too fast."""
        with self._lock:
            self._limited[endpoint] += 1

    @property
    def reads(self) -> Mapping[Endpoint, int]:
        """GETs sent so far."""
        with self._lock:
            return dict(self._reads)

    @property
    def rate_limited(self) -> Mapping[Endpoint, int]:
        """Refusals so far."""
        with self._lock:
            return dict(self._limited)
