"""Many runs of a small shop in which everything goes wrong at random: in the end every row must be exactly right.

Each run has a database and a Stripe of its own, with one planted discrepancy of every kind among ordinary payments. Some
sweeps are disturbed: Stripe breaks a share of its answers in every way, the database connection is lost at a random
statement, or the process dies there. Then the faults end, and sweeps follow until one is complete. The verdict is the
demonstration's, which uses none of Reconciler's rules: no row is other than it must be, every planted discrepancy was
found, and no other. Each correction must have been written and delivered to the outbox once, and the ledger must verify.

A run repeats by its seed, except for the order of its threads: ``--first-seed N --runs 1`` tries the seed N alone. Kills of real processes are in ``chaos.py``.
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

from reconciler.adapters.postgres.demo.demo_shop import DemoShop
from reconciler.adapters.postgres.schema.migration import migrate
from reconciler.adapters.stripe_gateway import Retries, StripeGateway
from reconciler.clock import ManualClock, SystemClock
from reconciler.demo.configuration import settings
from reconciler.demo.customers import simulate_customers
from reconciler.demo.demonstration import FIRST_PRESENT, LONGEST_HISTORY, run_sweep
from reconciler.demo.plant_discrepancies import plant_discrepancies
from reconciler.demo.simulation import Simulation
from reconciler.demo.verdict import DatabaseState, DemoVerdict, judge
from reconciler.demo.webhook_handler import STATUS_OF, ShopWebhookHandler, WebhookLosses
from reconciler.domain.audit.hash_chain import first_break
from reconciler.engine.report import SweepReport
from reconciler.errors import ReconcilerError
from reconciler.sandbox import NO_LIMITS, Faults, Sandbox, SandboxServer
from reconciler.settings import BudgetSection, Settings
from reconciler.wiring import account as account_wiring
from reconciler.wiring.audit import Audit, open_audit
from tests.benchmarks.databases import Databases, query_rows
from tests.benchmarks.figures import Figure, print_line
from tests.benchmarks.options import Options
from tests.integration.engine.cut_off import CutOff, Killed, cutting_off

PAYMENTS = 20
"""The number asked for; with one planted discrepancy of each kind there are about fifty."""
MOST_DISTURBED = 3
LAST_STATEMENT = 120
"""A sweep over such a shop executes about eighty statements: some faults come too late to happen."""
UNDISTURBED_SWEEPS = 4
PRINT_EVERY = 100
SHORT_WAITS = Retries(least_wait=0.0, first_wait=0.001, longest_wait=0.002)


@dataclass
class Counts:
    """What has happened in all runs, and every fault that was found."""

    sweeps: int = 0
    deaths: int = 0
    lost_connections: int = 0
    incomplete: int = 0
    corrected: int = 0
    findings: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Everything but the faults, as a sentence without its full stop."""
        return (
            f"{self.sweeps:,} sweeps, of which {self.deaths:,} died, {self.lost_connections:,} lost their connection and"
            f" {self.incomplete:,} were not complete; {self.corrected:,} rows corrected, {self.findings:,} planted"
            " discrepancies found"
        )


class NoProgress:
    """Shows no progress."""

    def advance(self, examined: int, total: int | None) -> None:
        """Do nothing."""


class Administrator:
    """The database server's administrator, who can end a connection."""

    def __init__(self, url: str) -> None:
        self._url = url

    def connect(self) -> psycopg.Connection:
        """A connection of the administrator."""
        return psycopg.connect(self._url, autocommit=True)


def run(options: Options) -> list[Figure]:
    """So many runs, one after the other, with the seeds from ``first_seed`` on."""
    runs = options.runs or options.sized(tiny=3, usual=50, full=1000)
    seeds = range(options.first_seed, options.first_seed + runs)
    counts = Counts()

    with Databases(options.postgres) as databases, empty_shop(databases) as template, short_waits():
        for done, seed in enumerate(seeds, start=1):
            with databases.copy_of(template) as url:
                run_once(url, seed, counts)
            if done % PRINT_EVERY == 0:
                print_line(f"  {done} runs, to seed {seed}, {len(counts.faults)} faults: {counts}")

    return [
        Figure(
            f"mishaps, {runs:,} runs, seeds {seeds[0]} to {seeds[-1]}",
            "wrong writes, lost corrections, anything missed or invented",
            "0",
            str(len(counts.faults)),
            not counts.faults,
            str(counts),
        )
    ]


@contextmanager
def empty_shop(databases: Databases) -> Iterator[str]:
    """The name of a database with the demonstration's table and Reconciler's tables, all empty."""
    with databases.empty() as (name, url):
        with closing(DemoShop(url)) as shop:
            shop.create()
        migrate(url, daemon_role=None, auditor_role=None)
        yield name


@contextmanager
def short_waits() -> Iterator[None]:
    """The gateway as the program builds it, but with waits of milliseconds; a killed thread writes no traceback."""

    def silent(args: threading.ExceptHookArgs) -> None:
        if not isinstance(args.exc_value, Killed):
            threading.__excepthook__(args)

    gateway = partial(StripeGateway, retries=SHORT_WAITS)
    psycopg_log = logging.getLogger("psycopg")  # it logs every lost connection
    level = psycopg_log.level
    psycopg_log.setLevel(logging.CRITICAL)

    try:
        with (
            patch.object(account_wiring, "StripeGateway", gateway),
            patch.object(threading, "excepthook", silent),
        ):
            yield
    finally:
        psycopg_log.setLevel(level)


