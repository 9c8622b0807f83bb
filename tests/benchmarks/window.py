"""A window sweep over N intents at 60 ms latency, recording what it finds: with Stripe's documented limits, and without.

Beside both runs the loop as most teams write it (see :mod:`baseline`), over the same payments and the same server. Its
time is bounded: what is told is its pace.
"""

from __future__ import annotations

from reconciler.engine.report import SweepKind, Writing
from tests.benchmarks import baseline
from tests.benchmarks.figures import Figure, load, spread
from tests.benchmarks.options import Options
from tests.benchmarks.program import Run, account, measured, median, tell
from tests.benchmarks.stage import Stage, staged
from tests.benchmarks.stripe_process import KEY

LANE = 2500
"""Intents a second: 25 pages of a hundred, Stripe's default limit on one endpoint."""
BASELINE_SECONDS = 8.0


def run_at_limits(options: Options) -> list[Figure]:
    """How much of the list lane a window sweep uses, and that Stripe never refuses it."""
    runs: list[Run] = []
    refused = 0
    with staged(options, options.sized(tiny=300, usual=55_000, full=100_000)) as stage:
        for number in range(options.repeated(usual=3)):
            stage.stripe.limit(documented=True)
            stage.stripe.forget()
            runs.append(_one(stage, paced=True))
            tell(f"window at the limits, run {number + 1}", runs[-1])
            refused += stage.stripe.counts().rate_limited
        slow = _baseline(stage, options, paced=True)
    pace = [run.report.examined / run.report.seconds for run in runs]
    cpu = [run.cpu_an_intent for run in runs]
    name = f"window, documented limits, N = {stage.intents:,}"
    target = f">= {0.95 * LANE:,.0f}"
    return [
        Figure(name, "intents/s", target, spread(pace), median(pace) >= 0.95 * LANE, load()),
        Figure(name, "answers 429", "0", str(refused), refused == 0, f"{len(runs)} passes"),
        Figure(name, "CPU an intent, µs", "", spread(cpu), None),
        *_of_baseline(name, slow),
    ]


def run_without_limits(options: Options) -> list[Figure]:
    """How fast one process is, and what an intent costs it, all included."""
    runs: list[Run] = []
    with staged(options, options.sized(tiny=300, usual=40_000, full=100_000)) as stage:
        stage.stripe.limit(documented=False)
        _one(stage, paced=False, writing=Writing.NOTHING)  # the sandbox renders each object once
        for number in range(options.repeated(usual=5)):
            runs.append(_one(stage, paced=False))
            tell(f"window without limits, run {number + 1}", runs[-1])
        slow = _baseline(stage, options, paced=False)
    pace = [run.a_second for run in runs]
    cpu = [run.cpu_an_intent for run in runs]
    name = f"window, no limits, N = {stage.intents:,}"
    return [
        Figure(name, "intents/s", ">= 5,000", spread(pace), median(pace) >= 5000, load()),
        Figure(name, "CPU an intent, µs", "<= 100", spread(cpu), median(cpu) <= 100, load()),
        *_of_baseline(name, slow),
    ]


def _one(stage: Stage, *, paced: bool, writing: Writing = Writing.ROWS) -> Run:
    """One sweep over a fresh copy of the table, and the proof that it did its work."""
    with (
        stage.databases.copy_of(stage.template) as database,
        account(database, stage.stripe.url, KEY, paced=paced) as opened,
    ):
        run = measured(opened, SweepKind.WINDOW, writing)
    report = run.report
    done = report.corrected + report.would_correct
    if (report.examined, done, report.discrepancies.total()) != (
        stage.intents,
        stage.wrong,
        stage.wrong,
    ):
        raise RuntimeError(f"the sweep did not find what is wrong: {dict(report.as_json())}")
    return run


def _baseline(stage: Stage, options: Options, *, paced: bool) -> baseline.Pace:
    seconds = 0.5 if options.tiny else BASELINE_SECONDS
    with stage.databases.copy_of(stage.template) as database:
        return baseline.run(database, stage.stripe.url, KEY, seconds, paced=paced)


def _of_baseline(name: str, pace: baseline.Pace) -> list[Figure]:
    remark = f"over {pace.seconds:.0f} s; one read an intent, {pace.refused} answers 429"
    return [
        Figure(name, "baseline: intents/s", "", f"{pace.a_second:.1f}", None, remark),
        Figure(name, "baseline: CPU an intent, µs", "", f"{pace.cpu_an_intent:,.0f}", None),
    ]
