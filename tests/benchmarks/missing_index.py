"""What a missing index costs: a window sweep at Stripe's documented limits with and without an index, run in turn.

The table has 100,000 and 1,000,000 rows, of which the sweep's 12,000 payments are the newest. One table has no index on the
order, the other none on the PaymentIntent either. Scans of the table are counted by the rows that they read.
"""

from __future__ import annotations

from datetime import timedelta

from reconciler.clock import SystemClock
from reconciler.engine.report import SweepKind
from tests.benchmarks.databases import INDEXES, ORDER_INDEX, query_rows
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
from tests.benchmarks.stripe_process import KEY, LIST

MOST_RATIO = 1.3
PAGES_A_SCAN = 20
"""Without an index a sweep may read the whole table once in so many pages."""
ROWS_SCANNED = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'payments'"
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
        intents = options.sized(tiny=300, usual=12_000, full=12_000)
        with large_shop(options, intents, older=_older(rows - intents)) as shop:
            figures += _figures(shop, options, rows)
    return figures


def _figures(shop: LargeShop, options: Options, rows: int) -> list[Figure]:
    seconds: dict[str, list[float]] = {name: [] for name in ("indexed", *WITHOUT)}
    scans: dict[str, float] = {}
    pages = 0
    shop.stripe.set_limits(documented=True)
    shop.stripe.reset_counts()
    for number in range(options.runs or 1):
        for name, dropped in (("indexed", ()), *WITHOUT.items()):
            swept, scanned = _sweep(shop, dropped)
            print_sweep(f"{rows:,} rows, {name}, run {number + 1}", swept)
            seconds[name].append(swept.report.seconds)
            scans[name] = max(scanned / rows, scans.get(name, 0.0))
            pages = max(pages, shop.stripe.counts().of_endpoint[LIST])
            shop.stripe.reset_counts()
    with_index = median(seconds["indexed"])
    most_scans = -(-pages // PAGES_A_SCAN)
    label = f"window of {shop.intents:,} at the limits, {rows:,} rows"
    figures = []
    for name in WITHOUT:
        ratio = median(seconds[name]) / with_index
        more = scans[name] - scans["indexed"]
        remark = (
            f"{spread(seconds[name], '.1f')} s to {spread(seconds['indexed'], '.1f')} s, {load()}"
        )
        figures += [
            Figure(
                label,
                f"{name}: time to that with it",
                f"<= {MOST_RATIO}",
                f"{ratio:.2f}",
                ratio <= MOST_RATIO or options.tiny,
                remark,
            ),
            Figure(
                label,
                f"{name}: scans of the table more than with it",
                f"<= {most_scans:.0f}, one in {PAGES_A_SCAN} pages",
                f"{more:.1f}",
                more <= most_scans or options.tiny,
                f"{scans['indexed']:.1f} with every index, {pages} pages",
            ),
        ]
    return figures


def _sweep(shop: LargeShop, dropped: tuple[str, ...]) -> tuple[MeasuredSweep, int]:
    """The sweep, and how many rows it read by scans. Raises RuntimeError if it did not find every wrong row."""
    kept = [index for index in (*INDEXES, ORDER_INDEX) if index not in dropped]
    with shop.databases.copy_of(shop.template, kept) as database:
        before = _rows_scanned(database)
        with benchmark_account(database, shop.stripe.url, KEY, limited=True) as opened:
            swept = measure_sweep(opened, SweepKind.WINDOW)
        # a session reports its scans when it ends
        scanned = _rows_scanned(database) - before
    if swept.report.corrected != shop.wrong:
        raise RuntimeError(f"the sweep did not find what is wrong: {dict(swept.report.as_json())}")
    return swept, scanned


def _rows_scanned(database: str) -> int:
    return int(str(query_rows(database, ROWS_SCANNED)[0][0]))


def _older(rows: int) -> str | None:
    """Rows of payments that are older than the horizon."""
    if not rows:
        return None
    base = (SystemClock().now() - OLDEST - timedelta(days=30)).isoformat()
    return (
        f"SELECT 10000000 + n, 'pi_old' || n, 'paid', 1250, 'eur',"
        f" timestamptz '{base}' - n * interval '1 minute', 'old' || n FROM generate_series(1, {rows}) AS n"
    )
