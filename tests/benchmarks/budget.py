"""Two replicas and one-off sweeps of a person on one account: the requests per second, as Stripe counts them.

The sandbox enforces Stripe's documented limits in live mode: 100 requests a second, 25 for each endpoint. The window and
due sweeps of the service read the whole table. One-off sweeps that are handed over to it read the same, and retrieve many
payments one by one. So both the list and the retrieve endpoint are busy. It runs once with all of Stripe's limits and once
with half of them.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.clock import SystemClock
from tests.benchmarks.databases import query_rows
from tests.benchmarks.figures import Figure, load, print_line
from tests.benchmarks.large_shop import LargeShop, large_shop
from tests.benchmarks.options import Options
from tests.benchmarks.service_process import REPOSITORY, ServiceProcess, environment, replicas
from tests.benchmarks.stripe_process import EVENTS, KEY, LIST, RETRIEVE, Counts

OVERALL_LIMIT, ENDPOINT_LIMIT = 100, 25
ENDPOINTS = {LIST: "list", RETRIEVE: "retrieve", EVENTS: "events"}
LONGEST_SWEEP_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class CountedRequests:
    """The requests that the sandbox counted, and in how many seconds."""

    counts: Counts
    seconds: float


def run(options: Options) -> list[Figure]:
    """The most requests in any second, in all and by endpoint, and how often Stripe refused one."""
    payments = options.sized(tiny=400, usual=15_000, full=40_000)
    singles = options.sized(tiny=10, usual=250, full=700)
    figures: list[Figure] = []
    with large_shop(options, payments) as shop:
        for share in (1.0, 0.5):
            counted = _count_requests(shop, share, singles if share == 1.0 else singles // 2)
            figures += _figures(f"budget, two replicas and one-offs, share {share}", share, counted)
    return figures


def _figures(name: str, share: float, counted: CountedRequests) -> list[Figure]:
    counts, seconds = counted.counts, counted.seconds
    remark = f"{counts.reads:,} reads in {seconds:.0f} s, {load()}"
    figures = [
        _most(
            name,
            "requests",
            counts.most_per_second.get("", 0),
            math.ceil(share * OVERALL_LIMIT),
            remark,
        )
    ]

    for endpoint, words in ENDPOINTS.items():
        number = counts.of_endpoint.get(endpoint, 0)
        remark = f"{number:,} reads, {number / seconds:.1f} a second"
        most = counts.most_per_second.get(endpoint, 0)
        figures.append(_most(name, words, most, math.ceil(share * ENDPOINT_LIMIT), remark))

    refused = counts.rate_limited
    figures.append(Figure(name, "answers 429", "0", str(refused), refused == 0))
    return figures


def _most(name: str, what: str, reached: int, limit: int, remark: str) -> Figure:
    figure = f"most in any second: {what}"
    return Figure(name, figure, f"<= {limit}", str(reached), reached <= limit, remark)


def _count_requests(shop: LargeShop, share: float, singles: int) -> CountedRequests:
    """Run replicas and one-off sweeps over a fresh copy of the table, until all sweeps have ended."""
    settings = {"budget__share": str(share), "service__tail": "10s", "service__due": "10s"}

    with (
        shop.databases.copy_of(shop.template) as database,
        environment(database, shop.stripe.url, KEY, **settings) as environ,
        replicas(2, environ) as group,
    ):
        shop.stripe.set_limits(documented=True)
        shop.stripe.reset_counts()
        for service in group:
            service.start()
        for service in group:
            service.wait_for("service.ready")
        began = time.monotonic()
        holder = _holder(group)
        _make_one_off_sweeps(environ, _sample_intents(database, singles))
        holder.wait_for("sweep.finished", job="window", seconds=LONGEST_SWEEP_SECONDS)
        counts, seconds = shop.stripe.counts(), time.monotonic() - began
        for service in group:
            service.end()

    print_line(
        f"  share {share}: {dict(counts.most_per_second)} at most in a second, {seconds:.0f} s"
    )
    return CountedRequests(counts, seconds)


def _holder(group: list[ServiceProcess]) -> ServiceProcess:
    """The replica that holds the account, once one does."""
    clock, until = SystemClock(), time.monotonic() + LONGEST_SWEEP_SECONDS
    while time.monotonic() < until:
        for service in group:
            if service.has_logged("lease.taken"):
                return service
        clock.sleep(0.05)
    raise RuntimeError("no replica has taken the account")


def _sample_intents(database: str, count: int) -> list[str]:
    """So many intents from the whole table."""
    rows = query_rows(database, f"SELECT pi FROM payments ORDER BY md5(pi) LIMIT {count}")
    return [str(row[0]) for row in rows]


def _make_one_off_sweeps(environ: Mapping[str, str], intents: list[str]) -> None:
    """Make a one-off sweep over single payments and one over the window, both while the service runs."""
    single = [f"--payment-intent={intent}" for intent in intents]

    for arguments in (single, ["--kind", "window"]):
        done = subprocess.run(
            [sys.executable, "-m", "reconciler", "sweep", "--apply", "--yes", "--json", *arguments],
            cwd=REPOSITORY,
            env={"PATH": os.defpath, **environ},
            capture_output=True,
            text=True,
            timeout=LONGEST_SWEEP_SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"a one-off sweep ended with {done.returncode}: {done.stderr}")
        json.loads(done.stdout)
