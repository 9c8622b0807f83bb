"""What a missing index costs: a window sweep at Stripe's documented limits with and without an index, run in turn.

The table has 100,000 and 1,000,000 rows, of which the sweep's payments are the newest. One table has no index on the
order, the other none on the PaymentIntent either.
"""

from __future__ import annotations

from datetime import timedelta

from reconciler.clock import SystemClock
from reconciler.engine.report import SweepKind
from tests.benchmarks.databases import INDEXES, ORDER_INDEX
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
from tests.benchmarks.payment_sets import OLDEST
from tests.benchmarks.stripe_process import KEY

MOST_RATIO = 1.3
WITHOUT = {
    "no index on the order": (ORDER_INDEX,),
    "none on the order and the PaymentIntent": (ORDER_INDEX, INDEXES[0]),
}


def run(options: Options) -> list[Figure]:
    """How much longer a sweep takes without these indexes."""
    figures: list[Figure] = []
    sizes = (1_000,) if options.tiny else (100_000, 1_000_000)
    for rows in sizes:
        # the copies alone are indexed
        intents = min(rows, options.sized(tiny=300, usual=25_000, full=100_000))
        with large_shop(options, intents, older=_older(rows - intents)) as shop:
            figures += _figures(shop, options, rows)
    return figures


def _figures(shop: LargeShop, options: Options, rows: int) -> list[Figure]:
    seconds: dict[str, list[float]] = {name: [] for name in ("indexed", *WITHOUT)}
    shop.stripe.set_limits(documented=True)
    for number in range(options.repeated(usual=2)):
        for name, dropped in (("indexed", ()), *WITHOUT.items()):
            swept = _sweep(shop, dropped)
            print_sweep(f"{rows:,} rows, {name}, run {number + 1}", swept)
            seconds[name].append(swept.report.seconds)
    with_index = median(seconds["indexed"])
    figures = []
    for name in WITHOUT:
        ratio = median(seconds[name]) / with_index
        remark = f"{spread(seconds[name])} s to {spread(seconds['indexed'])} s, {load()}"
        figures.append(
            Figure(
                f"window at the limits, {rows:,} rows",
                f"{name}: time to that with it",
                f"<= {MOST_RATIO}",
                f"{ratio:.2f}",
                ratio <= MOST_RATIO or options.tiny,
                remark,
            )
        )
    return figures


def _sweep(shop: LargeShop, dropped: tuple[str, ...]) -> MeasuredSweep:
    kept = [index for index in (*INDEXES, ORDER_INDEX) if index not in dropped]
    with (
        shop.databases.copy_of(shop.template, kept) as database,
        benchmark_account(database, shop.stripe.url, KEY, limited=True) as opened,
    ):
        swept = measure_sweep(opened, SweepKind.WINDOW)
    if swept.report.corrected != shop.wrong:
        raise RuntimeError(f"the sweep did not find what is wrong: {dict(swept.report.as_json())}")
    return swept


def _older(rows: int) -> str | None:
    """Rows of payments that are older than the horizon."""
    if not rows:
        return None
    base = (SystemClock().now() - OLDEST - timedelta(days=30)).isoformat()
    return (
        f"SELECT 10000000 + n, 'pi_old' || n, 'paid', 1250, 'eur',"
        f" timestamptz '{base}' - n * interval '1 minute', 'old' || n FROM generate_series(1, {rows}) AS n"
    )
