"""Many short lives of a shop in which everything goes wrong at random: what is left in the end must be exactly right.

Each life has a database and a Stripe of its own, with one payment of every planted sort among ordinary ones. Some sweeps
over it are disturbed: Stripe breaks a share of its answers in every way, the database connection is lost at a random
statement, or the process dies there. Then the weather clears, and sweeps go on until one is complete. The judgement is
the demonstration's own, which shares nothing with the rules: no row other than it must be, nothing planted that was not
found, nothing invented; besides, each correction was written and told once, and the ledger holds.

A life repeats by its seed but for the threads' order. The kills of real processes are in ``chaos.py``.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from random import Random
from unittest.mock import patch

import psycopg

from reconciler import wiring
from reconciler.adapters.postgres.audit.audit import Audit
from reconciler.adapters.postgres.demo.demo_shop import DemoShop
from reconciler.adapters.postgres.schema.migration import migrate
from reconciler.adapters.stripe_gateway import Retries, StripeGateway
from reconciler.clock import ManualClock, SystemClock
from reconciler.demo.configuration import settings
from reconciler.demo.demonstration import FIRST_PRESENT, LONGEST_HISTORY, run_sweep
from reconciler.demo.webhook_handler import STATUS_OF, WebhookLosses, ShopWebhookHandler
from reconciler.demo.verdict import DatabaseState, DemoVerdict, judge
from reconciler.demo.plant_discrepancies import plant_discrepancies
from reconciler.demo.customers import simulate_customers
from reconciler.demo.simulation import Simulation
from reconciler.domain.audit.hash_chain import first_break
from reconciler.engine.report import SweepReport
from reconciler.errors import ReconcilerError
from reconciler.sandbox import NO_LIMITS, Faults, Sandbox, SandboxServer
from reconciler.settings import BudgetSection, Settings
from reconciler.wiring import open_audit
from tests.benchmarks.figures import Figure, say
from tests.benchmarks.options import Options
from tests.benchmarks.shop import Databases, asked
from tests.integration.engine.blows import Blow, Killed, struck

PAYMENTS = 20
"""Ordinary payments and planted ones; one of each sort makes them about fifty."""
MOST_DISTURBED = 3
LAST_STATEMENT = 120
"""A sweep over such a shop makes about eighty: some blows fall too late."""
CALM_PASSES = 4
TOLD_EVERY = 100
BRISK = Retries(least_wait=0.0, first_wait=0.001, longest_wait=0.002)


@dataclass
class Tally:
    """What has happened in all lives, and every fault that was found."""

    lives: int = 0
    sweeps: int = 0
    deaths: int = 0
    lost_connections: int = 0
    incomplete: int = 0
    corrected: int = 0
    findings: int = 0
    faults: list[str] = field(default_factory=list)


class NoProgress:
    """Nobody watches."""

    def advance(self, examined: int, total: int | None) -> None:
        """Say nothing."""


class Owner:
    """The server's administrator, who can end a connection."""

    def __init__(self, url: str) -> None:
        self._url = url

    def connect(self) -> psycopg.Connection:
        """A connection of his own."""
        return psycopg.connect(self._url, autocommit=True)


def run(options: Options) -> list[Figure]:
    """So many lives, one after the other."""
    lives = options.runs or options.sized(tiny=3, usual=50, full=1000)
    tally = Tally()
    with Databases(options.postgres) as databases, a_shop(databases) as template, brisk():
        for seed in range(lives):
            with databases.copy_of(template) as url:
                live_through(url, seed, tally)
            if (seed + 1) % TOLD_EVERY == 0:
                say(f"  {seed + 1} lives, {len(tally.faults)} faults")
    for fault in tally.faults[:20]:
        say(f"  {fault}")
    remarks = (
        f"{tally.sweeps:,} sweeps, of which {tally.deaths:,} died, {tally.lost_connections:,} lost their connection"
        f" and {tally.incomplete:,} were not complete; {tally.corrected:,} rows corrected, {tally.findings:,} planted"
        " discrepancies found"
    )
    return [
        Figure(
            f"mishaps, {lives:,} lives",
            "wrong writes, lost corrections, anything missed or invented",
            "0",
            str(len(tally.faults)),
            not tally.faults,
            remarks,
        )
    ]


@contextmanager
def a_shop(databases: Databases) -> Iterator[str]:
    """The name of a database with the demonstration's table and ours, both empty."""
    with databases.empty() as (name, url):
        with closing(DemoShop(url)) as shop:
            shop.create()
        migrate(url, daemon_role=None, auditor_role=None)
        yield name


@contextmanager
def brisk() -> Iterator[None]:
    """The gateway as the program builds it, with waits of milliseconds; a thread that is killed says nothing."""

    def silent(args: threading.ExceptHookArgs) -> None:
        if not isinstance(args.exc_value, Killed):
            threading.__excepthook__(args)

    gateway = partial(StripeGateway, retries=BRISK)
    psycopg_log = logging.getLogger("psycopg")  # it tells of every connection that is lost
    level = psycopg_log.level
    psycopg_log.setLevel(logging.CRITICAL)
    try:
        with (
            patch.object(wiring, "StripeGateway", gateway),
            patch.object(threading, "excepthook", silent),
        ):
            yield
    finally:
        psycopg_log.setLevel(level)


