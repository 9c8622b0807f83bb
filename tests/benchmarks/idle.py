"""What the service costs while nothing happens: open payments by the hundred thousand, and no change among them.

A real ``reconciler run`` at the default cadences, share and grace, against a sandbox in a process of its own. The payments
are spread evenly over the thirty days of the horizon, seven of ten carts that nobody paid. Their schedule needs no
preparing: when a payment is looked at next depends on its age alone, so that after the first window and due sweeps, which
examine all, each has the look that it would have in a service that has run for a month. What is measured begins when
these have ended and lasts for two ticks of the due net at least. Meanwhile carts are filled as often as keeps so many open
over thirty days, so that there is what a due tick mostly finds: payments of the last minutes.

The short form has a tenth of the payments and cadences six times as quick: its CPU is not that of the defaults.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from tests.benchmarks.figures import Figure, load, say
from tests.benchmarks.options import Options
from tests.benchmarks.service import Line, Service, environment, replicas
from tests.benchmarks.shop import asked
from tests.benchmarks.stage import Stage, staged
from tests.benchmarks.stripe_process import KEY, OPENED_AMOUNT
from tests.benchmarks.usage import megabytes, processor_seconds

MOST_RESIDENT = 80
MOST_CPU = 1.0
"""Per cent of a core."""
SAMPLE_SECONDS = 0.25
DUE_TICKS = 2
HORIZON_SECONDS = 30 * 86_400
LOOKS_OF_A_DAY = "SELECT count(*) FROM reconciler.rechecks WHERE due_at < now() + interval '1 day'"
FIRST_PASSES = 900.0
"""Seconds in which the window and due sweeps over the whole table must have ended."""


@dataclass(frozen=True, slots=True)
class Cadences:
    """How often the service looks, in seconds, and how much quicker that is than by default."""

    tail: int = 60
    due: int = 300
    quicker: int = 1

    @property
    def settings(self) -> dict[str, str]:
        """As the configuration has them. The budget and the grace are the defaults."""
        chosen = {"budget__share": "0.5", "corrections__per_hour": "500"}
        if self.quicker == 1:
            return chosen
        return {**chosen, "service__tail": f"{self.tail}s", "service__due": f"{self.due}s"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the service's process and at the database's processes that work for it."""

    at: float
    cpu: float
    backends: float
    resident: float


@dataclass
class Observed:
    """Samples over time."""

    samples: list[Sample] = field(default_factory=list)

    def spent(self, since: float, until: float) -> Sample:
        """The seconds of CPU between two moments; ``at`` is the time between them, ``resident`` the most."""
        within = [sample for sample in self.samples if since <= sample.at <= until]
        first, last = within[0], within[-1]
        most = max(sample.resident for sample in within)
        return Sample(
            last.at - first.at, last.cpu - first.cpu, last.backends - first.backends, most
        )


class Observer(threading.Thread):
    """Looks at the process four times a second, until stopped."""

    def __init__(self, service: Service, database: str) -> None:
        super().__init__(name="observer", daemon=True)
        self._pid = service.pid
        self._database = database
        self._backends: dict[int, float] = {}
        self.observed = Observed([Sample(time.monotonic(), 0.0, 0.0, 0.0)])
        self.stopping = threading.Event()

    def run(self) -> None:
        """Sample; the backends that are gone keep what they have used."""
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
                self.observed.samples.append(sample)


class Customers(threading.Thread):
    """Fill a cart every so many seconds, until stopped: the intent, then the merchant's row."""

    def __init__(self, stage: Stage, database: str) -> None:
        super().__init__(name="customers", daemon=True)
        self._stripe = stage.stripe
        self._database = database
        self._every = HORIZON_SECONDS / stage.intents
        self._key = stage.intents
        self.stopping = threading.Event()

    def run(self) -> None:
        """Shop."""
        with psycopg.connect(self._database, autocommit=True) as connection:
            while not self.stopping.wait(self._every):
                connection.execute(
                    "INSERT INTO payments VALUES (%s, %s, 'pending', %s, 'eur', now())",
                    (self._key, self._stripe.open_payment(), OPENED_AMOUNT),
                )
                self._key += 1


@dataclass(frozen=True, slots=True)
class Idle:
    """What was measured: of the first sweeps, of the whole span, and of its due ticks and its other seconds."""

    first: Sample
    span: Sample
    due: Sequence[Sample]
    examined: Sequence[int]
    tails: int
    looks: int
    resident: float
    peak: float

    @property
    def cpu(self) -> float:
        """Per cent of a core."""
        return 100 * self.span.cpu / self.span.at

    @property
    def backends(self) -> float:
        """The same of the database's processes."""
        return 100 * self.span.backends / self.span.at

    @property
    def without_due(self) -> float:
        """Per cent of a core outside the due ticks."""
        seconds = self.span.at - sum(tick.at for tick in self.due)
        return 100 * (self.span.cpu - sum(tick.cpu for tick in self.due)) / seconds


