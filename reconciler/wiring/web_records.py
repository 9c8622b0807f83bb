"""What the finance pages read: Reconciler's own tables, over connections that live as long as the pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, cast

from reconciler.adapters.postgres.audit.ledger import PostgresLedger
from reconciler.adapters.postgres.audit.statement_records import (
    RecordedStatement,
    examined_ranges,
    recorded_statement,
)
from reconciler.adapters.postgres.coordination.acceptance_requests import store_acceptance
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.discrepancies.discrepancy_list import PostgresDiscrepancyList
from reconciler.adapters.postgres.discrepancies.review_store import (
    PostgresReviewStore,
    record_view,
)
from reconciler.adapters.postgres.schema.schema_state import ensure_schema
from reconciler.adapters.postgres.web.discrepancy_search import (
    DiscrepancySearch,
    Place,
    count_discrepancies,
    reading_discrepancies,
    search_discrepancies,
)
from reconciler.adapters.postgres.web.ledger_and_sweeps import (
    ListedEntry,
    ListedSweep,
    account_names,
    ledger_part,
    sweeps_part,
)
from reconciler.adapters.postgres.web.overview_figures import (
    OverviewFigures,
    open_by_currency,
    overview_figures,
)
from reconciler.adapters.postgres.web.payment_records import (
    PaymentRecords,
    payment_of_discrepancy,
    payment_records,
)
from reconciler.clock import Clock
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.statement.period import Period
from reconciler.engine.actions.close_period import Closing, PeriodLedger
from reconciler.engine.actions.closed_periods import closings
from reconciler.settings import Settings
from reconciler.wiring.audit import Audit
from reconciler.wiring.close import period_ledger
from reconciler.wiring.remembered import Remembered

CONNECTIONS: int = 6
CLOCKS_DIFFER_BY: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class WebRecords:
    """Every read that the pages make. Safe to share between threads."""

    _database: Database
    _figures: Remembered[Any]

    @property
    def audit(self) -> Audit:
        """What the files of a period are made of."""
        database = self._database
        return Audit(PostgresDiscrepancyList(database), PostgresLedger(database), database)

    @property
    def review(self) -> PostgresReviewStore:
        """Where decisions of reviewers are stored."""
        return PostgresReviewStore(self._database)

    def period_ledger(self, account: str) -> PeriodLedger:
        """The ledger of an account, to close its periods."""
        return period_ledger(self._database, account)

    def closings(self, account: str, most_compared: int) -> tuple[Closing, ...]:
        """Every period of the account that has a step, perhaps as it was a moment ago; see ``engine.actions.closed_periods``."""
        ledger = self.period_ledger(account)
        return cast(
            "tuple[Closing, ...]",
            self._figures.value(("closings", account), lambda: closings(ledger, most_compared)),
        )

    def record_view(self, account: str, names: Sequence[str], viewer: str) -> None:
        """Store that a person looked at a payment: ``names`` are its PaymentIntent and its rows, as ``row:KEY``."""
        record_view(self._database, account, names, viewer)

    def ask_acceptance(
        self,
        discrepancy: Discrepancy,
        row: str | None,
        note: str,
        asked_by: str,
        *,
        amount_differs: bool,
    ) -> bool:
        """Store that a reviewer accepts Stripe's side, for the service to carry out; False if the discrepancy has changed,
        or a request for it waits."""
        return store_acceptance(
            self._database, discrepancy, row, note, asked_by, amount_differs=amount_differs
        )

    def forget_figures(self) -> None:
        """Add up the figures of the overview anew when they are wanted next."""
        self._figures.forget()

    def accounts(self) -> tuple[str, ...]:
        """Every account that has recorded something."""
        return account_names(self._database)

    def discrepancies(
        self, wanted: DiscrepancySearch, after: Place | None, limit: int
    ) -> tuple[Discrepancy, ...]:
        """One part of a list."""
        return search_discrepancies(self._database, wanted, after, limit)

    def discrepancy_count(self, wanted: DiscrepancySearch, most: int) -> int:
        """How many discrepancies a list has; ``most`` if it has more."""
        return count_discrepancies(self._database, wanted, most)

    def all_discrepancies(
        self, wanted: DiscrepancySearch
    ) -> AbstractContextManager[Iterator[Discrepancy]]:
        """A whole list, for a file."""
        return reading_discrepancies(self._database, wanted)

    def overview(self, account: str, zone: str, now: datetime) -> OverviewFigures:
        """The figures of the overview as of ``now``, perhaps of a moment ago."""

        def make() -> OverviewFigures:
            return overview_figures(self._database, account, zone, now)

        return cast("OverviewFigures", self._figures.value(("overview", account), make))

    def open_by_currency(self, account: str) -> Mapping[str, int]:
        """How many discrepancies of the account are open now, by currency."""
        return open_by_currency(self._database, account)

    def examined_ranges(self, account: str) -> tuple[tuple[date, date], ...]:
        """The ranges of days, from the first to the last, that sweeps examined to the end."""
        return examined_ranges(self._database, account)

    def recent_statement(
        self,
        account: str,
        period: Period,
        cutoff: datetime,
        now: datetime,
        materiality: Mapping[str, int],
    ) -> RecordedStatement:
        """The statement of a period as of a moment, or as of now if that is in the future; perhaps of a moment ago.

        What came after the moment is in it as subsequent events. ``materiality`` is by currency, in minor units.
        """

        def make() -> RecordedStatement:
            # the database's clock may be ahead of this one
            known = now + CLOCKS_DIFFER_BY
            return recorded_statement(
                self._database, account, period, min(cutoff, now), known, materiality
            )

        key = ("statement", account, period.first, period.last, cutoff)
        return cast("RecordedStatement", self._figures.value(key, make))

    def ledger(
        self, account: str, before: int | None, actions: tuple[str, ...], limit: int
    ) -> tuple[ListedEntry, ...]:
        """One part of the ledger."""
        return ledger_part(self._database, account, before, actions, limit)

    def sweeps(
        self, account: str, before: int | None, kind: str | None, limit: int
    ) -> tuple[ListedSweep, ...]:
        """One part of the sweeps."""
        return sweeps_part(self._database, account, before, kind, limit)

    def payment_of_discrepancy(self, number: int) -> tuple[str, str] | None:
        """The account and the payment's name of a discrepancy."""
        return payment_of_discrepancy(self._database, number)

    def payment(self, account: str, name: str) -> PaymentRecords:
        """Everything that is stored about a payment."""
        return payment_records(self._database, account, name)


@contextmanager
def open_web_records(settings: Settings, clock: Clock) -> Iterator[WebRecords]:
    """The reads of the pages, for the length of the block. Needs no Stripe key and no table.

    Raises ConfigurationError if the schema does not exist, and NewerSchemaError if a newer version has migrated it.
    """
    with Database(settings.database_url.get_secret_value(), CONNECTIONS) as database:
        ensure_schema(database)
        yield WebRecords(database, Remembered(clock))