def live_through(url: str, seed: int, tally: Tally) -> None:
    """One life: its history, its disturbed sweeps, its calm ones, and the judgement."""
    chance = Random(seed)
    with closing(DemoShop(url)) as shop, ExitStack() as stack:
        stage = _history(shop, seed, lose=chance.random())
        server = stack.enter_context(SandboxServer(stage.sandbox))
        configured = replace(
            settings(server.url, url),
            budget=BudgetSection(share=1, global_per_second=1e5, endpoint_per_second=1e5),
        )
        before = shop.rows()
        for _ in range(chance.randint(1, MOST_DISTURBED)):
            stage.sandbox.faults.shares = _weather(chance, seed)
            _disturbed(configured, url, chance, tally)
        stage.sandbox.faults.shares = Faults()
        complete = any(_sweep(configured, url, tally) for _ in range(CALM_PASSES))
        state = DatabaseState(before, shop.rows(), shop.findings(), shop.rechecks(), shop.outbox())
        verdict = judge(stage.script, stage.sandbox, state)
        tally.lives += 1
        tally.corrected += len(verdict.changed)
        tally.findings += sum((verdict.planted & verdict.found).values())
        faults = [
            *_faults(verdict, configured, url, state),
            *([] if complete else ["never complete"]),
        ]
        tally.faults += [f"seed {seed}: {fault}" for fault in faults]


def _history(shop: DemoShop, seed: int, lose: float) -> Simulation:
    random = Random(seed)
    present = FIRST_PRESENT + timedelta(seconds=random.randrange(28 * 86_400))
    clock = ManualClock(present - LONGEST_HISTORY)
    sandbox = Sandbox(clock, seed=seed, limits=NO_LIMITS)
    stage = Simulation(sandbox, shop, clock, present, random)
    plant_discrepancies(stage, PAYMENTS, losing=lose > 0)
    losses = WebhookLosses(seed, lose)
    handler = ShopWebhookHandler(shop, clock, losses)
    endpoint = sandbox.register_webhook(handler.receive, enabled_events=tuple(STATUS_OF))
    handler.secret = endpoint.secret
    simulate_customers(stage, handler, losses, PAYMENTS)
    return stage


def _weather(chance: Random, seed: int) -> Faults:
    """Each way to break an answer has a share of its own, often none.

    No list leaves an item out: Stripe's do not, and of an order that two payments name, or of a refund a moment ago, nothing
    else would tell.
    """

    def share() -> float:
        return chance.choice((0.0, 0.0, 0.02, 0.1))

    return Faults(
        seed=seed * MOST_DISTURBED + chance.randrange(1000),
        rate_limited=share(),
        server_error=share(),
        bad_gateway=share(),
        reset=share(),
        reset_midway=share(),
        truncated=share(),
        malformed=share(),
        empty_page=share(),
        repeated_item=share(),
    )


def _disturbed(configured: Settings, url: str, chance: Random, tally: Tally) -> None:
    way = chance.choice(("weather alone", "death", "death", "connection", "commit"))
    blow = Blow(
        Owner(url),
        at=0
        if way == "weather alone"
        else chance.randint(1, LAST_STATEMENT if way != "commit" else 12),
        kills=way == "death",
        after_commit=way == "commit",
    )
    with contextlib.suppress(Killed), struck(blow):
        _sweep(configured, url, tally)
    tally.deaths += blow.fell and blow.kills
    tally.lost_connections += blow.fell and not blow.kills
    _its_lease_runs_out(url)


def _sweep(configured: Settings, url: str, tally: Tally) -> bool:
    """One sweep; whether it was complete."""
    tally.sweeps += 1
    try:
        report: SweepReport = run_sweep(configured, SystemClock(), NoProgress())
    except ReconcilerError:
        tally.incomplete += 1
        return False
    tally.incomplete += not report.complete
    return report.complete


def _its_lease_runs_out(url: str) -> None:
    """As time would have it."""
    asked(url, "UPDATE reconciler.leases SET holder = NULL, expires_at = NULL RETURNING 1")


def _faults(
    verdict: DemoVerdict, configured: Settings, url: str, state: DatabaseState
) -> Iterator[str]:
    yield from verdict.wrong_writes
    yield from verdict.missed
    yield from (f"invented: {what}" for what in verdict.invented)
    yield from (f"untrue: {what}" for what in verdict.untrue)
    told = Counter(key for key, _ in state.outbox)
    yield from (f"{key} was told {count} times" for key, count in told.items() if count > 1)
    if set(told) != {was.id for was, _ in verdict.changed}:
        yield "the outbox is not what was changed"
    entries = asked(url, "SELECT count(*) FROM reconciler.ledger WHERE action = 'correction'")[0][0]
    if entries != len(state.outbox):
        yield f"{entries} corrections in the ledger, {len(state.outbox)} in the outbox"
    with open_audit(configured) as audit:
        yield from _breaks(audit)


def _breaks(audit: Audit) -> Iterator[str]:
    for account in audit.ledger.accounts():
        with audit.ledger.chain(account) as chain:
            if first_break(chain.entries, chain.head, account) is not None:
                yield f"the ledger of {account} does not hold"
