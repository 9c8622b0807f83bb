"""The metrics for Prometheus that are read from the database, the same on every replica."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reconciler.clock import Clock
from reconciler.engine.health.status import AccountStatus
from reconciler.errors import ReconcilerError

FRESH_SECONDS: Final = 60.0
"""How long the database's figures are kept before they are read again: counting rows takes time."""
LONGEST_WAIT_SECONDS: Final = 2.0
"""While one scrape reads the database, another waits so long and then shows the last figures."""

ReadStatus = Callable[[], tuple[Sequence[AccountStatus], Mapping[str, int]]]
"""Returns the status of every account, and by account the reads that it may spend in 30 days."""
Gauge = Callable[..., GaugeMetricFamily]
"""Makes a gauge from its name without prefix, its help text and its labels beside the account."""


class DatabaseMetrics(Collector):
    """Gauges read from the database at most once in FRESH_SECONDS. During an outage the last ones stay."""

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
        # under the lock, so that scrapes at the same time read the database once; a read that hangs holds one scrape
        if self._lock.acquire(timeout=LONGEST_WAIT_SECONDS):
            try:
                self._refresh()
            finally:
                self._lock.release()
        else:
            self._reachable = False
        yield GaugeMetricFamily(
            "reconciler_database_up",
            "1 if the database's figures could be read.",
            value=int(self._reachable),
        )
        yield from self._families

    def _refresh(self) -> None:
        now = self._clock.monotonic()
        if self._read_at is not None and now - self._read_at < FRESH_SECONDS:
            return
        # set before the read: an outage is not tried again at every scrape
        self._read_at = now
        try:
            statuses, limits = self._read()
            self._families = tuple(_families(statuses, limits))
            self._reachable = True
        except ReconcilerError:
            self._reachable = False


def _families(
    statuses: Sequence[AccountStatus], limits: Mapping[str, int]
) -> Iterator[GaugeMetricFamily]:
    def gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"reconciler_{name}", text, labels=("account", *labels))

    yield from _sweeps_and_payments(statuses, gauge)
    yield from _discrepancies(statuses, gauge)
    yield from _reads(statuses, limits, gauge)
    yield from _service(statuses, gauge)
    yield from _outbox(statuses, gauge)
    yield from _rates(statuses, gauge)


def _sweeps_and_payments(
    statuses: Sequence[AccountStatus], gauge: Gauge
) -> Iterator[GaugeMetricFamily]:
    age = gauge(
        "last_complete_sweep_age_seconds",
        "Seconds since the last complete sweep ended. A sweep of named payments or of a range of time does not count.",
        "kind",
    )
    payments = gauge("open_payments", "Rows of payments that are still open.", "outcome")
    lag = gauge(
        "tail_lag_seconds",
        "Seconds since the newest event of Stripe that is handled; all events before it are handled too.",
    )
    for status in statuses:
        for sweep in status.sweeps:
            if sweep.age is not None:
                age.add_metric((status.account, sweep.kind), sweep.age)
        for outcome, count in status.open_payments.items():
            payments.add_metric((status.account, outcome), count)
        if status.tail_lag is not None:
            lag.add_metric((status.account,), status.tail_lag)
    yield from (age, payments, lag)


def _discrepancies(statuses: Sequence[AccountStatus], gauge: Gauge) -> Iterator[GaugeMetricFamily]:
    labels = ("severity", "kind", "currency")
    found = gauge("open_discrepancies", "Discrepancies that are open.", *labels)
    stake = gauge(
        "open_stake_minor_units",
        "Money at stake in the open discrepancies, in minor units. A payment counts once, under its greatest stake.",
        *labels,
    )
    waiting = gauge(
        "waiting_corrections",
        "Corrections that wait for a person, because the hourly limit held them back.",
    )
    for status in statuses:
        # the status counts the findings held back apart; a gauge has one figure for both
        totals: dict[tuple[str, str, str], list[int]] = {}
        for finding in status.findings:
            key = (finding.severity.value, finding.kind, finding.currency)
            total = totals.setdefault(key, [0, 0])
            total[0] += finding.count
            total[1] += finding.stake_once
        for key, (count, money) in totals.items():
            found.add_metric((status.account, *key), count)
            stake.add_metric((status.account, *key), money)
        waiting.add_metric((status.account,), status.held_back)
    yield from (found, stake, waiting)


def _reads(
    statuses: Sequence[AccountStatus], limits: Mapping[str, int], gauge: Gauge
) -> Iterator[GaugeMetricFamily]:
    reads = gauge("reads_30_days", "Reads spent in the last 30 days.")
    limit = gauge(
        "reads_30_days_limit",
        "Reads that Reconciler may spend in 30 days: its share of what Stripe allows.",
    )
    for status in statuses:
        reads.add_metric((status.account,), status.reads)
        if status.account in limits:
            limit.add_metric((status.account,), limits[status.account])
    yield from (reads, limit)


def _service(statuses: Sequence[AccountStatus], gauge: Gauge) -> Iterator[GaugeMetricFamily]:
    lease = gauge(
        "lease_seconds_left", "Seconds until the account's lease ends; -1 if no process holds it."
    )
    person = gauge("needs_person", "1 if the service cannot go on until a person acts.")
    paused = gauge("paused", "1 if a person has paused all writes to the account's rows.")
    for status in statuses:
        paused.add_metric((status.account,), int(status.pause is not None))
        left = status.lease.seconds_left
        lease.add_metric((status.account,), -1 if left is None else left)
        person.add_metric((status.account,), int(status.lease.needs_person))
    yield from (lease, person, paused)


def _outbox(statuses: Sequence[AccountStatus], gauge: Gauge) -> Iterator[GaugeMetricFamily]:
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


def _rates(statuses: Iterable[AccountStatus], gauge: Gauge) -> Iterator[GaugeMetricFamily]:
    limit = gauge("rate_limit", "The most reads a second that Reconciler sends.", "endpoint")
    rate = gauge(
        "rate_now",
        "The most reads a second that Reconciler sends now: fewer after Stripe has refused some.",
        "endpoint",
    )
    busiest = gauge(
        "rate_busiest", "Reads in the busiest second of the last ten minutes.", "endpoint"
    )
    for status in statuses:
        usage = status.rate_usage
        if usage is None:
            continue
        for endpoint, figures in {"all": usage.overall, **usage.endpoints}.items():
            limit.add_metric((status.account, endpoint), figures.limit)
            rate.add_metric((status.account, endpoint), figures.rate)
            busiest.add_metric((status.account, endpoint), figures.busiest)
    yield from (limit, rate, busiest)