def run(options: Options) -> list[Figure]:
    """Resident memory and CPU of the service's process."""
    payments = options.sized(tiny=300, usual=10_000, full=100_000)
    cadences = Cadences() if options.full else Cadences(tail=10, due=50, quicker=6)
    if options.tiny:
        cadences = Cadences(tail=10, due=2, quicker=6)
    with staged(options, payments, all_open=True) as stage:
        idle = _measure(stage, cadences)
        reads = stage.stripe.counts().reads
    _tell(idle)
    name = f"idle, {payments:,} open"
    name += ", default cadences" if cadences.quicker == 1 else ", quicker cadences"
    ticks = ", ".join(
        f"{tick.cpu:.2f} s for {examined:,} payments"
        for tick, examined in zip(idle.due, idle.examined, strict=True)
    )
    span = f"over {idle.span.at:.0f} s, {idle.tails} tail and {len(idle.due)} due ticks, {reads:,} reads in all; {load()}"
    most = max(idle.resident, idle.peak)
    return [
        Figure(
            name,
            "most resident, MB",
            f"<= {MOST_RESIDENT}",
            f"{most:.0f}",
            most <= MOST_RESIDENT,
            f"VmHWM; {idle.resident:.0f} MB at the end (VmRSS)",
        ),
        Figure(
            name,
            "CPU, % of a core",
            f"< {MOST_CPU:.0f}",
            f"{idle.cpu:.2f}",
            idle.cpu < MOST_CPU,
            span,
        ),
        Figure(name, "CPU outside due ticks, %", "", f"{idle.without_due:.2f}", None),
        Figure(name, "CPU of each due tick", "", ticks, None, "with the tail's beside it"),
        Figure(
            name,
            "looks that come due within a day",
            "",
            f"{idle.looks:,}",
            None,
            f"{idle.looks / 288:,.0f} a due tick of five minutes, were they even",
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


def _measure(stage: Stage, cadences: Cadences) -> Idle:
    with (
        stage.databases.copy_of(stage.template) as database,
        environment(database, stage.stripe.url, KEY, **cadences.settings) as environ,
        replicas(1, environ) as (service,),
    ):
        service.start()
        observer, customers = Observer(service, database), Customers(stage, database)
        observer.start()
        try:
            service.wait_for("lease.taken")
            for job in ("window", "due"):
                service.wait_for("pass.finished", job=job, complete=True, seconds=FIRST_PASSES)
            customers.start()
            began = time.monotonic() + 2 * SAMPLE_SECONDS
            ticks = _due_ticks(service, began, cadences)
            # whole ticks are counted, with as many quiet seconds as belong to them
            threading.Event().wait(max(0.0, began + DUE_TICKS * cadences.due - time.monotonic()))
            threading.Event().wait(cadences.due / 5)
        finally:
            for thread in (observer, customers):
                thread.stopping.set()
            observer.join(10)
            if customers.is_alive():
                customers.join(10)
        ended = time.monotonic()
        peak, resident = megabytes("VmHWM", service.pid), megabytes("VmRSS", service.pid)
        _prove(service, database, stage.intents)
        ((looks,),) = asked(database, LOOKS_OF_A_DAY)
        tails = sum(line.at > began for line in service.lines("pass.finished", job="tail"))
    observed = observer.observed
    return Idle(
        observed.spent(0.0, began),
        observed.spent(began, ended),
        [observed.spent(*_bounds(tick)) for tick in ticks],
        [int(tick.fields["examined"]) for tick in ticks],
        tails,
        int(str(looks)),
        resident,
        peak,
    )


def _due_ticks(service: Service, began: float, cadences: Cadences) -> list[Line]:
    ticks: list[Line] = []
    while len(ticks) < DUE_TICKS:
        after = ticks[-1].at if ticks else began
        seconds = 2 * cadences.due + 60
        ticks.append(service.wait_for("pass.finished", job="due", after=after, seconds=seconds))
    return ticks


def _bounds(tick: Line) -> tuple[float, float]:
    """From a little before a sweep began until a little after it ended."""
    margin = 2 * SAMPLE_SECONDS
    return tick.at - float(tick.fields["seconds"]) - margin, tick.at + margin


def _prove(service: Service, database: str, payments: int) -> None:
    """Every payment has a look to come, nothing disagreed, and no sweep failed."""
    ((rechecks,),) = asked(database, "SELECT count(*) FROM reconciler.rechecks")
    ((findings,),) = asked(database, "SELECT count(*) FROM reconciler.discrepancies")
    failed = [line for line in service.lines("pass.finished") if not line.fields["complete"]]
    if int(str(rechecks)) < payments or findings or failed:
        raise RuntimeError(
            f"{rechecks} of {payments} payments have a look to come, {findings} findings, {len(failed)} sweeps failed"
        )


def _tell(idle: Idle) -> None:
    say(
        f"  {idle.resident:.0f} MB resident ({idle.peak:.0f} MB at most), CPU {idle.cpu:.2f} % of a core,"
        f" {idle.without_due:.2f} % outside due ticks, database {idle.backends:.2f} %, {load()}"
    )
