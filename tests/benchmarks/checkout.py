"""How much the service at full speed slows down the merchant's checkout.

A checkout runs at a steady rate (see :mod:`checkout_process`): first alone, then beside the service, then alone again;
several times, over fresh tables. The service makes its first window and due sweeps at Stripe's limits, 25 pages a second,
over a table of which 2 % or 30 % of the rows are to be corrected. It does so once in the mode "report": then it reads,
compares and records as much, but neither locks nor writes a row of the merchant's. On few cores the checkout, the service,
the sandbox and the database compete for processors, and this run shows how much that costs. The wait for a row that
Reconciler has locked is timed apart, on rows near the last correction. It depends on the machine's load only as far as a
busy service holds its locks for longer.
"""

from __future__ import annotations

import statistics
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.benchmarks.checkout_process import KINDS, CheckoutProcess, PhaseTimes
from tests.benchmarks.databases import query_rows
from tests.benchmarks.figures import Figure, load, print_line
from tests.benchmarks.large_shop import LargeShop, large_shop
from tests.benchmarks.options import Options
from tests.benchmarks.service_process import environment, replicas
from tests.benchmarks.stripe_process import KEY

STATEMENTS_PER_SECOND = 240
"""Of the checkout, a third of each kind."""
MOST_MILLISECONDS = 2.0
SHARES = (0.02, 0.30)
ALONE, REPORT, UPDATE = "alone", "report", "update"
WORDS = {
    ALONE: "alone",
    REPORT: "beside a service that reports",
    UPDATE: "beside a service that corrects",
}
MOST_OTHERS = 2_000
LONGEST_SWEEP_SECONDS = 300.0


@dataclass
class Rounds:
    """The times of every round, by phase, and how many rows the service corrected in all."""

    times: list[dict[str, PhaseTimes]] = field(default_factory=list)
    corrected: int = 0

    def percentiles(self, phase: str, kind: str, share: float) -> list[float]:
        """One percentile for each round, in milliseconds."""
        return [percentile(found[phase].statements[kind], share) for found in self.times]

    def p99_difference(self, phase: str, other: str, kind: str) -> float:
        """By how many milliseconds the p99 of one phase is above that of another: the median of the rounds."""
        pairs = zip(
            self.percentiles(phase, kind, 0.99), self.percentiles(other, kind, 0.99), strict=True
        )
        return statistics.median(one - two for one, two in pairs)

    def waits(self) -> tuple[list[float], int]:
        """All waits for a locked row beside the service that corrects, sorted, and how many rows were probed."""
        waits = sorted(wait for found in self.times for wait in found[UPDATE].waits)
        return waits, sum(found[UPDATE].probes for found in self.times)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def run(options: Options) -> list[Figure]:
    """Both shares of wrong rows."""
    figures: list[Figure] = []
    payments = options.sized(tiny=400, usual=6_000, full=20_000)
    alone_seconds = options.sized(tiny=1, usual=5, full=8)

    for share in SHARES:
        rounds = Rounds()

        with large_shop(options, payments, wrong_share=share) as shop:
            for number in range(options.repeated(usual=2)):
                _round(shop, rounds, alone_seconds)
                print_line(
                    f"  {share:.0%} to correct, round {number + 1}: {_latest(rounds)}, {load()}"
                )

        figures += _figures(f"checkout, {share:.0%} of {payments:,} to correct", rounds)

    return figures


def _round(shop: LargeShop, rounds: Rounds, alone_seconds: int) -> None:
    """One round: beside a service that reports and beside one that corrects, alone before and after each."""
    times: dict[str, PhaseTimes] = {}

    for mode in (REPORT, UPDATE):
        with shop.databases.copy_of(shop.template) as database:
            for phase, found in _checkout_beside_service(
                shop, database, mode, alone_seconds
            ).items():
                known = times.setdefault(phase, PhaseTimes())
                for kind, values in found.statements.items():
                    known.statements[kind].extend(values)
                known.waits.extend(found.waits)
                known.probes += found.probes

            ((corrected,),) = query_rows(database, "SELECT count(*) FROM reconciler.outbox")
            rounds.corrected += int(str(corrected))

    rounds.times.append(times)


