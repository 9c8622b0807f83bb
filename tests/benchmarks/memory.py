"""Resident memory of a due sweep with ten thousand open payments and with a million, each in a process of its own.

The Stripe answers at once and stores nothing, so that only the program's own memory is measured. The figure is the most
that the process ever had (``VmHWM``), with the interpreter and every library. Two hundred payments are to be corrected in
either: the report keeps up to ten thousand lines, however many payments are open.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from reconciler.engine.report import SweepKind, Writing
from tests.benchmarks.databases import Databases
from tests.benchmarks.figures import Figure, print_line
from tests.benchmarks.generated_rows import GeneratedRows
from tests.benchmarks.measured_sweeps import benchmark_account, measure_sweep, with_ports
from tests.benchmarks.options import Options
from tests.benchmarks.process_usage import megabytes
from tests.benchmarks.reads import NOW, NOWHERE
from tests.benchmarks.stepped_clock import SteppedClock
from tests.benchmarks.stripe_process import KEY, REPOSITORY

CHANGES = 200
LONGEST_SECONDS = 1800
"""After this time the benchmark ends the sweep."""


@dataclass(frozen=True, slots=True)
class SweepMemory:
    """The most memory of a sweep and the memory before it, in MB, and its seconds and reads."""

    peak: float
    before: float
    seconds: float
    reads: int


def run(options: Options) -> list[Figure]:
    """The memory of a dry run and of a sweep that records, small and large."""
    small = options.sized(tiny=200, usual=10_000, full=10_000)
    large = options.sized(tiny=2_000, usual=200_000, full=1_000_000)
    figures: list[Figure] = []

    with Databases(options.postgres) as databases:
        for writing in (Writing.NOTHING, Writing.ROWS):
            name = "dry run" if writing is Writing.NOTHING else "recording"
            measured = {size: _measure(databases, size, writing) for size in (small, large)}
            for size, memory in measured.items():
                figures.append(_peak(f"due, {name}, {size:,} open", memory))
            growth = measured[large].peak / measured[small].peak
            figures.append(
                Figure(
                    f"due, {name}",
                    f"memory at {large:,} over that at {small:,}",
                    "<= 1.10",
                    f"{growth:.2f}",
                    growth <= 1.10,
                )
            )

    return figures


def _peak(name: str, memory: SweepMemory) -> Figure:
    remarks = (
        f"{memory.before:.0f} MB before the sweep; {memory.reads:,} reads, {memory.seconds:.0f} s"
    )
    peak = f"{memory.peak:.0f}"
    return Figure(name, "most resident, MB", "<= 150", peak, memory.peak <= 150, remarks)


def _measure(databases: Databases, size: int, writing: Writing) -> SweepMemory:
    """Make a sweep over so many open payments in a new process."""
    rows = _rows(size)

    with (
        databases.filled(generated=rows.select(rows.stripe(NOW))) as template,
        databases.copy_of(template) as url,
    ):
        parameters = json.dumps({"url": url, "size": size, "writing": writing.value})
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.memory", parameters],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
            timeout=LONGEST_SECONDS,
            check=True,
        )

    memory = SweepMemory(**json.loads(done.stdout.splitlines()[-1]))
    print_line(f"  {writing.value}, {size:,} open: {memory.peak:.0f} MB in {memory.seconds:.0f} s")
    return memory


def _rows(size: int) -> GeneratedRows:
    return GeneratedRows(size, wrong_every=max(1, size // CHANGES))


def _sweep_in_this_process(url: str, size: int, writing: str) -> None:
    rows = _rows(size)
    stripe = rows.stripe(NOW)
    clock = SteppedClock(NOW)
    with benchmark_account(url, NOWHERE, KEY, limited=False, clock=clock) as opened:
        before = megabytes("VmRSS")
        run = measure_sweep(with_ports(opened, stripe=stripe), SweepKind.DUE, Writing(writing))
    corrected = run.report.corrected + run.report.would_correct
    if (run.report.examined, corrected) != (size, rows.wrong):
        raise RuntimeError(f"the sweep did not do its work: {dict(run.report.as_json())}")
    memory = {
        "peak": megabytes("VmHWM"),
        "before": before,
        "seconds": run.seconds,
        "reads": stripe.reads,
    }
    sys.stdout.write(f"{json.dumps(memory)}\n")


if __name__ == "__main__":
    _sweep_in_this_process(**json.loads(sys.argv[1]))
