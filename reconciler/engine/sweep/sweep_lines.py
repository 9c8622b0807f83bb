"""The lines of one sweep's report on their way to the person, and their comparison with a reviewed preview."""

from __future__ import annotations

from reconciler.engine.report import ReportLine, SweepReport, SweepRequest
from reconciler.engine.requester import Requester
from reconciler.engine.review import ReviewedLine


class SweepLines:
    """Hands each line of a report to the requester, and keeps what a review is compared with."""

    def __init__(self, report: SweepReport, request: SweepRequest, requester: Requester) -> None:
        self._report = report
        self._review = request.review
        self._requester = requester
        self._found: list[ReviewedLine] = []
        report.on_line = self._take

    def _take(self, line: ReportLine) -> None:
        self._requester.take_line(line)
        if self._review is not None:
            kind = None if line.kind is None else line.kind.value
            self._found.append(
                ReviewedLine(line.payment_intent, kind, line.fingerprint, line.to_status)
            )

    def compare_with_review(self) -> None:
        """Report which lines of the reviewed preview are not so any more."""
        if self._review is not None:
            report = self._report
            missed = (item.what for item in report.unexamined)
            report.changed = self._review.changed(self._found, missed, complete=report.complete)
