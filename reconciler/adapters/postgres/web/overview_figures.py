"""The figures of the overview: what is open, what was corrected, and how payments reached the merchant's table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.statements import STATEMENTS

_SQL: Final = STATEMENTS["web"]
DAYS: Final = 30
"""The days that the overview looks back on."""


@dataclass(frozen=True, slots=True)
class OpenFigure:
    """Open discrepancies of one severity, kind, currency and age. Amounts are minor units.

    ``age`` is 0 for up to one day, 1 for up to 7 days, 2 for up to 30 days, 3 for more. In ``amount_once`` a payment
    with several discrepancies counts only under its greatest stake.
    """

    severity: str
    kind: str
    currency: str
    age: int
    count: int
    amount: int
    amount_once: int


@dataclass(frozen=True, slots=True)
class CorrectedFigure:
    """The corrections of one day and currency. The amount is in minor units."""

    day: date
    currency: str
    count: int
    amount: int


@dataclass(frozen=True, slots=True)
class Activity:
    """How many ledger entries of the last days say that something happened. ``closing`` and ``state`` may be empty."""

    action: str
    state: str
    closing: str
    by_service: bool
    count: int


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds from the last event of a payment to its correction; None if no event of a corrected payment is known."""

    median: float | None
    slow: float | None
    count: int


@dataclass(frozen=True, slots=True)
class LastWindow:
    """The last complete sweep that examined every payment of a range.

    ``with_discrepancy`` counts the payments of the range that have an open discrepancy now, each once.
    """

    sweep: int
    examined: int
    with_discrepancy: int


@dataclass(frozen=True, slots=True)
class OverviewFigures:
    """What the overview shows of one account, beside its statement. ``settled`` counts payments at Stripe.

    ``corrected_payments`` are those whose rows are in ``corrected``, each once.
    """

    open: tuple[OpenFigure, ...]
    corrected: tuple[CorrectedFigure, ...]
    corrected_payments: int
    activity: tuple[Activity, ...]
    delays: Delays
    settled: int
    window: LastWindow | None


def open_by_currency(database: Database, account: str) -> Mapping[str, int]:
    """How many discrepancies of an account are open, by currency."""
    with database.connection("counting the open discrepancies") as connection:
        return dict(
            connection.execute(_SQL["web_open_by_currency"], {"account": account}).fetchall()
        )


def overview_figures(database: Database, account: str, zone: str, now: datetime) -> OverviewFigures:
    """Read the figures of an account from one snapshot. ``zone`` is the time zone of the books.

    Ages and the last days count back from ``now``, the time of the page's clock.
    """
    parameters: dict[str, object] = {"account": account, "days": DAYS, "zone": zone, "now": now}
    with database.counting("adding up the figures of the overview") as connection:
        since = connection.execute(_SQL["web_since"], parameters).fetchone()
        parameters["since"] = 0 if since is None else since[0]
        open_rows = connection.execute(_SQL["web_open_by_kind"], parameters).fetchall()
        corrected = connection.execute(_SQL["web_corrected_by_day"], parameters).fetchall()
        payments = connection.execute(_SQL["web_corrected_payments"], parameters).fetchone()
        activity = connection.execute(_SQL["web_activity"], parameters).fetchall()
        delays = connection.execute(_SQL["web_delays"], parameters).fetchone()
        settled = connection.execute(_SQL["web_settled"], parameters).fetchone()
        window = connection.execute(_SQL["web_last_window"], parameters).fetchone()
    return OverviewFigures(
        open=tuple(OpenFigure(*row) for row in open_rows),
        corrected=tuple(CorrectedFigure(*row) for row in corrected),
        corrected_payments=0 if payments is None else int(payments[0]),
        activity=tuple(
            Activity(action, state, closing, bool(by_service), count)
            for action, state, closing, by_service, count in activity
        ),
        delays=Delays(None, None, 0) if delays is None else Delays(*delays),
        settled=0 if settled is None else int(settled[0]),
        window=None if window is None else LastWindow(*window),
    )
