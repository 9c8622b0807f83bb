"""The metrics for Prometheus. Names and labels are a stable interface; their help texts document them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from reconciler.clock import Clock
from reconciler.domain.read_limits_and_shortage import Endpoint, RateLimitReason, RateLimits
from reconciler.engine.delivery.deliver import DeliveryReport
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.engine.report import SweepReport
from reconciler.entrypoints.service.database_metrics import DatabaseMetrics, ReadStatus
from reconciler.errors import ReconcilerError

Buckets = tuple[float, ...]
_DELAYS: Final[Buckets] = (5, 15, 30, 60, 120, 180, 300, 600, 1800, 3600, 21_600, 86_400)
_SECONDS: Final[Buckets] = (0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 28_800)

_SWEEPS: Final = "Sweeps that ended, by result: complete, incomplete or failed."
_HELD_BACK: Final = "Corrections that the hourly limit held back."
_DISCREPANCIES_MET: Final = "Discrepancies that sweeps found; each sweep counts them again."
_DELAY: Final = "Seconds from Stripe's newest event about a payment to the correction of its row."
_JOBS: Final = "Planned sweeps that did not start: failed (a bug), missed (too late) or skipped (the sweep before still ran)."
_DELIVERIES: Final = (
    "Attempts to deliver an outbox row to the merchant's endpoint, by result: delivered, failed, or given_up"
    " (failed for the last time)."
)


class MeteredRateLimiter(RateLimiter):
    """The service's rate limiter: it counts reads for /metrics, and sends none without the lease."""

    def __init__(
        self,
        limits: RateLimits,
        clock: Clock,
        stopping: threading.Event,
        metrics: Metrics,
        account: str,
        raise_if_lease_lost: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(limits, clock, stopping)
        self._raise_if_lease_lost = raise_if_lease_lost
        self._metrics = metrics
        self._account = account

    def take(self, endpoint: Endpoint) -> None:
        """Wait until the read may be sent, and count it.

        Raises what ``raise_if_lease_lost`` raises: then the read must not be sent, and is not counted.
        """
        super().take(endpoint)
        try:
            # after the wait: another process may have taken the account over meanwhile
            self._raise_if_lease_lost()
        except ReconcilerError:
            self.release(endpoint)
            raise
        self._metrics.read_sent(self._account, endpoint)

    def limited(self, reason: RateLimitReason, endpoint: Endpoint) -> None:
        """Slow down after Stripe's refusal, and count it."""
        self._metrics.read_refused(self._account, endpoint)
        super().limited(reason, endpoint)


class Metrics:
    """The counters of this process, and the figures that are read from the database."""

    def __init__(self) -> None:
        # a registry of its own: a test may have several services in one process
        registry = self.registry = CollectorRegistry()
        self._lock = threading.Lock()
        self._reads: dict[tuple[str, str], list[int]] = {}

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"reconciler_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: Buckets, *labels: str) -> Histogram:
            return Histogram(f"reconciler_{name}", text, labels, buckets=buckets, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"reconciler_{name}", text, labels, registry=registry)

        by_kind = ("account", "kind")
        self._sweeps = counter("sweeps", _SWEEPS, *by_kind, "result")
        self._sweep_seconds = histogram(
            "sweep_seconds", "How long sweeps took.", _SECONDS, *by_kind
        )
        self._pages = counter("pages", "Pages examined.", *by_kind)
        self._examined = counter("examined", "Intents examined.", *by_kind)
        self._corrections = counter("corrections", "Rows corrected.", *by_kind)
        self._held_back = counter("held_back", _HELD_BACK, "account")
        self._met = counter("discrepancies_met", _DISCREPANCIES_MET, *by_kind)
        self._delay = histogram("correction_delay_seconds", _DELAY, _DELAYS, "account")
        self._jobs = counter("jobs", _JOBS, "job", "event")
        self._deliveries = counter("deliveries", _DELIVERIES, "account", "result")
        self._held = gauge(
            "lease_held", "1 if this process holds the lease of the account.", "account"
        )
        self._stuck = gauge(
            "stuck_sweeps", "Sweeps that run, but have examined nothing new for too long."
        )

        # reads are counted on every request: plain numbers under one lock cost less than labels
        registry.register(_Reads(self))

    def read_sent(self, account: str, endpoint: Endpoint) -> None:
        """A read is being sent to Stripe."""
        with self._lock:
            self._reads.setdefault((account, endpoint.value), [0, 0])[0] += 1

    def read_refused(self, account: str, endpoint: Endpoint) -> None:
        """Stripe refused a read because of a rate limit."""
        with self._lock:
            self._reads.setdefault((account, endpoint.value), [0, 0])[1] += 1

    def reads(self) -> Mapping[tuple[str, str], tuple[int, int]]:
        """Reads sent, and how many of them Stripe refused, by account and endpoint."""
        with self._lock:
            return {name: (sent, refused) for name, (sent, refused) in self._reads.items()}

    def page_examined(self, account: str, job: str) -> None:
        """A page was examined."""
        self._pages.labels(account, job).inc()

    def sweep_ended(self, report: SweepReport, job: str, delays: Iterable[float]) -> None:
        """A sweep ended; ``delays`` are the seconds from Stripe's newest event to each of its corrections."""
        account = report.account
        result = "complete" if report.complete else "failed" if report.failure else "incomplete"
        self._sweeps.labels(account, job, result).inc()
        self._sweep_seconds.labels(account, job).observe(report.seconds)
        self._examined.labels(account, job).inc(report.examined)
        self._corrections.labels(account, job).inc(report.corrected)
        self._held_back.labels(account).inc(report.held_back)
        for kind, count in report.discrepancies.items():
            self._met.labels(account, kind.value).inc(count)
        for delay in delays:
            self._delay.labels(account).observe(delay)

    def sweep_failed(self, account: str, job: str) -> None:
        """A sweep could not begin."""
        self._sweeps.labels(account, job, "failed").inc()

    def deliveries_ended(self, report: DeliveryReport) -> None:
        """A run of deliveries ended."""
        for result, count in (
            ("delivered", report.delivered),
            ("failed", report.failed - report.given_up),
            ("given_up", report.given_up),
        ):
            self._deliveries.labels(report.account, result).inc(count)

    def job_event(self, job: str, event: str) -> None:
        """The scheduler reported a job as "failed", "missed" or "skipped"."""
        self._jobs.labels(job, event).inc()

    def set_lease_held(self, account: str, *, held: bool) -> None:
        """Whether this process holds the account's lease from now on."""
        self._held.labels(account).set(int(held))

    def set_stuck(self, count: int) -> None:
        """How many sweeps make no progress now."""
        self._stuck.set(count)

    def watch_database(self, read: ReadStatus, clock: Clock) -> None:
        """Show the database's figures as well."""
        self.registry.register(DatabaseMetrics(read, clock))

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)


class _Reads(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "reconciler_reads",
            "GETs sent to Stripe, by endpoint and result: answered, or rate_limited.",
            labels=("account", "endpoint", "result"),
        )
        for (account, endpoint), (sent, refused) in sorted(self._metrics.reads().items()):
            family.add_metric((account, endpoint, "answered"), max(0, sent - refused))
            family.add_metric((account, endpoint, "rate_limited"), refused)
        yield family
