"""What the service costs while nothing changes: memory and CPU with a hundred thousand open payments.

A real ``reconciler run`` with the default intervals, share and grace, against a sandbox in a process of its own. The
payments are spread evenly over the thirty days of the horizon; seven of ten are unpaid carts. A payment's next recheck
depends on its age alone. So after the first window and due sweeps, which examine all payments, every payment has the
recheck that it would have in a service that has run for a month. The measurement begins when these sweeps have ended, and
lasts for at least two due sweeps. Meanwhile new carts come as often as keeps so many open over thirty days, so that a due
sweep finds what it mostly finds: payments of the last minutes.

The short form has a tenth of the payments and intervals six times as short: its CPU is not that of the defaults.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from tests.benchmarks.databases import query_rows
from tests.benchmarks.figures import Figure, load, print_line
from tests.benchmarks.large_shop import LargeShop, large_shop
from tests.benchmarks.options import Options
from tests.benchmarks.process_usage import megabytes, processor_seconds
from tests.benchmarks.service_process import LogLine, ServiceProcess, environment, replicas
from tests.benchmarks.stripe_process import KEY, OPENED_AMOUNT

MOST_RESIDENT_MB = 80
MOST_CPU_PERCENT = 1.0
"""Of one core."""
SAMPLE_SECONDS = 0.25
DUE_SWEEPS = 2
HORIZON_SECONDS = 30 * 86_400
RECHECKS_OF_A_DAY = (
    "SELECT count(*) FROM reconciler.rechecks WHERE due_at < now() + interval '1 day'"
)
FIRST_SWEEPS_SECONDS = 900.0
"""In this time the window and due sweeps over the whole table must have ended."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """The intervals of the tail and due sweeps in seconds, and how many times shorter they are than the defaults."""

    tail: int = 60
    due: int = 300
    times_shorter: int = 1

    @property
    def settings(self) -> dict[str, str]:
        """The configuration keys that set them. The budget and the grace are the defaults."""
        chosen = {"budget__share": "0.5", "corrections__per_hour": "500"}
        if self.times_shorter == 1:
            return chosen
        return {**chosen, "service__tail": f"{self.tail}s", "service__due": f"{self.due}s"}


@dataclass(frozen=True, slots=True)
class Sample:
    """The service's process and the database's processes that work for it, at one moment: CPU in seconds, memory in MB."""

    at: float
    cpu: float
    backends: float
    resident: float


@dataclass
class Samples:
    """Samples over time."""

    all: list[Sample] = field(default_factory=list)

    def spent(self, since: float, until: float) -> Sample:
        """The CPU used between two moments. ``at`` is the seconds between them, ``resident`` the most memory."""
        within = [sample for sample in self.all if since <= sample.at <= until]
        first, last = within[0], within[-1]
        most = max(sample.resident for sample in within)
        return Sample(
            last.at - first.at, last.cpu - first.cpu, last.backends - first.backends, most
        )


class Observer(threading.Thread):
    """Takes a sample four times a second, until stopped."""

    def __init__(self, service: ServiceProcess, database: str) -> None:
        super().__init__(name="observer", daemon=True)
        self._pid = service.pid
        self._database = database
        self._backends: dict[int, float] = {}
        self.samples = Samples([Sample(time.monotonic(), 0.0, 0.0, 0.0)])
        self.stopping = threading.Event()

    def run(self) -> None:
        """Take samples. The CPU of a backend that has ended still counts."""
        with psycopg.connect(self._database, autocommit=True) as connection:
            while not self.stopping.wait(SAMPLE_SECONDS):
                cpu = processor_seconds(self._pid)
                if cpu is None:
                    return
                rows = connection.execute(
                    "SELECT pid FROM pg_stat_activity"
                    " WHERE datname = current_database() AND application_name = 'reconciler'"
                )
                for (pid,) in rows:
                    self._backends[pid] = processor_seconds(pid) or self._backends.get(pid, 0.0)
                backends = sum(self._backends.values())
                resident = megabytes("VmRSS", self._pid)
                sample = Sample(time.monotonic(), cpu, backends, resident)
                self.samples.all.append(sample)


class Customers(threading.Thread):
    """Adds a cart every so many seconds, until stopped: the intent, then the merchant's row."""

    def __init__(self, shop: LargeShop, database: str) -> None:
        super().__init__(name="customers", daemon=True)
        self._stripe = shop.stripe
        self._database = database
        self._every = HORIZON_SECONDS / shop.intents
        self._key = shop.intents
        self.stopping = threading.Event()

    def run(self) -> None:
        """Add carts."""
        with psycopg.connect(self._database, autocommit=True) as connection:
            while not self.stopping.wait(self._every):
                connection.execute(
                    "INSERT INTO payments (id, pi, status, amount, currency, created_at)"
                    " VALUES (%s, %s, 'pending', %s, 'eur', now())",
                    (self._key, self._stripe.open_payment(), OPENED_AMOUNT),
                )
                self._key += 1


