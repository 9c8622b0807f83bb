"""Compares the lines of a sweep's report with the preview that a person has reviewed."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.engine.report import ReportLine, SweepReport
from reconciler.engine.review import Review, ReviewedLine


class ReviewComparison:
    """Keeps what a report's lines say, and hands each line on to ``take_line``."""

    def __init__(
        self, report: SweepReport, review: Review, take_line: Callable[[ReportLine], None]
    ) -> None:
        self._report = report
        self._review = review
        self._take_line = take_line
        self._found: list[ReviewedLine] = []

    def take(self, line: ReportLine) -> None:
        """Keep one line."""
        self._take_line(line)
        kind = None if line.kind is None else line.kind.value
        self._found.append(
            ReviewedLine(line.payment_intent, kind, line.fingerprint, line.to_status)
        )

    def report_changes(self) -> None:
        """Report which lines of the reviewed preview are not so any more."""
        report = self._report
        missed = (item.what for item in report.unexamined)
        report.changed = self._review.changed(self._found, missed, complete=report.complete)
