"""The whole demonstration: it starts a PostgreSQL and a sandbox, makes payments, sweeps, judges, and removes everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from reconciler.adapters.postgres.demo.demo_shop import DemoShop, ShopRow, StoredFinding
from reconciler.adapters.postgres.demo.embedded import EmbeddedPostgres
from reconciler.adapters.postgres.schema.migration import migrate
from reconciler.clock import Clock, ManualClock
from reconciler.demo.configuration import settings
from reconciler.demo.customers import simulate_customers
from reconciler.demo.interruption import Interruption
from reconciler.demo.plant_discrepancies import plant_discrepancies
from reconciler.demo.simulation import Simulation
from reconciler.demo.verdict import DatabaseState, DemoVerdict, judge
from reconciler.demo.webhook_handler import (
    STATUS_OF,
    ShopWebhookHandler,
    WebhookLosses,
    WebhookResult,
)
from reconciler.domain.audit.hash_chain import first_break
from reconciler.engine.ports import Progress
from reconciler.engine.report import SweepKind, SweepReport, SweepRequest, Writing
from reconciler.sandbox import Sandbox, SandboxLimits, SandboxServer
from reconciler.settings import Settings
from reconciler.wiring.account import open_account
from reconciler.wiring.audit import Audit, open_audit

ASKED_BY: Final = "demo"
FIRST_PRESENT: Final = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
"""A Monday. A demonstration's present is a random time in the four weeks after it, because deadlines count weekends."""
LONGEST_HISTORY: Final = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What to simulate: how many ``payments`` in all, and in ``lose`` the share of lost webhooks, 0 to 1.

    The present of the simulation comes from ``seed``. With ``is_present_now`` it is the time of the clock, for the pages:
    what a person does there, and the ledger, have real times, so the shop's payments have to lie just before them.
    """

    payments: int
    lose: float
    seed: int
    is_present_now: bool = False


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The result of a demonstration.

    ``payments`` is more than was planned if so few cannot hold one discrepancy of each kind. ``one_by_one`` is the number
    of reads that it takes to retrieve the intent of every row. ``seconds`` is the time of the whole demonstration.
    """

    plan: DemoPlan
    payments: int
    webhooks: Counter[WebhookResult]
    report: SweepReport
    verdict: DemoVerdict
    findings: tuple[StoredFinding, ...]
    ledger_ok: bool
    rows: int
    one_by_one: int
    seconds: float

    @property
    def webhooks_lost(self) -> int:
        """Webhooks that the shop's table never got."""
        return sum(count for result, count in self.webhooks.items() if result.is_lost)

    @property
    def is_clean(self) -> bool:
        """Whether the sweep is complete, did exactly what it had to do, and left an unbroken ledger."""
        return self.verdict.is_clean and self.report.complete and self.ledger_ok


WhileOpen = Callable[[DemoResult, Settings], None]
"""What is done with the result while the database is still there."""


def demonstrate(
    plan: DemoPlan, clock: Clock, progress: Progress, while_open: WhileOpen | None = None
) -> DemoResult:
    """Run the demonstration, and remove everything it made, also if it is interrupted.

    Raises KeyboardInterrupt for Ctrl-C and SIGTERM, and what EmbeddedPostgres raises if the server is unavailable.
    """
    # the cleanup is registered before the server starts, and runs inside the delay of signals
    began = clock.monotonic()
    with Interruption() as interruption, ExitStack() as cleanup:
        postgres = EmbeddedPostgres()
        cleanup.callback(postgres.stop)
        url = postgres.start()
        with interruption.allowed():
            result, configured = _simulate_and_sweep(
                plan, url, clock, progress, interruption, began
            )
            if while_open is not None:
                while_open(result, configured)
    return result


@dataclass(frozen=True, slots=True)
class SweptShop:
    """A simulated shop after its sweep: what was planned and made, its rows ``before`` the sweep, and the sweep's report."""

    plan: DemoPlan
    simulation: Simulation
    webhooks: Counter[WebhookResult]
    before: Mapping[str, ShopRow]
    report: SweepReport


def _simulate_and_sweep(
    plan: DemoPlan,
    url: str,
    clock: Clock,
    progress: Progress,
    interruption: Interruption,
    began: float,
) -> tuple[DemoResult, Settings]:
    with closing(DemoShop(url)) as shop:
        swept, configured = make_and_sweep(plan, shop, url, clock, progress)
        # an interrupted sweep has ended with a report: the demonstration must end as well
        interruption.raise_if_requested()
        return judge_swept(swept, shop, configured, clock.monotonic() - began), configured


