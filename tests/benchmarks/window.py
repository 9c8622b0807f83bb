"""A window sweep over N intents at 60 ms latency that records what it finds: with Stripe's documented limits, and without.

Both are compared with the loop as most teams write it (see :mod:`baseline`), over the same payments and the same server.
The loop runs for some seconds only; its intents per second are reported.
"""

from __future__ import annotations

from reconciler.engine.report import SweepKind, Writing
from tests.benchmarks import baseline
from tests.benchmarks.figures import Figure, load, spread
from tests.benchmarks.large_shop import LargeShop, large_shop
from tests.benchmarks.measured_sweeps import (
    MeasuredSweep,
    benchmark_account,
    measure_sweep,
    median,
    print_sweep,
)
from tests.benchmarks.options import Options
from tests.benchmarks.stripe_process import KEY

LIST_LIMIT = 2500
"""Intents per second: 25 pages of a hundred, Stripe's default limit on one endpoint."""
BASELINE_SECONDS = 8.0


def run_at_limits(options: Options) -> list[Figure]:
    """How much of the list's limit a window sweep uses, and that Stripe never refuses a read."""
    runs: list[MeasuredSweep] = []
    refused = 0

    with large_shop(options, options.sized(tiny=300, usual=55_000, full=100_000)) as shop:
        for number in range(options.repeated(usual=3)):
            shop.stripe.set_limits(documented=True)
            shop.stripe.reset_counts()
            runs.append(_measure_window(shop, limited=True))
            print_sweep(f"window at the limits, run {number + 1}", runs[-1])
            refused += shop.stripe.counts().rate_limited

        loop = _baseline(shop, options, limited=True)

    speeds = [run.report.examined / run.report.seconds for run in runs]
    cpu = [run.cpu_microseconds_per_intent for run in runs]
    name = f"window, documented limits, N = {shop.intents:,}"
    target = f">= {0.95 * LIST_LIMIT:,.0f}"

    return [
        Figure(
            name, "intents/s", target, spread(speeds), median(speeds) >= 0.95 * LIST_LIMIT, load()
        ),
        Figure(name, "answers 429", "0", str(refused), refused == 0, f"{len(runs)} sweeps"),
        Figure(name, "CPU an intent, µs", "", spread(cpu), None),
        *_baseline_figures(name, loop),
    ]


def run_without_limits(options: Options) -> list[Figure]:
    """How many intents per second one process examines, and how much CPU it uses for each."""
    runs: list[MeasuredSweep] = []

    with large_shop(options, options.sized(tiny=300, usual=40_000, full=100_000)) as shop:
        shop.stripe.set_limits(documented=False)
        # the sandbox renders each object once, which must not count
        _measure_window(shop, limited=False, writing=Writing.NOTHING)
        for number in range(options.repeated(usual=5)):
            runs.append(_measure_window(shop, limited=False))
            print_sweep(f"window without limits, run {number + 1}", runs[-1])
        loop = _baseline(shop, options, limited=False)

    speeds = [run.intents_per_second for run in runs]
    cpu = [run.cpu_microseconds_per_intent for run in runs]
    name = f"window, no limits, N = {shop.intents:,}"

    return [
        Figure(name, "intents/s", ">= 5,000", spread(speeds), median(speeds) >= 5000, load()),
        Figure(name, "CPU an intent, µs", "<= 100", spread(cpu), median(cpu) <= 100, load()),
        *_baseline_figures(name, loop),
    ]


def _measure_window(
    shop: LargeShop, *, limited: bool, writing: Writing = Writing.ROWS
) -> MeasuredSweep:
    """Make one sweep over a fresh copy of the table. Raises RuntimeError if it did not find every wrong row."""
    with (
        shop.databases.copy_of(shop.template) as database,
        benchmark_account(database, shop.stripe.url, KEY, limited=limited) as opened,
    ):
        run = measure_sweep(opened, SweepKind.WINDOW, writing)

    report = run.report
    corrected = report.corrected + report.would_correct
    if (report.examined, corrected, report.discrepancies.total()) != (
        shop.intents,
        shop.wrong,
        shop.wrong,
    ):
        raise RuntimeError(f"the sweep did not find what is wrong: {dict(report.as_json())}")

    return run


def _baseline(shop: LargeShop, options: Options, *, limited: bool) -> baseline.BaselineResult:
    seconds = 0.5 if options.tiny else BASELINE_SECONDS
    with shop.databases.copy_of(shop.template) as database:
        return baseline.run(database, shop.stripe.url, KEY, seconds, limited=limited)


def _baseline_figures(name: str, loop: baseline.BaselineResult) -> list[Figure]:
    remark = f"over {loop.seconds:.0f} s; one read an intent, {loop.refused} answers 429"
    return [
        Figure(name, "baseline: intents/s", "", f"{loop.intents_per_second:.1f}", None, remark),
        Figure(
            name,
            "baseline: CPU an intent, µs",
            "",
            f"{loop.cpu_microseconds_per_intent:,.0f}",
            None,
        ),
    ]
