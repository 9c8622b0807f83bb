"""An account with a configuration file like a user's, and sweeps over it that are measured."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.clock import Clock, SystemClock
from reconciler.engine.account import OpenAccount
from reconciler.engine.report import SweepKind, SweepReport, SweepRequest, Writing
from reconciler.settings import load
from reconciler.wiring.account import open_account
from tests.benchmarks.figures import load as machine_load
from tests.benchmarks.figures import print_line

CONFIGURATION = """
[stripe]
api_base = "{api_base}"
[payments]
table = "public.payments"
key = "id"
payment_intent = "pi"
status = "status"
amount = "amount"
currency = "currency"
created = "created_at"
updated = "updated_at"
order = "order_id"
link_metadata = "order_id"
[payments.read]
pending = "incomplete"
failed = "failed"
processing = "processing"
paid = "succeeded"
canceled = "canceled"
[payments.write]
succeeded = "paid"
[corrections]
mode = "update"
grace = "2m"
per_hour = 1000000
[budget]
share = 1.0
reads_per_30_days = 1000000000
"""
WITHOUT_LIMITS = """global_per_second = 100000
endpoint_per_second = 100000
"""


class NoProgress:
    """Shows no progress."""

    def advance(self, examined: int, total: int | None) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class MeasuredSweep:
    """One sweep, its seconds by the clock, and the seconds of CPU that all threads of this process used."""

    report: SweepReport
    seconds: float
    cpu_seconds: float

    @property
    def intents_per_second(self) -> float:
        """Intents examined per second."""
        return self.report.examined / self.seconds

    @property
    def cpu_microseconds_per_intent(self) -> float:
        """Microseconds of CPU per intent."""
        return self.cpu_seconds / self.report.examined * 1e6


@contextmanager
def benchmark_account(
    database: str, api_base: str, key: str, *, limited: bool, clock: Clock | None = None
) -> Iterator[OpenAccount]:
    """An account, ready for sweeps. ``limited`` is whether it keeps to Stripe's documented limits."""
    with tempfile.TemporaryDirectory(prefix="reconciler-benchmark-") as folder:
        path = Path(folder) / "reconciler.toml"
        text = CONFIGURATION.format(api_base=api_base) + ("" if limited else WITHOUT_LIMITS)
        path.write_text(text, encoding="utf-8")
        settings = load(path, {"STRIPE_API_KEY": key, "DATABASE_URL": database})
    with open_account(
        settings, settings.accounts[0], clock or SystemClock(), writes_rows=True
    ) as opened:
        yield opened


def with_ports(opened: OpenAccount, **ports: object) -> OpenAccount:
    """The same account with other ports, such as a Stripe that lives in this process."""
    return replace(opened, ports=replace(opened.ports, **ports))  # type: ignore[arg-type]


def measure_sweep(
    opened: OpenAccount, kind: SweepKind, writing: Writing = Writing.ROWS, **request: object
) -> MeasuredSweep:
    """Make a sweep and measure it. Raises RuntimeError if it is not complete."""
    sweep_request = SweepRequest(
        kind=kind, writing=writing, asked_by="benchmark", approved=True, **request
    )  # type: ignore[arg-type]
    began, cpu_before = time.perf_counter(), time.process_time()
    report = opened.sweep(sweep_request, NoProgress())
    seconds = time.perf_counter() - began
    cpu_seconds = time.process_time() - cpu_before
    if not report.complete:
        missed = report.unexamined[0] if report.unexamined else ""
        raise RuntimeError(f"the sweep was not complete: {report.stopped or missed}")
    return MeasuredSweep(report, seconds, cpu_seconds)


def print_sweep(name: str, run: MeasuredSweep) -> None:
    """Print a line about a sweep."""
    print_line(
        f"  {name}: {run.report.examined:,} intents in {run.seconds:.1f} s ({run.intents_per_second:,.0f}/s),"
        f" {run.cpu_microseconds_per_intent:.0f} µs CPU an intent, {run.report.corrected:,} corrected,"
        f" {run.report.reads:,} reads, {run.report.rate_limited} refused, {machine_load()}"
    )


def median(values: list[float]) -> float:
    """The median."""
    return statistics.median(values)
