"""Two replicas, and the one that holds the account goes: how soon the other does its work.

The holder is ended in the middle of a sweep, at a random moment between two renewals of its lease. There is work
enough for both, at the default share of Stripe's limits in test mode. What counts is the first page that the other one records,
and the first row that it corrects, from the signal on. Once the holder is killed and its lease must run out, once it is
stopped and gives the lease back.

Pages are recorded by the batch, after one look at fresh events: a page counts when it is recorded. When the first row
follows depends on how much of the table the holder had put right: sweeps begin anew and read that again before they come
to what is left.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from dataclasses import dataclass

from tests.benchmarks.figures import Figure, load, say, spread
from tests.benchmarks.options import Options
from tests.benchmarks.service import LONGEST, Service, replicas
from tests.benchmarks.shop import Databases, asked
from tests.benchmarks.town import Town, town

PAGES_A_SECOND = 12.5
"""Half of Stripe's default limit on an endpoint."""
LEAST_LEFT = 1_000
"""Rows that must be left at the signal: the figure is not to be of a replica that has nothing to correct."""
SEED = 20
BATCH_SECONDS = 10
"""How long a page may wait for others to be recorded with; short forms shorten the lease alone. A stopped holder has its own
batch to record, too."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """Seconds from the signal until the other replica held the lease, had a page, and had corrected a row."""

    lease: float
    page: float
    row: float


def run(options: Options) -> list[Figure]:
    """Killed, and stopped."""
    lease = options.sized(tiny=1, usual=6, full=30)
    # there is work for so much longer than until the latest signal
    margin = options.sized(tiny=3, usual=10, full=10)
    rows = int(100 * PAGES_A_SECOND * (lease / 3 + margin))
    figures: list[Figure] = []
    with Databases(options.postgres) as databases:
        for number, words, most in (
            (signal.SIGKILL, "killed", 2.0 * lease + (0 if options.full else BATCH_SECONDS)),
            (signal.SIGTERM, "stopped", lease / 3 + 2 * BATCH_SECONDS),
        ):
            runs = [
                _one(databases, rows, lease, number, random.Random(SEED + place))
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
            "it begins anew, and first reads again what the holder had put right",
        ),
        Figure(
            name, "until it has the lease, s", "", spread([run.lease for run in runs], ".1f"), None
        ),
    ]


def _one(
    databases: Databases, rows: int, lease: int, number: int, chance: random.Random
) -> Takeover:
    """One takeover, over a table of its own."""
    with (
        town(
            databases,
            service__lease=f"{lease}s",
            service__tail="10s",
            service__due="5s",
            corrections__grace="1s",
            budget__share="0.5",
        ) as made,
        replicas(2, made.environ) as (holder, other),
    ):
        # the window and the due net may share it, and what is left must be enough for the other replica
        made.make(rows, paid=True)
        holder.start()
        holder.wait_for("lease.taken")
        other.start()
        other.wait_for("service.ready")
        holder.wait_for("page.examined")
        threading.Event().wait(chance.uniform(0, lease / 3))
        ((left,),) = asked(made.url, "SELECT count(*) FROM payments WHERE status = 'pending'")
        if int(str(left)) < LEAST_LEFT:
            raise RuntimeError(f"only {left} rows are left to the other replica")
        at, moment = time.monotonic(), time.time()
        holder.end(number)
        taken = other.wait_for("lease.taken", after=at).at - at
        page = _first_page(other) - at
        row = _first_row(made, moment, taken)
        other.end()
    say(f"  {signal.Signals(number).name}: lease {taken:.1f} s, page {page:.1f} s, row {row:.1f} s")
    return Takeover(taken, page, row)


def _first_page(other: Service) -> float:
    """When the log told of the first page whose payments were examined and recorded."""
    after = 0.0
    while not (line := other.wait_for("page.examined", after=after)).fields["examined"]:
        after = line.at
    return line.at


def _first_row(made: Town, moment: float, taken: float) -> float:
    """Seconds from a moment until the first row was written once the other held the lease: until then it was the holder."""
    pause, until = threading.Event(), time.monotonic() + LONGEST
    query = (
        "SELECT extract(epoch FROM min(at))::float8 FROM written"
        f" WHERE at > to_timestamp({moment + taken:.3f})"
    )
    while time.monotonic() < until:
        ((first,),) = asked(made.url, query)
        if first is not None:
            return float(str(first)) - moment
        pause.wait(0.05)
    raise RuntimeError("the other replica has corrected nothing")
