"""The metrics for Prometheus. Names and labels are a stable interface; their help texts document them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reconciler.clock import Clock
from reconciler.domain.read_limits_and_shortage import Endpoint, RateLimitReason
from reconciler.engine.delivery.deliver import DeliveryReport
from reconciler.engine.health.status import AccountStatus
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.engine.limits.rate_limits import RateLimits
from reconciler.engine.report import SweepReport
from reconciler.errors import ReconcilerError

FRESH_SECONDS: Final = 60.0
"""How long the database's figures are kept before they are read again: counting rows takes time."""
_DELAYS: Final = (5, 15, 30, 60, 120, 180, 300, 600, 1800, 3600, 21_600, 86_400)
_SECONDS: Final = (0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 28_800)

ReadStatus = Callable[[], tuple[Sequence[AccountStatus], Mapping[str, int]]]
"""Returns the status of every account, and by account the reads that it may spend in 30 days."""


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
        self.registry = CollectorRegistry()
        self._lock = threading.Lock()
        self._reads: dict[tuple[str, str], list[int]] = {}
        registry = self.registry
        self._sweeps = Counter(
            "reconciler_sweeps",
            "Sweeps that ended, by result: complete, incomplete or failed.",
            ("account", "kind", "result"),
            registry=registry,
        )
        self._sweep_seconds = Histogram(
            "reconciler_sweep_seconds",
            "How long sweeps took.",
            ("account", "kind"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._pages = Counter(
            "reconciler_pages", "Pages examined.", ("account", "kind"), registry=registry
        )
        self._examined = Counter(
            "reconciler_examined", "Intents examined.", ("account", "kind"), registry=registry
        )
        self._corrections = Counter(
            "reconciler_corrections", "Rows corrected.", ("account", "kind"), registry=registry
        )
        self._held_back = Counter(
            "reconciler_held_back",
            "Corrections that the hourly limit held back.",
            ("account",),
            registry=registry,
        )
        self._met = Counter(
            "reconciler_discrepancies_met",
            "Discrepancies that sweeps found; each sweep counts them again.",
            ("account", "kind"),
            registry=registry,
        )
        self._delay = Histogram(
            "reconciler_correction_delay_seconds",
            "From Stripe's newest event of a payment to Reconciler's correction of its row.",
            ("account",),
            buckets=_DELAYS,
            registry=registry,
        )
        self._jobs = Counter(
            "reconciler_jobs",
            "Ticks that did not become a sweep: failed (a bug), missed or skipped (the last one still ran).",
            ("job", "event"),
            registry=registry,
        )
        self._deliveries = Counter(
            "reconciler_deliveries",
            "Attempts to deliver an outbox row to the merchant's endpoint, by result: delivered, failed, or given_up"
            " (failed for the last time).",
            ("account", "result"),
            registry=registry,
        )
        self._held = Gauge(
            "reconciler_lease_held",
            "1 if this process holds the lease of the account.",
            ("account",),
            registry=registry,
        )
        self._stuck = Gauge(
            "reconciler_stuck_sweeps", "Sweeps that make no progress.", registry=registry
        )
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
        self.registry.register(_Figures(read, clock))

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


class _Figures(Collector):
    """Gauges read from the database, the same on every replica. During an outage the last ones stay."""

    def __init__(self, read: ReadStatus, clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._reachable = True
        self._families: tuple[Metric, ...] = ()

    def describe(self) -> Iterator[Metric]:
        """Describes nothing, so that registering the collector does not read the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            now = self._clock.monotonic()
            if self._read_at is None or now - self._read_at >= FRESH_SECONDS:
                self._read_at = now
                try:
                    statuses, limits = self._read()
                    self._families = (*_families(statuses, limits), *_rate_families(statuses))
                    self._reachable = True
                except ReconcilerError:
                    self._reachable = False
            yield GaugeMetricFamily(
                "reconciler_database_up",
                "1 if the database's figures could be read.",
                value=int(self._reachable),
            )
            yield from self._families


def _families(
    statuses: Sequence[AccountStatus], limits: Mapping[str, int]
) -> Iterator[GaugeMetricFamily]:
    def gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"reconciler_{name}", text, labels=("account", *labels))

    age = gauge(
        "last_complete_sweep_age_seconds", "Seconds since the last complete sweep ended.", "kind"
    )
    payments = gauge("open_payments", "Rows of payments that are still open.", "outcome")
    labels = ("severity", "kind", "currency")
    found = gauge("open_discrepancies", "Discrepancies that are open.", *labels)
    stake = gauge(
        "open_stake_minor_units",
        "Money at stake in the open discrepancies, in minor units.",
        *labels,
    )
    waiting = gauge(
        "waiting_corrections",
        "Corrections that wait for a person, because the hourly limit held them back.",
    )
    reads = gauge("reads_30_days", "Reads spent in the last 30 days.")
    limit = gauge(
        "reads_30_days_limit",
        "Reads that Reconciler may spend in 30 days: its share of what Stripe allows.",
    )
    lease = gauge(
        "lease_seconds_left", "Seconds until the account's lease ends; -1 if no process holds it."
    )
    person = gauge("needs_person", "1 if the service cannot go on until a person acts.")
    lag = gauge(
        "tail_lag_seconds",
        "Seconds between now and the newest event up to which every event was handled.",
    )
    outbox = tuple(_outbox(statuses, gauge))

    for status in statuses:
        account = status.account
        if status.tail_lag is not None:
            lag.add_metric((account,), status.tail_lag)
        for item in status.sweeps:
            if item.age is not None:
                age.add_metric((account, item.kind), item.age)
        for outcome, count in status.open_payments.items():
            payments.add_metric((account, outcome), count)

        totals: dict[tuple[str, str, str], list[int]] = {}
        for finding in status.findings:
            # findings held back are counted apart in the status; a gauge has one figure for both
            total = totals.setdefault(
                (finding.severity.value, finding.kind, finding.currency), [0, 0]
            )
            total[0] += finding.count
            total[1] += finding.stake
        for name, (count, money) in totals.items():
            found.add_metric((account, *name), count)
            stake.add_metric((account, *name), money)

        waiting.add_metric((account,), status.held_back)
        reads.add_metric((account,), status.reads)
        if account in limits:
            limit.add_metric((account,), limits[account])
        left = status.lease.seconds_left
        lease.add_metric((account,), -1 if left is None else left)
        person.add_metric((account,), int(status.lease.needs_person))

    yield from (age, payments, found, stake, waiting, reads, limit, lease, person, lag, *outbox)


def _rate_families(statuses: Iterable[AccountStatus]) -> Iterator[GaugeMetricFamily]:
    def gauge(name: str, text: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"reconciler_rate_{name}", text, labels=("account", "endpoint"))

    families = {
        "limit": gauge("limit", "Reads a second that Reconciler sends at most."),
        "rate": gauge(
            "rate", "Reads a second that it sends at most now, slowed down by Stripe's refusals."
        ),
        "busiest": gauge("busiest", "Reads in the busiest second of the last ten minutes."),
    }
    for status in statuses:
        if status.rate_usage is None:
            continue
        for endpoint, endpoint_limit in {
            "all": status.rate_usage.overall,
            **status.rate_usage.endpoints,
        }.items():
            figures = {
                "limit": endpoint_limit.limit,
                "rate": endpoint_limit.rate,
                "busiest": endpoint_limit.busiest,
            }
            for name, figure in figures.items():
                families[name].add_metric((status.account, endpoint), figure)
    yield from families.values()


def _outbox(
    statuses: Sequence[AccountStatus], gauge: Callable[..., GaugeMetricFamily]
) -> Iterator[GaugeMetricFamily]:
    waiting = gauge("outbox_waiting", "Outbox rows that were not delivered yet.")
    oldest = gauge(
        "outbox_oldest_age_seconds", "Seconds since the oldest undelivered row was written."
    )
    given_up = gauge("outbox_given_up", "Undelivered rows that are no longer tried.")
    for status in statuses:
        waiting.add_metric((status.account,), status.outbox.waiting)
        oldest.add_metric((status.account,), status.outbox.oldest_age or 0)
        given_up.add_metric((status.account,), status.outbox.given_up)
    yield from (waiting, oldest, given_up)
