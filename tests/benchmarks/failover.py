"""Two replicas, and the one that holds the account goes: how soon the other does its work.

The holder is ended in the middle of a pass, at a random moment between two renewals of its lease. Work is made to last:
Stripe is asked twice a second, a hundred payments at a time. What counts is the first page that the other one examines,
and the first row that it corrects, from the signal on. Once the holder is killed and its lease must run out, once it is
stopped and gives the lease back.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from dataclasses import dataclass

from tests.benchmarks.figures import Figure, load, say, spread
from tests.benchmarks.options import Options
from tests.benchmarks.service import LONGEST, replicas
from tests.benchmarks.shop import Databases, asked
from tests.benchmarks.town import Town, town

PAGES_A_SECOND = 2
SEED = 20
STEADY_SECONDS = 5
"""What a stopped holder and the first page of the other may take, beside the look at the lease."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """Seconds from the signal until the other replica held the lease, had a page, and had corrected a row."""

    lease: float
    page: float
    row: float


def run(options: Options) -> list[Figure]:
    """Killed, and stopped."""
    lease = options.sized(tiny=1, usual=6, full=30)
    figures: list[Figure] = []
    with Databases(options.postgres) as databases:
        for number, words, most in (
            (signal.SIGKILL, "killed", 2.0 * lease),
            (signal.SIGTERM, "stopped", lease / 3 + STEADY_SECONDS),
        ):
            runs = [
                _one(databases, lease, number, random.Random(SEED + place))
                for place in range(options.repeated(usual=2))
            ]
            figures += _figures(f"failover, holder {words}, lease {lease} s", most, runs)
    return figures


def _figures(name: str, most: float, runs: list[Takeover]) -> list[Figure]:
    longest = max(run.row for run in runs)
    remark = f"the longest of {len(runs)} runs counts; {load()}"
    return [
        Figure(
            name,
            "until the other's first corrected row, s",
            f"<= {most:.0f}",
            spread([run.row for run in runs], ".1f"),
            longest <= most,
            remark,
        ),
        Figure(
            name,
            "until its first page, s",
            f"<= {most:.0f}",
            spread([run.page for run in runs], ".1f"),
            max(run.page for run in runs) <= most,
        ),
        Figure(
            name, "until it has the lease, s", "", spread([run.lease for run in runs], ".1f"), None
        ),
    ]


def _one(databases: Databases, lease: int, number: int, chance: random.Random) -> Takeover:
    """One takeover, over a table of its own."""
    with (
        town(
            databases,
            service__lease=f"{lease}s",
            service__tail="10s",
            service__due="5s",
            corrections__grace="1s",
            budget__endpoint_per_second=str(PAGES_A_SECOND),
        ) as made,
        replicas(2, made.environ) as (holder, other),
    ):
        # enough for the time until the signal and for the other one afterwards
        made.make(100 * PAGES_A_SECOND * (lease // 3 + 10), paid=True)
        holder.start()
        holder.wait_for("page.examined")
        other.start()
        other.wait_for("service.ready")
        threading.Event().wait(chance.uniform(0, lease / 3))
        at, moment = time.monotonic(), time.time()
        holder.end(number)
        taken = other.wait_for("lease.taken", after=at).at - at
        page = other.wait_for("page.examined", after=at).at - at
        row = _first_row(made, moment, taken)
        other.end()
    say(f"  {signal.Signals(number).name}: lease {taken:.1f} s, page {page:.1f} s, row {row:.1f} s")
    return Takeover(taken, page, row)


def _first_row(made: Town, moment: float, taken: float) -> float:
    """Seconds from a moment until the first row was written once the other held the lease."""
    pause, until = threading.Event(), time.monotonic() + LONGEST
    query = (
        "SELECT extract(epoch FROM min(at))::float8 FROM written"
        f" WHERE at > to_timestamp({moment + taken - 1:.3f})"
    )
    while time.monotonic() < until:
        ((first,),) = asked(made.url, query)
        if first is not None:
            return float(str(first)) - moment
        pause.wait(0.05)
    raise RuntimeError("the other replica has corrected nothing")
