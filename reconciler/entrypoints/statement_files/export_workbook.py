"""An export of everything as a workbook: summary, roll-forward, discrepancies, corrections, days and certificate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.money import Money
from reconciler.domain.statement.recorded_correction import RecordedCorrection
from reconciler.entrypoints.statement_files.certificate import TITLE, Certificate
from reconciler.entrypoints.statement_files.export_certificate import ExportCertificate
from reconciler.entrypoints.statement_files.statement_workbook import (
    add_corrections,
    add_days,
    add_roll_forward,
    add_summary,
)
from reconciler.entrypoints.statement_files.workbook import MOST_ROWS, Workbook

_TITLES: Final = (
    "account", "discrepancy", "kind", "severity", "state", "payment", "order", "row", "payment created (UTC)", "currency",
    "at stake", "at stake in minor units", "your table's status", "your table's amount", "Stripe's status",
    "Stripe's amount", "reason", "cause", "closing", "closed (UTC)", "owner", "resolved by", "note", "opened (UTC)", "last seen (UTC)",
    "corrected (UTC)", "corrected by", "fingerprint",
)  # fmt: skip


def write_export_workbook(
    path: Path,
    statements: Sequence[Certificate],
    discrepancies: Iterable[Discrepancy],
    corrections: Iterable[RecordedCorrection],
    certificate: Callable[[], ExportCertificate],
    most_rows: int = MOST_ROWS,
) -> None:
    """Write the workbook. ``certificate`` is asked for after everything else. Raises UsageError if it cannot be written."""
    with Workbook(path, most_rows) as book:
        add_summary(book, statements)
        add_roll_forward(book, statements)
        sheet = book.sheet("discrepancies", _TITLES)
        for one in discrepancies:
            local, stripe = one.local_side, one.stripe_side
            corrected = one.corrected
            sheet.add(
                (
                    one.account, one.id, one.kind.value, one.severity.value, one.state.value, one.payment_intent, one.order,
                    " ".join(one.keys), one.payment_created, one.stake.currency.upper(), one.stake, one.stake.amount,
                    local.status, _money(local.amount, local.currency), stripe.status,
                    _money(stripe.amount, stripe.currency), one.reason, one.cause, one.ending, one.ended_at, one.owner,
                    one.resolved_by, one.note, one.opened_at, one.last_seen, None if corrected is None else corrected.at,
                    None if corrected is None else corrected.by, one.fingerprint,
                )
            )  # fmt: skip
        add_corrections(book, corrections)
        add_days(book, statements)
        sheet = book.sheet("certificate", (TITLE, ""))
        for name, value in certificate().lines():
            sheet.add((name, value))
        for statement in statements:
            for name, value in statement.lines():
                sheet.add((name, value))


def _money(amount: int | None, currency: str | None) -> Money | None:
    return None if amount is None or currency is None else Money(amount, currency)
