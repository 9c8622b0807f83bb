"""How long a row stays wrong after a webhook was lost, by simulated time: the recovery table.

A shop sells 1,000 times in four hours. One in ten customers is declined once and pays with a second card. The shop's
endpoint is careful: it takes each event once, and changes no row that says paid. Each scenario breaks the webhooks in one
way. Sweeps are made at the service's default intervals: the tail every minute, due every five minutes. The simulation ends
when every row is right, after two days at the latest.

A payment's time begins when Stripe has its last status, and ends with the first minute in which its row says the same.
Only payments whose webhook did not do that within its minute are counted. A write is wrong if a row says paid and the
PaymentIntent has not succeeded at that moment.
"""

from __future__ import annotations

import heapq
import itertools
import json
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

import psycopg

from reconciler.engine.account import OpenAccount
from reconciler.engine.report import SweepKind, SweepRequest, Writing
from reconciler.engine.sweep_context import SERVICE
from reconciler.sandbox import TEST_KEY, Faults, Sandbox, SandboxServer
from tests.benchmarks.databases import COLUMNS, Databases
from tests.benchmarks.figures import Figure, print_line
from tests.benchmarks.measured_sweeps import NoProgress, benchmark_account
from tests.benchmarks.options import Options
from tests.benchmarks.reads import NOW
from tests.benchmarks.stepped_clock import SteppedClock

