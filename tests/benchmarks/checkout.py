"""What the merchant's checkout feels of the service at full speed.

A checkout goes on at a steady rate (see :mod:`merchant`), first alone, then beside the service, then alone again; several
times, over fresh tables. The service makes its first window and due sweeps at the pace of Stripe's limits, 25 pages a
second, over a table of which 2 % or 30 % of the rows are to be corrected. Once it only reports: it asks, compares and
records as much, but locks and writes none of the merchant's rows. On few cores the checkout, the service, the sandbox and
the database wait for each other's processors, and this tells how much of a difference that is. What is ours alone is the
wait for a row that we hold, which is timed by itself on rows near to the last correction: it does not count how busy the
machine is, but for the longer that a busy service holds its locks.
"""

from __future__ import annotations

import statistics
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.benchmarks.figures import Figure, load, say
from tests.benchmarks.merchant import KINDS, Merchant, Timed
from tests.benchmarks.options import Options
from tests.benchmarks.service import environment, replicas
from tests.benchmarks.shop import asked
from tests.benchmarks.stage import Stage, staged
from tests.benchmarks.stripe_process import KEY

A_SECOND = 240
"""Statements of the checkout, a third of each kind."""
MOST_MILLISECONDS = 2.0
SHARES = (0.02, 0.30)
ALONE, REPORT, UPDATE = "alone", "report", "update"
WORDS = {ALONE: "alone", REPORT: "beside a report", UPDATE: "beside us"}
MOST_OTHERS = 2_000
LONGEST_PASS = 300.0


@dataclass
class Rounds:
    """Every round's figures, by phase."""

    timed: list[dict[str, Timed]] = field(default_factory=list)
    corrected: int = 0

    def percentiles(self, phase: str, kind: str, share: float) -> list[float]:
        """One value a round, in milliseconds."""
        return [percentile(found[phase].statements[kind], share) for found in self.timed]

    def more(self, phase: str, other: str, kind: str) -> float:
        """By how much the p99 of one phase is above that of another: the median of the rounds."""
        pairs = zip(
            self.percentiles(phase, kind, 0.99), self.percentiles(other, kind, 0.99), strict=True
        )
        return statistics.median(one - two for one, two in pairs)

    def waits(self) -> tuple[list[float], int]:
        """All waits for a row that was locked beside the writing service, in order, and how often it was tried."""
        waits = sorted(wait for found in self.timed for wait in found[UPDATE].waits)
        return waits, sum(found[UPDATE].probes for found in self.timed)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so large a share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def run(options: Options) -> list[Figure]:
    """Both shares of rows to be corrected."""
    figures: list[Figure] = []
    payments = options.sized(tiny=400, usual=6_000, full=20_000)
    alone = options.sized(tiny=1, usual=5, full=8)
    for share in SHARES:
        rounds = Rounds()
        with staged(options, payments, wrong_share=share) as stage:
            for number in range(options.repeated(usual=2)):
                _round(stage, rounds, alone)
                say(f"  {share:.0%} to correct, round {number + 1}: {_worst(rounds)}, {load()}")
        figures += _figures(f"checkout, {share:.0%} of {payments:,} to correct", rounds)
    return figures


def _round(stage: Stage, rounds: Rounds, alone: int) -> None:
    """Beside a service that reports, and beside one that corrects; alone before and after."""
    timed: dict[str, Timed] = {}
    for mode in (REPORT, UPDATE):
        with stage.databases.copy_of(stage.template) as database:
            for phase, found in _beside(stage, database, mode, alone).items():
                known = timed.setdefault(phase, Timed())
                for kind, values in found.statements.items():
                    known.statements[kind].extend(values)
                known.waits.extend(found.waits)
                known.probes += found.probes
            ((corrected,),) = asked(database, "SELECT count(*) FROM reconciler.outbox")
            rounds.corrected += int(str(corrected))
    rounds.timed.append(timed)


def _beside(stage: Stage, database: str, mode: str, alone: int) -> dict[str, Timed]:
    settings = {
        "corrections__mode": mode,
        "service__tail": "10s",
        "service__due": "1h",
    }
    pause = threading.Event()
    with (
        environment(database, stage.stripe.url, KEY, **settings) as environ,
        replicas(1, environ) as (service,),
        Merchant(database, A_SECOND, _keys(database, "pending"), _keys(database, "paid")) as shop,
    ):
        pause.wait(1)
        shop.phase(ALONE)
        pause.wait(alone)
        shop.phase("between")
        service.start()
        service.wait_for("lease.taken")
        shop.phase(mode)
        for job in ("window", "due"):
            service.wait_for("pass.finished", job=job, complete=True, seconds=LONGEST_PASS)
        shop.phase("between")
        service.end()
        shop.phase(ALONE)
        pause.wait(alone)
        shop.phase("end")
        return {name: found for name, found in shop.timed().items() if name in (ALONE, mode)}


def _keys(database: str, status: str) -> list[int]:
    query = f"SELECT id FROM payments WHERE status = '{status}' ORDER BY id"
    keys = [int(str(row[0])) for row in asked(database, query)]
    return keys if status == "pending" else keys[:: max(1, len(keys) // MOST_OTHERS)]


def _worst(rounds: Rounds) -> str:
    """The latest round in a line."""
    last = Rounds(rounds.timed[-1:])
    more = max(last.more(UPDATE, ALONE, kind) for kind in KINDS)
    waits, probes = last.waits()
    longest = f"{waits[-1]:.1f} ms at most" if waits else "none"
    return f"p99 {more:+.2f} ms, {len(waits)} waits in {probes} tries, {longest}"


def _figures(name: str, rounds: Rounds) -> list[Figure]:
    if not rounds.corrected:
        raise RuntimeError("the service has corrected nothing meanwhile")
    figures: list[Figure] = []
    for kind in KINDS:
        more = rounds.more(UPDATE, ALONE, kind)
        figures.append(
            Figure(
                name,
                f"{kind}: p99 beside us less alone, ms",
                f"<= {MOST_MILLISECONDS:.0f}",
                f"{more:+.2f}",
                more <= MOST_MILLISECONDS,
                f"{rounds.more(UPDATE, REPORT, kind):+.2f} against a service that only reports; {load()}",
            )
        )
        label = f"{kind}, {{}}: p50 / p99 / p99.9 / most, ms"
        figures += [
            Figure(name, label.format(words), "", _latencies(rounds, phase, kind), None)
            for phase, words in WORDS.items()
        ]
    return [*figures, _waits(name, rounds)]


def _latencies(rounds: Rounds, phase: str, kind: str) -> str:
    """Medians of the rounds, and the longest of all."""
    shares = (0.5, 0.99, 0.999)
    middles = [statistics.median(rounds.percentiles(phase, kind, share)) for share in shares]
    longest = max(rounds.percentiles(phase, kind, 1.0))
    return " / ".join(f"{value:.2f}" for value in (*middles, longest))


def _waits(name: str, rounds: Rounds) -> Figure:
    """Of all tries, those that found no lock having waited for nothing."""
    waits, tries = rounds.waits()
    high = percentile([0.0] * (tries - len(waits)) + waits, 0.99)
    remark = f"{len(waits):,} of {tries:,} tries waited"
    if waits:
        remark += f": p50 {statistics.median(waits):.1f}, most {waits[-1]:.1f}"
    return Figure(
        name,
        "wait for a row that we hold, p99 of all tries, ms",
        f"<= {MOST_MILLISECONDS:.0f}",
        f"{high:.2f}",
        high <= MOST_MILLISECONDS,
        remark,
    )
