"""What a sweep keeps of the lists of a window: the totals of whole days, and statistics for later plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import Final

from reconciler.domain.audit.ledger_entry import Draft
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match
from reconciler.domain.model.page import Loaded
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.statement.day_totals import DayTotals
from reconciler.domain.statement.period import Period, whole_days
from reconciler.engine.ports import Store
from reconciler.engine.report import SweepReport

FIRST_DAY: Final = datetime(2010, 1, 1, tzinfo=UTC)
"""Before Stripe had payments: where a range without a beginning begins."""

MOST_SAMPLES: Final = 10_000
"""The most differences in time that a sweep keeps."""
TRIMMED: Final = 200
"""One in so many is left out at either end, so that a few imported rows do not widen every list."""


LeftOutRows = Mapping[tuple[date | None, str], Mapping[str, Mapping[str, int]]]
"""As ``Store.left_out_by_day`` returns them."""


class ListedWindow:
    """Counts the pages of a window's lists, and adds up their days in the time zone of the books."""

    def __init__(self, zone: tzinfo, *, writes_rows: bool) -> None:
        self.totals = DayTotals(zone, writes_rows=writes_rows)
        self._zone = zone
        self._listed = 0
        self._rows = 0
        self._skews: list[float] = []
        self._left_out: LeftOutRows = {}

    def add_page(self, listed: int, matches: Sequence[Match], loaded: Loaded) -> None:
        """Add a page of a list: how many intents it has, the matches that have rows, and what was loaded of them."""
        self._listed += listed
        self.totals.money_back.add(loaded.events)
        for match in matches:
            self._rows += len(match.payments)
            # ten thousand differences show the skew well enough
            if isinstance(match.intent, Intent) and len(self._skews) < MOST_SAMPLES:
                created = match.intent.created
                self._skews += [
                    (created - payment.created).total_seconds()
                    for payment in match.payments
                    if payment.created is not None
                ]

    def whole_days(self, listed: TimeRange | None, listed_from: datetime | None) -> Period | None:
        """The days of which the lists showed every payment; None if there are none."""
        if listed is None or listed_from is None:
            return None
        return whole_days(listed, self._zone, FIRST_DAY, listed_from)

    def day_entries(self, sweep: int, days: Period, store: Store) -> tuple[Draft, ...]:
        """The ledger's entries of these days, Stripe's side beside the merchant's table."""
        created = TimeRange(days.start, days.end)
        local = store.sums_by_day(created, days.zone)
        self._left_out = store.left_out_by_day(created, days.zone)
        of_days = {
            (day, currency): by_reason
            for (day, currency), by_reason in self._left_out.items()
            if day is not None and currency
        }
        return self.totals.entries(sweep, days.days, local, of_days)

    def certificate(
        self, days: Period, report: SweepReport, store: Store, provenance: Mapping[str, str]
    ) -> Mapping[str, object]:
        """What a certificate of completeness says of this sweep: where both populations come from, and what is left out.

        What ``day_entries`` cannot hold is in it: rows without a day or a currency. Call it after that.
        """
        without_day = [
            {"reason": reason, "currency": currency, **sums}
            for (day, currency), by_reason in sorted(
                self._left_out.items(), key=lambda one: (str(one[0][0]), one[0][1])
            )
            if day is None or not currency
            for reason, sums in sorted(by_reason.items())
        ]
        created = TimeRange(days.start, days.end)
        return {
            **store.local_population(created, days.zone),
            "stripe_query": "GET /v1/payment_intents?created[gte]="
            f"{int(days.start.timestamp())}&created[lt]={int(days.end.timestamp())}",
            "listed": self._listed,
            "foreign_ids": report.row_ids.other,
            "left_out_of_all_days": without_day,
            **provenance,
        }

    def as_body(
        self, listed: TimeRange | None, listed_from: datetime | None
    ) -> Mapping[str, object]:
        """The range that was listed, how many intents it has, how many rows hold them, and how far their times differ.

        Stored with the sweep, for the pages and for later plans. A range without an end ends at ``listed_from``, when
        its list began. The skew is Stripe's time minus the row's time, in seconds.
        """
        begin = None if listed is None else listed.since
        end = listed_from if listed is None or listed.until is None else listed.until
        skews = sorted(self._skews)
        # the ends are left out: rows that were imported years later would widen every list
        cut = len(skews) // TRIMMED
        return {
            "created_from": None if begin is None else begin.isoformat(),
            "created_until": None if end is None else end.isoformat(),
            "listed": self._listed,
            "listed_rows": self._rows,
            "skew_earliest": round(skews[cut], 3) if skews else 0,
            "skew_latest": round(skews[-1 - cut], 3) if skews else 0,
        }