MINUTE = timedelta(minutes=1)
DUE_MINUTES = 5
SELLING = timedelta(hours=4)
LONGEST = timedelta(days=2)
DECLINED_EVERY = 10
DOWN = (timedelta(hours=1), timedelta(hours=2))
"""When the endpoint is down, after the first sale."""
STATUS_OF = {
    "payment_intent.succeeded": "paid",
    "payment_intent.payment_failed": "failed",
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way in which webhooks break. ``is_down`` is whether the endpoint is down for an hour."""

    name: str
    faults: Faults = field(default_factory=Faults)
    is_down: bool = False


SCENARIOS = (
    Scenario("1 % lost", Faults(webhooks_lost=0.01)),
    Scenario("10 % lost", Faults(webhooks_lost=0.1)),
    Scenario("50 % lost", Faults(webhooks_lost=0.5)),
    Scenario("100 % lost", Faults(webhooks_lost=1.0)),
    Scenario("every one twice", Faults(webhooks_duplicated=1.0)),
    Scenario("half of them out of order", Faults(webhooks_reordered=0.5)),
    Scenario("a third an hour late", Faults(webhooks_late=0.33)),
    Scenario("10 % answered with 200 and dropped", Faults(dropped_after_200=0.1)),
    Scenario("10 % of the events never generated", Faults(events_never_generated=0.1)),
    Scenario("the endpoint down for an hour", is_down=True),
)


class RealMonotonicClock(SteppedClock):
    """A simulated clock on which real time counts too, so that a wait for the rate limiter ends."""

    def monotonic(self) -> float:
        return super().monotonic() + time.monotonic()


@dataclass
class ShopOfRecovery:
    """The shop's table, its endpoint, and its Stripe, by one simulated clock."""

    scenario: Scenario
    clock: SteppedClock
    sandbox: Sandbox
    connection: psycopg.Connection
    random: Random = field(default_factory=lambda: Random(7))
    steps: list[tuple[datetime, int, str, str]] = field(default_factory=list)
    ended: dict[str, datetime] = field(default_factory=dict)
    """When Stripe got each payment's last status."""
    right: dict[str, datetime] = field(default_factory=dict)
    """In which minute the row of each payment became right."""
    wrong: set[str] = field(default_factory=set)
    by_webhook: set[str] = field(default_factory=set)
    """The payments whose webhook made the row right."""
    _count: itertools.count[int] = field(default_factory=itertools.count)

    def plan(self, payments: int) -> None:
        """Plan the sales: when each customer begins, is declined, and pays."""
        for number in range(payments):
            begin = NOW + self.random.random() * SELLING
            self._add(begin, "begin", str(number))

    def act_until(self, now: datetime) -> None:
        """Let customers and webhooks do what is due by now."""
        while self.steps and self.steps[0][0] <= now:
            at, _, step, about = heapq.heappop(self.steps)
            self.clock.advance(max(timedelta(0), at - self.clock.now()))
            match step:
                case "begin":
                    self._begin(int(about), at)
                case "decline":
                    self.sandbox.fail(about, at=at)
                case _:
                    self.sandbox.succeed(about, at=at)
                    self.ended[about] = at
            self.sandbox.deliver_due()
        self.clock.advance(max(timedelta(0), now - self.clock.now()))
        self.sandbox.deliver_due()

    def receive(self, payload: bytes, _headers: Mapping[str, str]) -> int:
        """The shop's endpoint."""
        event = json.loads(payload)
        since = self.clock.now() - NOW
        if self.scenario.is_down and DOWN[0] <= since < DOWN[1]:
            return 503
        if self.sandbox.faults.shares.drops_after_200(event["id"]):
            return 200
        intent, status = event["data"]["object"]["id"], STATUS_OF[event["type"]]
        written = self.connection.execute(
            "UPDATE payments SET status = %s, updated_at = %s WHERE pi = %s AND status <> 'paid' RETURNING 1",
            (status, self.clock.now(), intent),
        ).fetchone()
        if written and status == "paid":
            self.by_webhook.add(intent)
        return 200

    def note_rows(self) -> None:
        """Note which rows are right now, and which are wrong."""
        now = self.clock.now()
        rows = self.connection.execute("SELECT pi FROM payments WHERE status = 'paid'").fetchall()
        for (intent,) in rows:
            if intent in self.ended:
                self.right.setdefault(intent, now)
            else:
                self.wrong.add(intent)

    @property
    def is_over(self) -> bool:
        """Whether every payment has ended and every row is right."""
        return not self.steps and self.right.keys() == self.ended.keys()

    def _add(self, at: datetime, step: str, about: str) -> None:
        heapq.heappush(self.steps, (at.replace(microsecond=0), next(self._count), step, about))

    def _begin(self, number: int, at: datetime) -> None:
        order = f"R-{number}"
        intent = self.sandbox.create_payment(1250, "eur", metadata={"order_id": order}, at=at)
        self.connection.execute(
            f"INSERT INTO payments ({COLUMNS}) VALUES (%s, %s, 'pending', 1250, 'eur', %s, %s)".encode(),
            (number, intent.id, datetime.fromtimestamp(intent.created, UTC), order),
        )
        paid = at + timedelta(seconds=self.random.randint(20, 600))
        if number % DECLINED_EVERY == 0:
            self._add(at + timedelta(seconds=10), "decline", intent.id)
        self._add(paid, "pay", intent.id)


@dataclass(frozen=True, slots=True)
class Recovery:
    """What one scenario has come to. Times are seconds of the payments whose webhook did not arrive in its minute."""

    late: tuple[float, ...]
    payments: int
    never: int
    wrong: int
    reads: int
    idle_reads: int

    @property
    def percentiles(self) -> str:
        """The median, the 99th percentile and the longest, in minutes."""
        if not self.late:
            return "nothing was late"
        ordered = sorted(self.late)
        p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        shown = (statistics.median(ordered), p99, ordered[-1])
        return " / ".join(f"{seconds / 60:.1f}" for seconds in shown)


def run(options: Options) -> list[Figure]:
    """Every scenario: how long rows stayed wrong, the wrong writes, and the reads."""
    payments = options.sized(tiny=40, usual=1_000, full=1_000)
    scenarios = SCENARIOS[3:4] if options.tiny else SCENARIOS
    figures = []
    with Databases(options.postgres) as databases, databases.filled() as template:
        for scenario in scenarios:
            with databases.copy_of(template) as url:
                done = recover(url, scenario, payments)
            print_line(f"  {scenario.name}: {done.percentiles} min, {done.reads} reads")
            is_right = done.wrong == done.never == 0
            figures.append(
                Figure(
                    f"{payments:,} payments, {scenario.name}",
                    "rows that are wrong in the end or were written wrongly",
                    "0",
                    str(done.wrong + done.never),
                    is_right,
                    f"{len(done.late)} late, minutes p50 / p99 / longest {done.percentiles};"
                    f" {done.reads:,} reads, {done.idle_reads:,} of them ticks of the tail",
                )
            )
    return figures


def recover(url: str, scenario: Scenario, payments: int) -> Recovery:
    """Simulate one scenario until every row is right."""
    clock = RealMonotonicClock(NOW)
    sandbox = Sandbox(clock, seed=1, faults=scenario.faults)
    with (
        SandboxServer(sandbox) as server,
        psycopg.connect(url, autocommit=True) as connection,
        benchmark_account(url, server.url, TEST_KEY, limited=False, clock=clock) as opened,
    ):
        shop = ShopOfRecovery(scenario, clock, sandbox, connection)
        sandbox.register_webhook(shop.receive, enabled_events=tuple(STATUS_OF))
        shop.plan(payments)
        reads = ticks = 0
        for minute in itertools.count(1):
            now = NOW + minute * MINUTE
            if shop.is_over or now > NOW + LONGEST:
                break
            shop.act_until(now)
            shop.note_rows()
            reads += _sweep(opened, SweepKind.TAIL)
            ticks += 1
            if minute % DUE_MINUTES == 0:
                reads += _sweep(opened, SweepKind.DUE)
            shop.note_rows()

    late = [
        (shop.right[intent] - ended).total_seconds()
        for intent, ended in shop.ended.items()
        if intent in shop.right and shop.right[intent] - ended >= MINUTE
    ]
    never = len(shop.ended.keys() - shop.right.keys())
    return Recovery(tuple(late), payments, never, len(shop.wrong), reads, ticks)


def _sweep(opened: OpenAccount, kind: SweepKind) -> int:
    """Make a sweep as the service does; returns its reads. Raises RuntimeError if it is not complete."""
    request = SweepRequest(kind=kind, writing=Writing.ROWS, asked_by=SERVICE)
    report = opened.sweep(request, NoProgress())
    if not report.complete:
        raise RuntimeError(f"a sweep was not complete: {report.stopped or report.unexamined[0]}")
    return report.reads
