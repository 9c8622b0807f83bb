"""Two replicas and people's one-off sweeps on one account, as Stripe counts their requests.

Stripe's documented limits are on in the sandbox, in live mode: 100 requests a second, 25 on an endpoint. The window and due
sweeps of the service read the whole table, while one-off sweeps that are handed over to it read the same and ask for many
payments one by one: so both lanes are busy. Once with all of Stripe's limits, once with half of them.
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
from tests.benchmarks.figures import Figure, load, say
from tests.benchmarks.options import Options
from tests.benchmarks.service import REPOSITORY, Service, environment, replicas
from tests.benchmarks.shop import asked
from tests.benchmarks.stage import Stage, staged
from tests.benchmarks.stripe_process import EVENTS, KEY, LIST, RETRIEVE, Counts

OVERALL, ENDPOINT = 100, 25
ENDPOINTS = {LIST: "list", RETRIEVE: "retrieve", EVENTS: "events"}
LONGEST_PASS = 600.0
"""Seconds after which a sweep is given up."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What the sandbox counted, and in how many seconds."""

    counts: Counts
    seconds: float


def run(options: Options) -> list[Figure]:
    """The most requests in any second, of all and by endpoint, and how often Stripe refused."""
    payments = options.sized(tiny=400, usual=15_000, full=40_000)
    singles = options.sized(tiny=10, usual=250, full=700)
    figures: list[Figure] = []
    with staged(options, payments) as stage:
        for share in (1.0, 0.5):
            spent = _spend(stage, share, singles if share == 1.0 else singles // 2)
            figures += _figures(f"budget, two replicas and one-offs, share {share}", share, spent)
    return figures


def _figures(name: str, share: float, spent: Spent) -> list[Figure]:
    counts, seconds = spent.counts, spent.seconds
    remark = f"{counts.reads:,} reads in {seconds:.0f} s, {load()}"
    figures = [
        _most(name, "requests", counts.most_a_second.get("", 0), math.ceil(share * OVERALL), remark)
    ]
    for endpoint, words in ENDPOINTS.items():
        number = counts.of_endpoint.get(endpoint, 0)
        remark = f"{number:,} reads, {number / seconds:.1f} a second"
        most = counts.most_a_second.get(endpoint, 0)
        figures.append(_most(name, words, most, math.ceil(share * ENDPOINT), remark))
    refused = counts.rate_limited
    figures.append(Figure(name, "answers 429", "0", str(refused), refused == 0))
    return figures


def _most(name: str, what: str, reached: int, limit: int, remark: str) -> Figure:
    figure = f"most in any second: {what}"
    return Figure(name, figure, f"<= {limit}", str(reached), reached <= limit, remark)


def _spend(stage: Stage, share: float, singles: int) -> Spent:
    """Everything at once over a fresh copy of the table, until all of it is done."""
    settings = {"budget__share": str(share), "service__tail": "10s", "service__due": "10s"}
    with (
        stage.databases.copy_of(stage.template) as database,
        environment(database, stage.stripe.url, KEY, **settings) as environ,
        replicas(2, environ) as group,
    ):
        stage.stripe.limit(documented=True)
        stage.stripe.forget()
        for service in group:
            service.start()
        for service in group:
            service.wait_for("service.ready")
        began = time.monotonic()
        holder = _holder(group)
        _one_offs(environ, _some(database, singles))
        holder.wait_for("pass.finished", job="window", seconds=LONGEST_PASS)
        counts, seconds = stage.stripe.counts(), time.monotonic() - began
        for service in group:
            service.end()
    say(f"  share {share}: {dict(counts.most_a_second)} at most in a second, {seconds:.0f} s")
    return Spent(counts, seconds)


def _holder(group: list[Service]) -> Service:
    """The replica that has the account."""
    clock, until = SystemClock(), time.monotonic() + LONGEST_PASS
    while time.monotonic() < until:
        for service in group:
            if service.has_told("lease.taken"):
                return service
        clock.sleep(0.05)
    raise RuntimeError("no replica has taken the account")


def _some(database: str, count: int) -> list[str]:
    """So many intents, from all over the table."""
    rows = asked(database, f"SELECT pi FROM payments ORDER BY md5(pi) LIMIT {count}")
    return [str(row[0]) for row in rows]


def _one_offs(environ: Mapping[str, str], intents: list[str]) -> None:
    """A person's sweep over single payments, and another over all of the window, both beside the service."""
    single = [f"--payment-intent={intent}" for intent in intents]
    for arguments in (single, ["--kind", "window"]):
        done = subprocess.run(
            [sys.executable, "-m", "reconciler", "sweep", "--apply", "--json", *arguments],
            cwd=REPOSITORY,
            env={"PATH": os.defpath, **environ},
            capture_output=True,
            text=True,
            timeout=LONGEST_PASS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"a one-off sweep ended with {done.returncode}: {done.stderr}")
        json.loads(done.stdout)
