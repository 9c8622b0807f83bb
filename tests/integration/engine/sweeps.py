"""Sweeps over a real database with a Stripe made of plain dictionaries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from psycopg.rows import dict_row

from reconciler.adapters.postgres.coordination.lease_store import PostgresLeaseStore
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.inspection import inspect
from reconciler.adapters.postgres.page.due_row_search import PostgresDueRows
from reconciler.adapters.postgres.page.store import PostgresStore
from reconciler.clock import ManualClock
from reconciler.domain.model.match import Rules
from reconciler.domain.planning.plan import Budget, RequestRates
from reconciler.engine.due_rows import DueRows
from reconciler.engine.lease.lease import Lease
from reconciler.engine.limits.read_quota import ReadQuota, SourceQuota
from reconciler.engine.report import Mode, SweepKind, SweepReport, SweepRequest, Writing
from reconciler.engine.sweep.sweep import Sweep
from reconciler.engine.sweep_context import SERVICE, Actor, ClaimedRechecks, SweepContext
from tests.conftest import STATUSES, Shop
from tests.kept_connections import kept_connection
from tests.unit.engine.doubles import NOW, PlainStripe, an_intent

LAST_WEEK = NOW - timedelta(days=7)
RULES = Rules(
    statuses=STATUSES,
    grace=timedelta(minutes=2),
    horizon=timedelta(days=30),
    metadata={},
)


class NoProgress:
    def advance(self, examined: int, total: int | None) -> None:
        pass


class HookedStore:
    """A store that calls ``before_transaction`` just before each transaction begins."""

    def __init__(self, store: PostgresStore, before_transaction: Callable[[], None]) -> None:
        self._store = store
        self._before_transaction = before_transaction

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    @contextmanager
    def transaction(self, epoch: int) -> Iterator[object]:
        self._before_transaction()
        with self._store.transaction(epoch) as page:
            yield page


@dataclass(frozen=True)
class HeldLease:
    """The database and the lease of a sweep. ``wrap`` may replace the store of this sweep alone."""

    database: Database
    epoch: int
    check_lease: Callable[[], None]
    wrap: Callable[[PostgresStore], PostgresStore] = lambda store: store


@dataclass
class SweepRunner:
    """Runs sweeps over one shop. ``wrap`` may replace the store of every sweep."""

    shop: Shop
    stripe: PlainStripe = field(default_factory=PlainStripe)
    rules: Rules = RULES
    per_hour: int = 500
    mode: Mode = Mode.UPDATE
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    quota: ReadQuota = field(default_factory=lambda: ReadQuota(10_000, 1.0, timedelta(minutes=1)))
    rechecks: ClaimedRechecks = field(default_factory=ClaimedRechecks)
    wrap: Callable[[PostgresStore], PostgresStore] = lambda store: store
    search_clock: ManualClock | None = None
    """The clock of the searches for due rows; None if each due sweep of the service reads every open row."""
    due_rows: DueRows | None = None

    def add_row(
        self, key: int | None, intent: str | None, status: str = "pending", **row: object
    ) -> None:
        """Insert a row of ten euros that was created a week ago."""
        values = {"amount": 1000, "created": LAST_WEEK.isoformat(), **row}
        self.shop.insert(key=key, payment_intent=intent, status=status, **values)

    def add_intent(self, ident: str, status: str = "succeeded", **changes: object) -> None:
        """Let Stripe have an intent of ten euros that was created a week ago."""
        facts = {"created": LAST_WEEK, **changes}
        self.stripe.intents[ident] = an_intent(ident, status, **facts)

    def add_both(self, number: int, status: str = "pending") -> str:
        """A row with this key, and its succeeded intent; returns the id of the intent."""
        intent = f"pi_{number}"
        self.add_row(number, intent, status)
        self.add_intent(intent)
        return intent

    def before_each_transaction(self, call: Callable[[], None]) -> None:
        """Call this just before each transaction of the sweeps to come, after the page was loaded."""
        self.wrap = lambda store: HookedStore(store, call)  # type: ignore[assignment,return-value]

    def run(
        self,
        kind: SweepKind = SweepKind.ALL,
        writing: Writing = Writing.ROWS,
        asked_by: str = "ops@host",
        **request: object,
    ) -> SweepReport:
        """Make one sweep under a lease of its own."""
        with ExitStack() as stack:
            database = stack.enter_context(Database(self.shop.url))
            lease = stack.enter_context(self.lease(database))
            held = HeldLease(database, lease.epoch, lease.raise_if_lost)
            return self.run_under(held, kind, writing, asked_by, **request)

    def lease(self, database: Database) -> Lease:
        return Lease(PostgresLeaseStore(database, "default"), "test", LeaseClock(self.clock))

    def run_under(
        self,
        held: HeldLease,
        kind: SweepKind,
        writing: Writing = Writing.ROWS,
        asked_by: str = SERVICE,
        **request: object,
    ) -> SweepReport:
        """Make one sweep under a lease that the caller holds. Several may run at the same time."""
        # most tests correct more than a person's sweep does unasked; the tests of the brake say otherwise
        request.setdefault("approved", True)
        asked = SweepRequest(kind=kind, writing=writing, asked_by=asked_by, **request)  # type: ignore[arg-type]
        table = inspect(held.database, self.shop.mapping, writes=True).table_or_raise()
        store = self.wrap(held.wrap(PostgresStore(held.database, table, "default")))
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
        if self.search_clock is not None:
            searched = PostgresDueRows(held.database, store, "default")
            self.due_rows = self.due_rows or DueRows(searched, self.search_clock)
            self.due_rows.store = searched
        actor = Actor("default", sweep, asked_by, self.mode, writing, held.epoch)
        context = SweepContext(
            stripe=self.stripe,
            store=store,
            clock=self.clock,
            rules=self.rules,
            workers=4,
            page_size=100,
            per_hour=self.per_hour,
            has_schema=True,
            budget=Budget(RequestRates(25, 25, 25), RequestRates(25, 25, 25), quota=10_000),
            source_quota=source_quota,
            rechecks=self.rechecks,
            due_rows=self.due_rows,
        )
        return Sweep(context, asked, actor, held.check_lease, NoProgress()).run()

    def statuses(self) -> dict[str, str | None]:
        """The status of each row, by its key."""
        return {key: row["status"] for key, row in self.shop.rows().items()}

    def query(self, query: str) -> list[dict[str, object]]:
        cursor = kept_connection(self.shop.url).cursor(row_factory=dict_row)
        return cursor.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]

    def with_rules(self, **changes: object) -> None:
        self.rules = replace(self.rules, **changes)  # type: ignore[arg-type]

    def advance(self, by: timedelta) -> None:
        """Let this time go by, on this machine and at Stripe."""
        self.stripe.present += by
        self.clock.advance(by)


class LeaseClock(ManualClock):
    """Lets the thread of a lease wait in real time: a clock that stands still would make it spin."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock.now())

    def wait(self, event: object, seconds: float) -> bool:
        return event.wait(seconds)  # type: ignore[attr-defined,no-any-return]
