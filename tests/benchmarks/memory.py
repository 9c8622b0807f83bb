"""Resident memory of a due sweep with ten thousand open payments and with a million, each in a process of its own.

The Stripe is one that answers at once without keeping anything, so that only the program's own memory is seen; what is
told is the most that the process ever held (``VmHWM``), the interpreter and every library included. Two hundred payments
are to be corrected in either: what is found is kept for the report, up to ten thousand lines, however much is open.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace

from reconciler.engine.report import SweepKind, Writing
from tests.benchmarks.figures import Figure, say
from tests.benchmarks.options import Options
from tests.benchmarks.program import account, measured
from tests.benchmarks.reads import NOW, NOWHERE
from tests.benchmarks.rows_in_sql import Rows
from tests.benchmarks.shop import Databases
from tests.benchmarks.standing_clock import StandingClock
from tests.benchmarks.stripe_process import KEY, REPOSITORY
from tests.benchmarks.usage import megabytes

CHANGES = 200
LONGEST = 1800
"""Seconds after which a sweep is given up."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What a sweep held at most, in MB, and how long it took."""

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
            weights = {size: _weight(databases, size, writing) for size in (small, large)}
            for size, weight in weights.items():
                figures.append(_peak(f"due, {name}, {size:,} open", weight))
            growth = weights[large].peak / weights[small].peak
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


def _peak(name: str, weight: Weight) -> Figure:
    remarks = (
        f"{weight.before:.0f} MB before the sweep; {weight.reads:,} reads, {weight.seconds:.0f} s"
    )
    peak = f"{weight.peak:.0f}"
    return Figure(name, "most resident, MB", "<= 150", peak, weight.peak <= 150, remarks)


def _weight(databases: Databases, size: int, writing: Writing) -> Weight:
    """Run a sweep over so many open payments in a fresh process."""
    rows = _rows(size)
    with (
        databases.filled(generated=rows.select(rows.stripe(NOW))) as template,
        databases.copy_of(template) as url,
    ):
        asked = json.dumps({"url": url, "size": size, "writing": writing.value})
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.memory", asked],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
            timeout=LONGEST,
            check=True,
        )
    weight = Weight(**json.loads(done.stdout.splitlines()[-1]))
    say(f"  {writing.value}, {size:,} open: {weight.peak:.0f} MB in {weight.seconds:.0f} s")
    return weight


def _rows(size: int) -> Rows:
    return Rows(size, wrong_every=max(1, size // CHANGES))


def _child(url: str, size: int, writing: str) -> None:
    rows = _rows(size)
    stripe = rows.stripe(NOW)
    clock = StandingClock(NOW)
    with account(url, NOWHERE, KEY, paced=False, clock=clock) as opened:
        before = megabytes("VmRSS")
        run = measured(replace(opened, stripe=stripe), SweepKind.DUE, Writing(writing))
    done = run.report.corrected + run.report.would_correct
    if (run.report.examined, done) != (size, rows.wrong):
        raise RuntimeError(f"the sweep did not do its work: {dict(run.report.as_json())}")
    weight = {
        "peak": megabytes("VmHWM"),
        "before": before,
        "seconds": run.seconds,
        "reads": stripe.reads,
    }
    sys.stdout.write(f"{json.dumps(weight)}\n")


if __name__ == "__main__":
    _child(**json.loads(sys.argv[1]))