def _checkout_beside_service(
    shop: LargeShop, database: str, mode: str, alone_seconds: int
) -> dict[str, PhaseTimes]:
    settings = {
        "corrections__mode": mode,
        "service__tail": "10s",
        "service__due": "1h",
    }
    pause = threading.Event()

    with (
        environment(database, shop.stripe.url, KEY, **settings) as environ,
        replicas(1, environ) as (service,),
        CheckoutProcess(
            database, STATEMENTS_PER_SECOND, _keys(database, "pending"), _keys(database, "paid")
        ) as checkout,
    ):
        pause.wait(1)
        checkout.set_phase(ALONE)
        pause.wait(alone_seconds)
        checkout.set_phase("between")
        service.start()
        service.wait_for("lease.taken")
        checkout.set_phase(mode)

        for job in ("window", "due"):
            service.wait_for(
                "sweep.finished", job=job, complete=True, seconds=LONGEST_SWEEP_SECONDS
            )

        checkout.set_phase("between")
        service.end()
        checkout.set_phase(ALONE)
        pause.wait(alone_seconds)
        checkout.set_phase("end")
        return {name: found for name, found in checkout.times().items() if name in (ALONE, mode)}


def _keys(database: str, status: str) -> list[int]:
    query = f"SELECT id FROM payments WHERE status = '{status}' ORDER BY id"
    keys = [int(str(row[0])) for row in query_rows(database, query)]
    return keys if status == "pending" else keys[:: max(1, len(keys) // MOST_OTHERS)]


def _latest(rounds: Rounds) -> str:
    """The latest round in one line."""
    last = Rounds(rounds.times[-1:])
    more = max(last.p99_difference(UPDATE, ALONE, kind) for kind in KINDS)
    waits, probes = last.waits()
    longest = f"{waits[-1]:.1f} ms at most" if waits else "none"
    return f"p99 {more:+.2f} ms, {len(waits)} waits in {probes} probes, {longest}"


def _figures(name: str, rounds: Rounds) -> list[Figure]:
    if not rounds.corrected:
        raise RuntimeError("the service has corrected no row meanwhile")
    figures: list[Figure] = []

    for kind in KINDS:
        more = rounds.p99_difference(UPDATE, ALONE, kind)
        figures.append(
            Figure(
                name,
                f"{kind}: p99 beside a service that corrects less alone, ms",
                f"<= {MOST_MILLISECONDS:.0f}",
                f"{more:+.2f}",
                more <= MOST_MILLISECONDS,
                f"{rounds.p99_difference(UPDATE, REPORT, kind):+.2f} compared with a service that only reports; {load()}",
            )
        )
        label = f"{kind}, {{}}: p50 / p99 / p99.9 / most, ms"
        figures += [
            Figure(name, label.format(words), "", _latencies(rounds, phase, kind), None)
            for phase, words in WORDS.items()
        ]

    return [*figures, _waits(name, rounds)]


def _latencies(rounds: Rounds, phase: str, kind: str) -> str:
    """Medians of the rounds' percentiles, and the longest time of all."""
    shares = (0.5, 0.99, 0.999)
    middles = [statistics.median(rounds.percentiles(phase, kind, share)) for share in shares]
    longest = max(rounds.percentiles(phase, kind, 1.0))
    return " / ".join(f"{value:.2f}" for value in (*middles, longest))


def _waits(name: str, rounds: Rounds) -> Figure:
    """The p99 over all probes; a probe of a row that was not locked counts as a wait of 0."""
    waits, probes = rounds.waits()
    high = percentile([0.0] * (probes - len(waits)) + waits, 0.99)
    remark = f"{len(waits):,} of {probes:,} probes waited"
    if waits:
        remark += f": p50 {statistics.median(waits):.1f}, most {waits[-1]:.1f}"

    return Figure(
        name,
        "wait for a row that Reconciler has locked, p99 of all probes, ms",
        f"<= {MOST_MILLISECONDS:.0f}",
        f"{high:.2f}",
        high <= MOST_MILLISECONDS,
        remark,
    )