def make_and_sweep(
    plan: DemoPlan, shop: DemoShop, url: str, clock: Clock, progress: Progress
) -> tuple[SweptShop, Settings]:
    """Make a shop with its payments in the empty database ``url``, and sweep it; also the sweep's settings."""
    shop.create()
    simulation = _new_simulation(plan, shop, clock)
    webhooks = _make_payments(simulation, plan)
    with SandboxServer(simulation.sandbox) as server:
        configured = settings(server.url, url)
        migrate(url, daemon_role=None, auditor_role=None)
        before = shop.rows()
        # the same code as the command line's sweep: the verdict is about the real program
        report = run_sweep(configured, clock, progress)
    return SweptShop(plan, simulation, webhooks, before, report), configured


def judge_swept(
    swept: SweptShop, shop: DemoShop, configured: Settings, seconds: float
) -> DemoResult:
    """Compare the database with what really happened. It is read by statements of its own, not through Reconciler."""
    expected = swept.simulation.expected
    findings = shop.findings()
    state = DatabaseState(swept.before, shop.rows(), findings, shop.rechecks(), shop.outbox())
    return DemoResult(
        plan=swept.plan,
        payments=expected.payments,
        webhooks=swept.webhooks,
        report=swept.report,
        verdict=judge(expected, swept.simulation.sandbox, state),
        findings=findings,
        ledger_ok=_is_ledger_unbroken(configured),
        rows=len(swept.before),
        one_by_one=sum(row.payment_intent is not None for row in swept.before.values()),
        seconds=seconds,
    )


def _new_simulation(plan: DemoPlan, shop: DemoShop, clock: Clock) -> Simulation:
    # a seeded generator: a demonstration can be repeated, and nothing here is a secret
    random = Random(plan.seed)  # noqa: S311
    # Stripe's clock begins before the oldest payment, and is advanced to the present while payments are made
    present = FIRST_PRESENT + timedelta(seconds=random.randrange(28 * 86_400))
    if plan.is_present_now:
        # Stripe's times are whole seconds
        present = clock.now().replace(microsecond=0)
    stripe_time = ManualClock(present - LONGEST_HISTORY)
    sandbox = Sandbox(stripe_time, rate_clock=clock, seed=plan.seed, limits=SandboxLimits())
    return Simulation(sandbox, shop, stripe_time, present, random)


def _make_payments(simulation: Simulation, plan: DemoPlan) -> Counter[WebhookResult]:
    """Make all payments of the time before the sweep; returns what happened to the webhooks.

    Planted discrepancies are written on both sides directly, without the shop's webhook handler, so none counts as a lost
    webhook. They come first: the webhook endpoint is registered after them, and customers fill up the number of payments.
    """
    plant_discrepancies(simulation, plan.payments, losing=plan.lose > 0)

    losses = WebhookLosses(plan.seed, plan.lose)
    handler = ShopWebhookHandler(simulation.shop, simulation.clock, losses)
    endpoint = simulation.sandbox.register_webhook(handler.receive, enabled_events=tuple(STATUS_OF))
    handler.secret = endpoint.secret
    customers = max(1, plan.payments - simulation.expected.payments)
    simulate_customers(simulation, handler, losses, customers)
    return Counter(handler.results.values())


def run_sweep(configured: Settings, clock: Clock, progress: Progress) -> SweepReport:
    """Make the sweep that ``reconciler sweep --apply --yes`` makes."""
    request = SweepRequest(
        kind=SweepKind.ALL, writing=Writing.ROWS, asked_by=ASKED_BY, approved=True
    )
    account = configured.account(None)
    with open_account(configured, account, clock, writes_rows=True) as opened:
        return opened.sweep(request, progress)


def _is_ledger_unbroken(configured: Settings) -> bool:
    """Verify the ledger as ``reconciler verify`` does; an empty ledger counts as broken, because the sweep wrote to it."""
    with open_audit(configured) as audit:
        accounts = audit.ledger.accounts()
        return bool(accounts) and all(_is_chain_unbroken(audit, account) for account in accounts)


def _is_chain_unbroken(audit: Audit, account: str) -> bool:
    with audit.ledger.chain(account) as chain:
        return first_break(chain.entries, chain.head, account) is None
