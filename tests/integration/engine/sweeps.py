"""SweepRunner over a real database with a Stripe of plain dictionaries."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta

import psycopg
from psycopg.rows import dict_row
from reconciler.engine.actor import SERVICE, Actor
from reconciler.engine.sources.claimed_rechecks import ClaimedRechecks

from reconciler.adapters.postgres.coordination.lease_store import PostgresLeaseStore
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.inspection import inspect
from reconciler.adapters.postgres.page.store import PostgresStore
from reconciler.clock import ManualClock
from reconciler.domain.model.match import Rules
from reconciler.domain.planning.plan import Budget, RequestRates
from reconciler.engine.lease.lease import Lease
from reconciler.engine.limits.read_quota import ReadQuota, SourceQuota
from reconciler.engine.report import Mode, SweepKind, SweepReport, SweepRequest, Writing
from reconciler.engine.sources.sources import SweepContext
from reconciler.engine.sweep.sweep import Sweep
from tests.conftest import STATUSES, Shop
from tests.unit.engine.doubles import NOW, PlainStripe

RULES = Rules(
    statuses=STATUSES,
    grace=timedelta(minutes=2),
    horizon=timedelta(days=30),
    metadata={},
)


class NoProgress:
    def advance(self, examined: int, total: int | None) -> None:
        pass


@dataclass(frozen=True)
class SweepSlot:
    """What a sweep works under; ``around`` may replace this lane's store alone."""

    database: Database
    epoch: int
    recheck: Callable[[], None]
    around: Callable[[PostgresStore], PostgresStore] = lambda store: store


@dataclass
class SweepRunner:
    """Runs sweeps over one shop; ``store`` may be replaced to make trouble."""

    shop: Shop
    stripe: PlainStripe = field(default_factory=PlainStripe)
    rules: Rules = RULES
    per_hour: int = 500
    mode: Mode = Mode.UPDATE
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    quota: ReadQuota = field(default_factory=lambda: ReadQuota(10_000, 1.0, timedelta(minutes=1)))
    rechecks: ClaimedRechecks = field(default_factory=ClaimedRechecks)
    around: Callable[[PostgresStore], PostgresStore] = lambda store: store

    def run(
        self,
        kind: SweepKind = SweepKind.ALL,
        writing: Writing = Writing.ROWS,
        asked_by: str = "ops@host",
        **request: object,
    ) -> SweepReport:
        with ExitStack() as stack:
            database = stack.enter_context(Database(self.shop.url))
            lease = stack.enter_context(self.lease(database))
            slot = SweepSlot(database, lease.epoch, lease.raise_if_lost)
            return self.cast(slot, kind, writing, asked_by, **request)

    def lease(self, database: Database) -> Lease:
        return Lease(PostgresLeaseStore(database, "default"), "test", ManualLease(self.clock))

    def cast(
        self,
        slot: SweepSlot,
        kind: SweepKind,
        writing: Writing = Writing.ROWS,
        asked_by: str = SERVICE,
        **request: object,
    ) -> SweepReport:
        """A sweep under a lease that the caller holds: several may be made side by side."""
        asked = SweepRequest(kind=kind, writing=writing, asked_by=asked_by, **request)  # type: ignore[arg-type]
        table = inspect(slot.database, self.shop.mapping, writes=True).table_or_raise()
        store = self.around(slot.around(PostgresStore(slot.database, table, "default")))
        self.quota.renew(store.booked_reads)
        source_quota = SourceQuota(self.quota)
        self.stripe.acquire = source_quota.take
        sweep = None
        if writing is not Writing.NOTHING:
            sweep = store.start_sweep(
                {
                    "kind": kind.value,
                    "mode": self.mode.value,
                    "applied": writing is Writing.ROWS,
                    "asked_by": asked_by,
                }
            )
        actor = Actor("default", sweep, asked_by, self.mode, writing, slot.epoch)
        context = SweepContext(
            stripe=self.stripe,
            store=store,
            clock=self.clock,
            rules=self.rules,
            workers=4,
            page_size=100,
            per_hour=self.per_hour,
            keeps_books=True,
            budget=Budget(RequestRates(25, 25, 25), RequestRates(25, 25, 25), quota=10_000),
            source_quota=source_quota,
            rechecks=self.rechecks,
        )
        return Sweep(context, asked, actor, slot.recheck, NoProgress()).run()

    def statuses(self) -> dict[str, str | None]:
        return {key: row["status"] for key, row in self.shop.rows().items()}

    def table(self, query: str) -> list[dict[str, object]]:
        with psycopg.connect(self.shop.url, row_factory=dict_row) as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]

    def with_rules(self, **changes: object) -> None:
        self.rules = replace(self.rules, **changes)  # type: ignore[arg-type]


class ManualLease(ManualClock):
    """Waits for real where the lease's thread waits, so that a standing clock does not make it spin."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock.now())

    def wait(self, event: object, seconds: float) -> bool:
        return event.wait(seconds)  # type: ignore[attr-defined,no-any-return]
