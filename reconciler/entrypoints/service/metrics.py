"""What Prometheus sees. Names and labels are documented by their help texts; they are a stable interface."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reconciler.clock import Clock
from reconciler.domain.quota.stripe_limits import Endpoint, RateLimitReason
from reconciler.engine.delivery.deliver import DeliveryReport
from reconciler.engine.health.status import AccountStatus
from reconciler.engine.limits.rate_limiter import RateLimiter, RateLimits
from reconciler.engine.report import SweepReport
from reconciler.errors import ReconcilerError

FRESH_SECONDS: Final = 60.0
"""How long the figures of the database are shown before they are read again: counting rows is not free."""
_DELAYS: Final = (5, 15, 30, 60, 120, 180, 300, 600, 1800, 3600, 21_600, 86_400)
_SECONDS: Final = (0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 28_800)

ReadStatus = Callable[[], tuple[Sequence[AccountStatus], Mapping[str, int]]]
"""The status of every account, and the reads of 30 days that each may spend where that is limited."""


class MeteredRateLimiter(RateLimiter):
    """The service's pacer: it counts what goes through it, for /metrics, and asks before each read if it still may."""

    def __init__(
        self,
        limits: RateLimits,
        clock: Clock,
        stopping: threading.Event,
        metrics: Metrics,
        account: str,
        may_send: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(limits, clock, stopping)
        self._may_send = may_send
        self._metrics = metrics
        self._account = account

    def take(self, endpoint: Endpoint) -> None:
        """Wait for leave, and count the read. Raises what ``may_send`` does: then it is not sent."""
        super().take(endpoint)
        try:
            self._may_send()
        except ReconcilerError:
            self.release(endpoint)
            raise
        self._metrics.sent(self._account, endpoint)

    def limited(self, reason: RateLimitReason, endpoint: Endpoint) -> None:
        """Slow down, and count the refusal."""
        self._metrics.refused(self._account, endpoint)
        super().limited(reason, endpoint)


class Metrics:
    """Counters of this process, and the figures of the database behind them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._lock = threading.Lock()
        self._reads: dict[tuple[str, str], list[int]] = {}
        registry = self.registry
        self._sweeps = Counter(
            "reconciler_sweeps",
            "Passes that ended, by result: complete, incomplete or failed.",
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
            "Discrepancies that sweeps met, each sweep anew.",
            ("account", "kind"),
            registry=registry,
        )
        self._delay = Histogram(
            "reconciler_correction_delay_seconds",
            "From the newest event that Stripe has of a payment to our correction of its row.",
            ("account",),
            buckets=_DELAYS,
            registry=registry,
        )
        self._jobs = Counter(
            "reconciler_jobs",
            "Ticks that did not become a sweep: failed (a defect), missed or skipped (the last one still ran).",
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
            "1 where this process holds the account.",
            ("account",),
            registry=registry,
        )
        self._stuck = Gauge(
            "reconciler_stuck_passes", "Passes that do not move.", registry=registry
        )
        registry.register(_Reads(self))

    def sent(self, account: str, endpoint: Endpoint) -> None:
        """A read goes to Stripe."""
        with self._lock:
            self._reads.setdefault((account, endpoint.value), [0, 0])[0] += 1

    def refused(self, account: str, endpoint: Endpoint) -> None:
        """Stripe refused one for being too fast."""
        with self._lock:
            self._reads.setdefault((account, endpoint.value), [0, 0])[1] += 1

    def reads(self) -> Mapping[tuple[str, str], tuple[int, int]]:
        """Reads sent, and those of them that were refused, by account and endpoint."""
        with self._lock:
            return {name: (sent, refused) for name, (sent, refused) in self._reads.items()}

    def page(self, account: str, job: str) -> None:
        """A page was examined."""
        self._pages.labels(account, job).inc()

    def ended(self, report: SweepReport, job: str, delays: Iterable[float]) -> None:
        """A sweep ended."""
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

    def failed(self, account: str, job: str, _error: ReconcilerError) -> None:
        """A sweep could not begin."""
        self._sweeps.labels(account, job, "failed").inc()

    def delivered(self, report: DeliveryReport) -> None:
        """A run of deliveries ended."""
        for result, count in (
            ("delivered", report.delivered),
            ("failed", report.failed - report.given_up),
            ("given_up", report.given_up),
        ):
            self._deliveries.labels(report.account, result).inc(count)

    def heard(self, job: str, event: str) -> None:
        """The scheduler said something of a job."""
        self._jobs.labels(job, event).inc()

    def holds(self, account: str, *, held: bool) -> None:
        """The lease was taken or is gone."""
        self._held.labels(account).set(int(held))

    def stuck(self, count: int) -> None:
        """So many sweeps do not move."""
        self._stuck.set(count)

    def watch_database(self, read: ReadStatus, clock: Clock) -> None:
        """Show the database's figures too."""
        self.registry.register(_Figures(read, clock))

    def text(self) -> bytes:
        """Everything, in Prometheus's text format."""
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
    """Gauges that every replica reads alike from the database; the last ones stay where it cannot be reached."""

    def __init__(self, read: ReadStatus, clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._reachable = True
        self._families: tuple[Metric, ...] = ()

    def describe(self) -> Iterator[Metric]:
        """Nothing is read while the collector is registered."""
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
                "1 where the database's figures could be read.",
                value=int(self._reachable),
            )
            yield from self._families


def _families(
    statuses: Sequence[AccountStatus], limits: Mapping[str, int]
) -> Iterator[GaugeMetricFamily]:
    def gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"reconciler_{name}", text, labels=("account", *labels))

    age = gauge("last_complete_pass_age_seconds", "Since the last complete sweep ended.", "kind")
    payments = gauge("open_payments", "Rows whose payment may still move.", "outcome")
    labels = ("severity", "kind", "currency")
    found = gauge("open_discrepancies", "Discrepancies that are open.", *labels)
    stake = gauge("open_stake_minor_units", "Money at stake in them, in minor units.", *labels)
    waiting = gauge(
        "waiting_corrections",
        "Corrections that wait for a person: the hourly limit held them back.",
    )
    reads = gauge("reads_30_days", "Reads spent in 30 days.")
    limit = gauge("reads_30_days_limit", "Reads that may be spent in 30 days, our share of them.")
    lease = gauge("lease_seconds_left", "Until the account's lease ends; -1 where nobody holds it.")
    person = gauge("needs_person", "1 where the service cannot go on until somebody acts.")
    lag = gauge("tail_lag_seconds", "Between now and the newest event that is sure to be handled.")
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
        sums: dict[tuple[str, str, str], list[int]] = {}
        for finding in status.findings:
            each = sums.setdefault((finding.severity.value, finding.kind, finding.currency), [0, 0])
            each[0] += finding.count
            each[1] += finding.stake
        for name, (count, money) in sums.items():
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
        "limit": gauge("limit", "Reads a second that we allow ourselves."),
        "rate": gauge("rate", "What is left of them after Stripe's refusals."),
        "busiest": gauge("busiest", "The busiest second of the last ten minutes."),
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
    waiting = gauge("outbox_waiting", "Outbox rows that nobody has taken delivery of.")
    oldest = gauge("outbox_oldest_age_seconds", "Since the oldest of them was written.")
    given_up = gauge("outbox_given_up", "Those of them that are no longer tried.")
    for status in statuses:
        waiting.add_metric((status.account,), status.outbox.waiting)
        oldest.add_metric((status.account,), status.outbox.oldest_age or 0)
        given_up.add_metric((status.account,), status.outbox.given_up)
    yield from (waiting, oldest, given_up)