def run_once(url: str, seed: int, counts: Counts) -> None:
    """One run: payments, disturbed sweeps, undisturbed sweeps, and the verdict."""
    chance = Random(seed)

    with closing(DemoShop(url)) as shop, ExitStack() as stack:
        simulation = _make_payments(shop, seed, lose=chance.random())
        server = stack.enter_context(SandboxServer(simulation.sandbox))
        configured = replace(
            settings(server.url, url),
            budget=BudgetSection(share=1, global_per_second=1e5, endpoint_per_second=1e5),
        )
        before = shop.rows()
        for _ in range(chance.randint(1, MOST_DISTURBED)):
            simulation.sandbox.faults.shares = _random_faults(chance, seed)
            _disturbed_sweep(configured, url, chance, counts)

        # the faults end: now a sweep must become complete
        simulation.sandbox.faults.shares = Faults()
        complete = any(_sweep(configured, url, counts) for _ in range(UNDISTURBED_SWEEPS))
        state = DatabaseState(before, shop.rows(), shop.findings(), shop.rechecks(), shop.outbox())

        verdict = judge(simulation.expected, simulation.sandbox, state)
        counts.corrected += len(verdict.changed)
        counts.findings += sum((verdict.planted & verdict.found).values())
        faults = [
            *_faults(verdict, configured, url, state),
            *([] if complete else ["never complete"]),
        ]
        for fault in faults:
            print_line(
                f"  seed {seed}: {fault}"
            )  # at once: a run of hours may be ended before its last line
            counts.faults.append(fault)


def _make_payments(shop: DemoShop, seed: int, lose: float) -> Simulation:
    random = Random(seed)
    present = FIRST_PRESENT + timedelta(seconds=random.randrange(28 * 86_400))
    clock = ManualClock(present - LONGEST_HISTORY)
    sandbox = Sandbox(clock, seed=seed, limits=NO_LIMITS)
    simulation = Simulation(sandbox, shop, clock, present, random)
    plant_discrepancies(simulation, PAYMENTS, losing=lose > 0)
    losses = WebhookLosses(seed, lose)
    handler = ShopWebhookHandler(shop, clock, losses)
    endpoint = sandbox.register_webhook(handler.receive, enabled_events=tuple(STATUS_OF))
    handler.secret = endpoint.secret
    simulate_customers(simulation, handler, losses, PAYMENTS)
    return simulation


def _random_faults(chance: Random, seed: int) -> Faults:
    """Each way to break an answer has a share of its own, often none.

    No list leaves an item out: Stripe's lists do not either, and nothing else would show an order with two payments, or
    a refund of a moment ago.
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


def _disturbed_sweep(configured: Settings, url: str, chance: Random, counts: Counts) -> None:
    disturbance = chance.choice(("faults alone", "death", "death", "connection", "commit"))
    cut_off = CutOff(
        Administrator(url),
        at=0
        if disturbance == "faults alone"
        else chance.randint(1, LAST_STATEMENT if disturbance != "commit" else 12),
        kills=disturbance == "death",
        after_commit=disturbance == "commit",
    )
    with contextlib.suppress(Killed), cutting_off(cut_off):
        _sweep(configured, url, counts)
    counts.deaths += cut_off.happened and cut_off.kills
    counts.lost_connections += cut_off.happened and not cut_off.kills
    _expire_lease(url)


def _sweep(configured: Settings, url: str, counts: Counts) -> bool:
    """Make one sweep; whether it was complete."""
    counts.sweeps += 1
    try:
        report: SweepReport = run_sweep(configured, SystemClock(), NoProgress())
    except ReconcilerError:
        counts.incomplete += 1
        return False
    counts.incomplete += not report.complete
    return report.complete


def _expire_lease(url: str) -> None:
    """Let the lease of a dead sweep expire at once."""
    query_rows(url, "UPDATE reconciler.leases SET holder = NULL, expires_at = NULL RETURNING 1")


def _faults(
    verdict: DemoVerdict, configured: Settings, url: str, state: DatabaseState
) -> Iterator[str]:
    yield from verdict.wrong_writes
    yield from verdict.missed
    yield from (f"invented: {what}" for what in verdict.invented)
    yield from (f"contradiction: {what}" for what in verdict.contradictions)
    written = Counter(key for key, _ in state.outbox)
    yield from (
        f"{key} is in the outbox {count} times" for key, count in written.items() if count > 1
    )
    if set(written) != {was.id for was, _ in verdict.changed}:
        yield "the outbox does not have exactly the changed rows"

    query = "SELECT count(*) FROM reconciler.ledger WHERE action = 'correction'"
    ((entries,),) = query_rows(url, query)
    if entries != len(state.outbox):
        yield f"{entries} corrections in the ledger, {len(state.outbox)} in the outbox"

    with open_audit(configured) as audit:
        yield from _broken_chains(audit)


def _broken_chains(audit: Audit) -> Iterator[str]:
    for account in audit.ledger.accounts():
        with audit.ledger.chain(account) as chain:
            if first_break(chain.entries, chain.head, account) is not None:
                yield f"the ledger of {account} is broken"
