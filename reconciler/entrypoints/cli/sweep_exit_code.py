"""Which exit code a sweep over one account or several has."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.engine.report import PAUSED_NOTE, SweepReport, Writing
from reconciler.exit_codes import ExitCode


def exit_code_of(
    reports: Sequence[SweepReport], *, asked: bool, wanted: Writing = Writing.NOTHING
) -> ExitCode:
    """The exit code of these reports. ``asked`` is whether --exit-code was given, ``wanted`` what the sweep was to write."""
    # of several accounts the most severe code wins: 78 before 75
    failures = [report.failure.exit_code for report in reports if report.failure is not None]
    if failures:
        return max(failures)
    # a person asked for corrections, and a pause has kept some back
    if not all(report.complete and PAUSED_NOTE not in report.notes for report in reports):
        return ExitCode.TEMPORARY
    # the service only records in its mode "report", and a reviewed line that has changed is not written
    if any(
        report.changed or report.writing is not wanted
        for report in reports
        if wanted is Writing.ROWS
    ):
        return ExitCode.TEMPORARY
    # what was corrected disagrees no longer
    disagreeing = sum(report.discrepancies.total() - report.corrected for report in reports)
    return ExitCode.NO if asked and disagreeing > 0 else ExitCode.DONE
