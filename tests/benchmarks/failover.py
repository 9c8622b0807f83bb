"""How soon the second of two replicas works on an account after the first has ended.

The first holds the account and is ended in the middle of a sweep, at a random moment between two renewals of its lease:
killed, so that its lease must expire, or stopped, so that it gives the lease back. There is work enough for both, at the
default share of Stripe's limits in test mode. The figures are the seconds from the signal to the first page that the second
records, and to the first row that it corrects.

Pages are recorded in batches, after one read of recent events; a page counts when it is recorded. The first corrected row
depends on how much of the table the first replica had corrected: the second begins the sweep again from the start.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from dataclasses import dataclass

from tests.benchmarks.databases import Databases, query_rows
from tests.benchmarks.figures import Figure, load, print_line, spread
from tests.benchmarks.options import Options
from tests.benchmarks.service_process import LONGEST_SECONDS, ServiceProcess, replicas
from tests.benchmarks.small_shop import SmallShop, small_shop

PAGES_PER_SECOND = 12.5
"""Half of Stripe's default limit on an endpoint."""
LEAST_LEFT = 1_000
"""So many wrong rows must be left at the signal, or the second replica might have nothing to correct."""
SEED = 20
BATCH_SECONDS = 10
"""How long a page may wait for the batch it is recorded in. Short forms of the benchmark shorten only the lease. A stopped
replica records its own batch first."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """Seconds from the signal until the second replica held the lease, had recorded a page, and had corrected a row."""

    lease: float
    page: float
    row: float


def run(options: Options) -> list[Figure]:
    """The first replica killed, and stopped."""
    lease = options.sized(tiny=1, usual=6, full=30)
    # seconds for which there is work after the latest possible signal
    margin = options.sized(tiny=3, usual=10, full=10)
    rows = int(100 * PAGES_PER_SECOND * (lease / 3 + margin))
    figures: list[Figure] = []

    with Databases(options.postgres) as databases:
        for number, words, most in (
            (signal.SIGKILL, "killed", 2.0 * lease + (0 if options.full else BATCH_SECONDS)),
            (signal.SIGTERM, "stopped", lease / 3 + 2 * BATCH_SECONDS),
        ):
            runs = [
                _take_over(databases, rows, lease, number, random.Random(SEED + place))
                for place in range(options.repeated(usual=2))
            ]
            figures += _figures(f"failover, holder {words}, lease {lease} s", most, runs)

    return figures


def _figures(name: str, most: float, runs: list[Takeover]) -> list[Figure]:
    longest = max(run.page for run in runs)

    return [
        Figure(
            name,
            "until the other's first recorded page, s",
            f"<= {most:.0f}",
            spread([run.page for run in runs], ".1f"),
            longest <= most,
            f"the longest of {len(runs)} runs counts; {load()}",
        ),
        Figure(
            name,
            "until its first corrected row, s",
            f"<= {most:.0f}",
            spread([run.row for run in runs], ".1f"),
            max(run.row for run in runs) <= most,
            "it begins the sweep again, and first reads what the holder had corrected",
        ),
        Figure(
            name, "until it has the lease, s", "", spread([run.lease for run in runs], ".1f"), None
        ),
    ]


def _take_over(
    databases: Databases, rows: int, lease: int, number: int, chance: random.Random
) -> Takeover:
    """One takeover, with a table of its own."""
    with (
        small_shop(
            databases,
            service__lease=f"{lease}s",
            service__tail="10s",
            service__due="5s",
            corrections__grace="1s",
            budget__share="0.5",
        ) as shop,
        replicas(2, shop.environ) as (holder, other),
    ):
        # window and due sweeps correct rows at the same time, and enough must be left for the other replica
        shop.add_payments(rows, paid=True)
        holder.start()
        holder.wait_for("lease.taken")
        other.start()
        other.wait_for("service.ready")
        holder.wait_for("page.examined")
        threading.Event().wait(chance.uniform(0, lease / 3))
        ((left,),) = query_rows(shop.url, "SELECT count(*) FROM payments WHERE status = 'pending'")
        if int(str(left)) < LEAST_LEFT:
            raise RuntimeError(f"only {left} rows are left to the other replica")
        at, moment = time.monotonic(), time.time()
        holder.end(number)
        taken = other.wait_for("lease.taken", after=at).at - at
        page = _first_page(other) - at
        row = _first_row(shop, moment, taken)
        other.end()

    print_line(
        f"  {signal.Signals(number).name}: lease {taken:.1f} s, page {page:.1f} s, row {row:.1f} s"
    )
    return Takeover(taken, page, row)


def _first_page(other: ServiceProcess) -> float:
    """When the log had the line of the first recorded page with payments."""
    after = 0.0
    while not (line := other.wait_for("page.examined", after=after)).fields["examined"]:
        after = line.at
    return line.at


def _first_row(shop: SmallShop, moment: float, taken: float) -> float:
    """Seconds from ``moment`` to the first row written after ``taken``, when the second replica had the lease."""
    pause, until = threading.Event(), time.monotonic() + LONGEST_SECONDS
    query = (
        "SELECT extract(epoch FROM min(at))::float8 FROM written"
        f" WHERE at > to_timestamp({moment + taken:.3f})"
    )
    while time.monotonic() < until:
        ((first,),) = query_rows(shop.url, query)
        if first is not None:
            return float(str(first)) - moment
        pause.wait(0.05)
    raise RuntimeError("the other replica has corrected no row")
