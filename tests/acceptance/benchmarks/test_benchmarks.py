"""The benchmarks at a very small size, so that a broken one is noticed. No time is checked here."""

from __future__ import annotations

import pytest

from tests.benchmarks import mishaps
from tests.benchmarks.figures import table
from tests.benchmarks.options import Options
from tests.benchmarks.run import BENCHMARKS
from tests.conftest import Server

NOISY = ("intents/s", "CPU an intent, µs", "CPU, % of a core")
"""Figures that depend on the machine. At so small a size the fixed cost of a sweep counts most."""
TIMED = ("failover", "checkout", "held-lock", "lag", "statement", "pages")
"""Benchmarks whose figures are seconds, on a machine that does other work at the same time."""
TOO_SMALL = ("day", "idle", "memory", "verify", "export")
"""Benchmarks whose targets are about growth, which does not show at this size: the imports alone take 78 MB of idle's 80."""


def test_processes_can_share_the_runs_of_mishaps(server: Server) -> None:
    """A part of the runs begins at the seed that it is given, and says which seeds it has tried."""
    options = Options(runs=1, first_seed=9_999, postgres=server.url("postgres"))
    (figure,) = mishaps.run(options)
    assert figure.benchmark == "mishaps, 1 runs, seeds 9999 to 9999"
    assert figure.met, figure.remarks


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_a_benchmark_still_works(name: str, server: Server) -> None:
    """It runs, its own checks hold (nothing missed, nothing invented), and every count is within its target."""
    figures = BENCHMARKS[name](Options(tiny=True, postgres=server.url("postgres")))
    assert figures
    missed = [figure for figure in figures if figure.met is False and figure.figure not in NOISY]
    assert name in (*TOO_SMALL, *TIMED) or not missed, table(missed)