@dataclass(frozen=True, slots=True)
class Idle:
    """What was measured: CPU and memory of the first sweeps, of the whole span, and of each of its due sweeps."""

    first: Sample
    span: Sample
    due: Sequence[Sample]
    examined: Sequence[int]
    tails: int
    rechecks_of_a_day: int
    resident: float
    peak: float

    @property
    def cpu(self) -> float:
        """CPU of the service in per cent of a core."""
        return 100 * self.span.cpu / self.span.at

    @property
    def backends(self) -> float:
        """CPU of the database's processes in per cent of a core."""
        return 100 * self.span.backends / self.span.at

    @property
    def without_due(self) -> float:
        """CPU of the service outside the due sweeps, in per cent of a core."""
        seconds = self.span.at - sum(sweep.at for sweep in self.due)
        return 100 * (self.span.cpu - sum(sweep.cpu for sweep in self.due)) / seconds


def run(options: Options) -> list[Figure]:
    """Measure resident memory and CPU of the service's process."""
    payments = options.sized(tiny=300, usual=10_000, full=100_000)
    intervals = Intervals() if options.full else Intervals(tail=10, due=50, times_shorter=6)
    if options.tiny:
        intervals = Intervals(tail=10, due=2, times_shorter=6)
    with large_shop(options, payments, all_open=True) as shop:
        idle = _measure(shop, intervals)
        reads = shop.stripe.counts().reads
    _print(idle)
    name = f"idle, {payments:,} open"
    name += ", default intervals" if intervals.times_shorter == 1 else ", shorter intervals"
    due_sweeps = ", ".join(
        f"{sweep.cpu:.2f} s for {examined:,} payments"
        for sweep, examined in zip(idle.due, idle.examined, strict=True)
    )
    span = f"over {idle.span.at:.0f} s, {idle.tails} tail and {len(idle.due)} due sweeps, {reads:,} reads in all; {load()}"
    most = max(idle.resident, idle.peak)

    return [
        Figure(
            name,
            "most resident, MB",
            f"<= {MOST_RESIDENT_MB}",
            f"{most:.0f}",
            most <= MOST_RESIDENT_MB,
            f"VmHWM; {idle.resident:.0f} MB at the end (VmRSS)",
        ),
        Figure(
            name,
            "CPU, % of a core",
            f"< {MOST_CPU_PERCENT:.0f}",
            f"{idle.cpu:.2f}",
            idle.cpu < MOST_CPU_PERCENT,
            span,
        ),
        Figure(name, "CPU outside due sweeps, %", "", f"{idle.without_due:.2f}", None),
        Figure(
            name,
            "CPU of each due sweep",
            "",
            due_sweeps,
            None,
            "with that of tail sweeps at the same time",
        ),
        Figure(
            name,
            "rechecks that become due within a day",
            "",
            f"{idle.rechecks_of_a_day:,}",
            None,
            f"{idle.rechecks_of_a_day / 288:,.0f} a due sweep every five minutes, if spread evenly",
        ),
        Figure(name, "CPU of the database's processes, %", "", f"{idle.backends:.2f}", None),
        Figure(
            name,
            "CPU of the first sweeps, s",
            "",
            f"{idle.first.cpu:.1f}",
            None,
            f"start, a window and a due sweep over all, in {idle.first.at:.0f} s",
        ),
    ]


