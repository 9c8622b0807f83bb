"""Says in the report of a sweep which rule of the merchant's table refused a correction.

The table's message may quote the row, so it stands in ``explain`` and not here: a report may go into a log.
"""

from __future__ import annotations

from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.discrepancies.payment_records import PostgresPaymentRecords
from reconciler.domain.findings.discrepancy import State
from reconciler.engine.actions.refused_correction import refusal_rule
from reconciler.engine.report import REFUSALS, SweepReport
from reconciler.entrypoints.cli.sweep_hints import is_refused
from reconciler.settings import Settings

_MOST: Final = 3
"""So many are named; the list of the discrepancies has all of them."""


def note_refusals(settings: Settings, report: SweepReport) -> None:
    """Add to the report's notes which rules refused the first corrections. Raises the database's errors."""
    intents = [line.payment_intent for line in report.lines if is_refused(line)][:_MOST]
    with Database(settings.database_url.get_secret_value(), size=1) as database:
        records = PostgresPaymentRecords(database, can_read_schema=True)
        found = records.discrepancies([report.account], intents)
    report.notes += [
        f"{one.payment_intent}: {refusal_rule(one)}. Discrepancy {one.id} is open."
        for one in found
        if one.state is State.OPEN and one.reason in REFUSALS
    ]
