"""The program as a benchmark runs it: one account, from a configuration file like a user's."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler.clock import Clock, SystemClock
from reconciler.engine.account import OpenAccount
from reconciler.engine.report import SweepKind, SweepReport, SweepRequest, Writing
from reconciler.settings import load
from reconciler.wiring import open_account
from tests.benchmarks.figures import load as machine_load
from tests.benchmarks.figures import say

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
    """Nobody watches."""

    def advance(self, examined: int, total: int | None) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Run:
    """One sweep with what it took: seconds by the clock, and of this process's processors (all threads)."""

    report: SweepReport
    seconds: float
    cpu: float

    @property
    def a_second(self) -> float:
        """Intents examined a second."""
        return self.report.examined / self.seconds

    @property
    def cpu_an_intent(self) -> float:
        """Microseconds of CPU an intent."""
        return self.cpu / self.report.examined * 1e6


@contextmanager
def account(
    database: str, api_base: str, key: str, *, paced: bool, clock: Clock | None = None
) -> Iterator[OpenAccount]:
    """An account, ready for sweeps. ``paced`` keeps Stripe's documented limits, all of them."""
    with tempfile.TemporaryDirectory(prefix="reconciler-benchmark-") as folder:
        path = Path(folder) / "reconciler.toml"
        text = CONFIGURATION.format(api_base=api_base) + ("" if paced else WITHOUT_LIMITS)
        path.write_text(text, encoding="utf-8")
        settings = load(path, {"STRIPE_API_KEY": key, "DATABASE_URL": database})
    used = clock or SystemClock()
    with open_account(settings, settings.accounts[0], used, writes_rows=True) as opened:
        yield opened


def measured(
    opened: OpenAccount, kind: SweepKind, writing: Writing = Writing.ROWS, **request: object
) -> Run:
    """One sweep, measured."""
    asked = SweepRequest(kind=kind, writing=writing, asked_by="benchmark", **request)  # type: ignore[arg-type]
    began, used = time.perf_counter(), time.process_time()
    report = opened.sweep(asked, NoProgress())
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    if not report.complete:
        missed = report.unexamined[0] if report.unexamined else ""
        raise RuntimeError(f"the sweep was not complete: {report.stopped or missed}")
    return Run(report, seconds, cpu)


def tell(name: str, run: Run) -> None:
    """A line for whoever watches."""
    say(
        f"  {name}: {run.report.examined:,} intents in {run.seconds:.1f} s ({run.a_second:,.0f}/s),"
        f" {run.cpu_an_intent:.0f} µs CPU an intent, {run.report.corrected:,} corrected,"
        f" {run.report.reads:,} reads, {run.report.rate_limited} refused, {machine_load()}"
    )


def median(values: list[float]) -> float:
    """The middle one."""
    return statistics.median(values)