def _measure(shop: LargeShop, intervals: Intervals) -> Idle:
    with (
        shop.databases.copy_of(shop.template) as database,
        environment(database, shop.stripe.url, KEY, **intervals.settings) as environ,
        replicas(1, environ) as (service,),
    ):
        service.start()
        observer, customers = Observer(service, database), Customers(shop, database)
        observer.start()

        try:
            service.wait_for("lease.taken")

            for job in ("window", "due"):
                service.wait_for(
                    "sweep.finished", job=job, complete=True, seconds=FIRST_SWEEPS_SECONDS
                )

            customers.start()
            began = time.monotonic() + 2 * SAMPLE_SECONDS
            due_sweeps = _next_due_sweeps(service, began, intervals)
            # whole intervals are measured, each with its due sweep and its idle seconds
            threading.Event().wait(max(0.0, began + DUE_SWEEPS * intervals.due - time.monotonic()))
            threading.Event().wait(intervals.due / 5)
        finally:
            for thread in (observer, customers):
                thread.stopping.set()
            observer.join(10)
            if customers.is_alive():
                customers.join(10)

        ended = time.monotonic()
        peak, resident = megabytes("VmHWM", service.pid), megabytes("VmRSS", service.pid)
        _raise_if_not_idle(service, database, shop.intents)
        ((rechecks_of_a_day,),) = query_rows(database, RECHECKS_OF_A_DAY)
        tails = sum(line.at > began for line in service.lines("sweep.finished", job="tail"))

    samples = observer.samples

    return Idle(
        samples.spent(0.0, began),
        samples.spent(began, ended),
        [samples.spent(*_bounds(sweep)) for sweep in due_sweeps],
        [int(sweep.fields["examined"]) for sweep in due_sweeps],
        tails,
        int(str(rechecks_of_a_day)),
        resident,
        peak,
    )


def _next_due_sweeps(service: ServiceProcess, began: float, intervals: Intervals) -> list[LogLine]:
    due_sweeps: list[LogLine] = []
    while len(due_sweeps) < DUE_SWEEPS:
        after = due_sweeps[-1].at if due_sweeps else began
        seconds = 2 * intervals.due + 60
        due_sweeps.append(
            service.wait_for("sweep.finished", job="due", after=after, seconds=seconds)
        )
    return due_sweeps


def _bounds(sweep: LogLine) -> tuple[float, float]:
    """The moments a little before a sweep began and a little after it ended."""
    margin = 2 * SAMPLE_SECONDS
    return sweep.at - float(sweep.fields["seconds"]) - margin, sweep.at + margin


def _raise_if_not_idle(service: ServiceProcess, database: str, payments: int) -> None:
    """Raise RuntimeError unless every payment has a recheck, no discrepancy was found, and no sweep failed."""
    ((rechecks,),) = query_rows(database, "SELECT count(*) FROM reconciler.rechecks")
    ((findings,),) = query_rows(database, "SELECT count(*) FROM reconciler.discrepancies")
    failed = [line for line in service.lines("sweep.finished") if not line.fields["complete"]]
    if int(str(rechecks)) < payments or findings or failed:
        raise RuntimeError(
            f"{rechecks} of {payments} payments have a recheck, {findings} discrepancies were found, {len(failed)} sweeps failed"
        )


def _print(idle: Idle) -> None:
    print_line(
        f"  {idle.resident:.0f} MB resident ({idle.peak:.0f} MB at most), CPU {idle.cpu:.2f} % of a core,"
        f" {idle.without_due:.2f} % outside due sweeps, database {idle.backends:.2f} %, {load()}"
    )
