"""The whole demonstration, from nothing to the verdict and back to nothing."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from reconciler.adapters.postgres.audit.audit import Audit
from reconciler.adapters.postgres.demo.demo_shop import DemoShop, StoredFinding
from reconciler.adapters.postgres.demo.embedded import EmbeddedPostgres
from reconciler.adapters.postgres.schema.migration import migrate
from reconciler.clock import Clock, ManualClock
from reconciler.demo.configuration import settings
from reconciler.demo.interruption import Interruption
from reconciler.demo.merchant import STATUS_OF, Luck, Merchant, WebhookFate
from reconciler.demo.oracle import DatabaseState, DemoVerdict, judge
from reconciler.demo.planting import plant
from reconciler.demo.scenario import live
from reconciler.demo.world import World
from reconciler.domain.audit.hash_chain import first_break
from reconciler.engine.ports import Progress
from reconciler.engine.report import SweepKind, SweepReport, SweepRequest, Writing
from reconciler.sandbox import Sandbox, SandboxLimits, SandboxServer
from reconciler.settings import Settings
from reconciler.wiring import open_account, open_audit

ASKED_BY: Final = "demo"
FIRST_PRESENT: Final = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
"""A Monday. The present of a demonstration is some time in the four weeks after it, for weekends count in deadlines."""
LONGEST_HISTORY: Final = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What is to be shown. ``payments`` is how many there are in all; ``lose`` is a share, 0 to 1."""

    payments: int
    lose: float
    seed: int


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What came of it. ``payments`` is more than was planned where so few do not hold one of each kind.

    ``one_by_one`` is what it would have cost to retrieve the intent of every row.
    """

    plan: DemoPlan
    payments: int
    webhooks: Counter[WebhookFate]
    report: SweepReport
    verdict: DemoVerdict
    findings: tuple[StoredFinding, ...]
    ledger_ok: bool
    rows: int
    one_by_one: int
    seconds: float

    @property
    def webhooks_lost(self) -> int:
        """Webhooks that the shop never learnt of."""
        return sum(count for fate, count in self.webhooks.items() if fate.is_lost)

    @property
    def is_clean(self) -> bool:
        """The sweep came to its end, did exactly what it had to, and left a ledger that holds."""
        return self.verdict.is_clean and self.report.complete and self.ledger_ok


def demonstrate(plan: DemoPlan, clock: Clock, progress: Progress) -> DemoResult:
    """Do it, and put everything away again, also when interrupted.

    Raises KeyboardInterrupt for Ctrl-C and SIGTERM, and what EmbeddedPostgres raises where there is no server to be
    had.
    """
    began = clock.monotonic()
    with Interruption() as interruption, ExitStack() as put_away:
        postgres = EmbeddedPostgres()
        put_away.callback(postgres.stop)
        url = postgres.start()
        with interruption.welcome():
            result = _in_world(plan, url, clock, progress, interruption, began)
    return result


def _in_world(
    plan: DemoPlan,
    url: str,
    clock: Clock,
    progress: Progress,
    interruption: Interruption,
    began: float,
) -> DemoResult:
    with closing(DemoShop(url)) as shop:
        shop.create()
        world = _set_up(plan, shop, clock)
        webhooks = _history(world, plan)
        with SandboxServer(world.sandbox) as server:
            configured = settings(server.url, url)
            migrate(url, daemon_role=None, auditor_role=None)
            before = shop.rows()
            report = run_sweep(configured, clock, progress)
            # a sweep that is interrupted ends with a report like any other
            interruption.take_effect()
        findings = shop.findings()
        state = DatabaseState(before, shop.rows(), findings, shop.rechecks(), shop.outbox())
        return DemoResult(
            plan=plan,
            payments=world.expected.payments,
            webhooks=webhooks,
            report=report,
            verdict=judge(world.expected, world.sandbox, state),
            findings=findings,
            ledger_ok=_ledger_holds(configured),
            rows=len(before),
            one_by_one=sum(row.payment_intent is not None for row in before.values()),
            seconds=clock.monotonic() - began,
        )


def _set_up(plan: DemoPlan, shop: DemoShop, clock: Clock) -> World:
    # Repeatable on purpose; nothing here is a secret.
    random = Random(plan.seed)  # noqa: S311
    present = FIRST_PRESENT + timedelta(seconds=random.randrange(28 * 86_400))
    stripe_time = ManualClock(present - LONGEST_HISTORY)
    sandbox = Sandbox(stripe_time, rate_clock=clock, seed=plan.seed, limits=SandboxLimits())
    return World(sandbox, shop, stripe_time, present, random)


def _history(world: World, plan: DemoPlan) -> Counter[WebhookFate]:
    """What happened before the sweep; what became of the webhooks.

    What is planted is put in place on both sides without the shop's handler, so none of it counts as lost. It comes
    first: the endpoint is registered for the customers alone, and they fill up the number of payments.
    """
    plant(world, plan.payments, losing=plan.lose > 0)
    luck = Luck(plan.seed, plan.lose)
    merchant = Merchant(world.shop, world.clock, luck)
    endpoint = world.sandbox.register_webhook(merchant.receive, enabled_events=tuple(STATUS_OF))
    merchant.secret = endpoint.secret
    live(world, merchant, luck, max(1, plan.payments - world.expected.payments))
    return Counter(merchant.fates.values())


def run_sweep(configured: Settings, clock: Clock, progress: Progress) -> SweepReport:
    """``reconciler sweep --apply``, as the command line makes it."""
    request = SweepRequest(kind=SweepKind.ALL, writing=Writing.ROWS, asked_by=ASKED_BY)
    account = configured.account(None)
    with open_account(configured, account, clock, writes_rows=True) as opened:
        return opened.sweep(request, progress)


def _ledger_holds(configured: Settings) -> bool:
    """``reconciler verify``, as the command line makes it; an empty ledger proves nothing."""
    with open_audit(configured) as audit:
        accounts = audit.ledger.accounts()
        return bool(accounts) and all(_chain_holds(audit, account) for account in accounts)


def _chain_holds(audit: Audit, account: str) -> bool:
    with audit.ledger.chain(account) as chain:
        return first_break(chain.entries, chain.head, account) is None
