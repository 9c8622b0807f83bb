"""What to do after a sweep, as text: the next command, with the selection of the one that was typed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from reconciler.domain.model.recheck import TABLE_REFUSED
from reconciler.engine.page.brake import is_above_brake
from reconciler.engine.report import REFUSALS, ReportLine, SweepReport, Writing
from reconciler.entrypoints.cli.sweep_command import SweepCommand

_REFUSALS: Final = frozenset(reason.value for reason in REFUSALS)
_MOST_REVERTED: Final = 3
"""The newest sweeps whose corrections were taken back; a table of years may have many."""


def hints(reports: Sequence[SweepReport], command: SweepCommand) -> Iterator[str]:
    """The lines after the reports: how to apply a preview, or what an applied sweep has left behind."""
    several = len(reports) > 1
    for report in reports:
        if report.writing is Writing.ROWS and report.sweep is not None and report.corrected:
            yield from _after_apply(report, command, several=several)
        if report.changed:
            yield "hint: Write a new preview, check what has changed, and apply the new preview."
    yield from _of_reverted(reports, command, several=several)
    yield from _of_refused(reports, command)
    would_correct = sum(report.would_correct for report in reports)
    # what was not examined is not previewed, so an incomplete preview is not to be applied
    if would_correct and command.applies:
        yield (
            'The service recorded findings and changed no row, because corrections.mode is "report". To correct the rows, set'
            f' corrections.mode to "update" and reload the service. Or stop the service, and run: {command.text("--apply")}'
        )
    elif would_correct and all(report.complete for report in reports):
        if any(is_above_brake(report.would_correct, report.examined) for report in reports):
            yield (
                "So many corrections may mean a wrong mapping. With --apply, the sweep stops before most of them and asks you. Add --yes to skip the question."
            )
        if command.is_set_up:
            yield f"To correct the rows: {command.text('--apply')}"


def _of_reverted(
    reports: Sequence[SweepReport], command: SweepCommand, *, several: bool
) -> Iterator[str]:
    """For each sweep whose corrections a person took back: the command that makes them once more."""
    for report in reports:
        sweeps = {line.reverted_sweep for line in report.lines if line.reverted_sweep is not None}
        account = command.account or (report.account if several else None)
        for sweep in sorted(sweeps, reverse=True)[:_MOST_REVERTED]:
            again = command.again_text(sweep, account)
            yield f"A person undid corrections of sweep {sweep}. To make these corrections once more: {again}"


def is_refused(line: ReportLine) -> bool:
    """Whether a line is about a correction that the merchant's table has refused."""
    why = line.why or ""
    return why in _REFUSALS or why.startswith(TABLE_REFUSED)


def _of_refused(reports: Sequence[SweepReport], command: SweepCommand) -> Iterator[str]:
    """That the table's owner has to act, and the command that tries again: no sweep gets past what the table refuses."""
    refused = [
        line.payment_intent for report in reports for line in report.lines if is_refused(line)
    ]
    if not refused:
        return
    are = "correction" if len(refused) == 1 else "corrections"
    yield (
        f"hint: Your table refused {len(refused):,} {are}, and its owner has to act. To see "
        f"the rule that refuses and its message, run: reconciler explain {refused[0]}"
    )
    if command.payment_intents and not command.applies:
        yield f"If its owner has acted, this tries again at once: {command.text('--apply')}"


def _after_apply(report: SweepReport, command: SweepCommand, *, several: bool) -> Iterator[str]:
    account = command.account or (report.account if several else None)
    undo = command.revert_text(report.sweep or 0, account)
    rows = "1 row" if report.corrected == 1 else f"{report.corrected:,} rows"
    yield f"Written: {rows}, by sweep {report.sweep}. To undo these corrections: {undo}"
    waiting = report.outbox_waiting
    if waiting:
        wait = "1 outbox row waits" if waiting == 1 else f"{waiting:,} outbox rows wait"
        yield (
            f"{wait} for your worker or your webhook "
            "endpoint: a corrected status alone ships nothing."
        )
