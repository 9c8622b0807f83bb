"""``plan``: shows which reads a sweep would make, and what they would cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, assert_never

import typer

from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.plan import List, Retrieve, Step
from reconciler.engine.report import SweepKind
from reconciler.entrypoints.cli.arguments import AccountOption, JsonOption, time_range
from reconciler.entrypoints.cli.output import (
    OutputColumn,
    moment_text,
    write_json,
    write_line,
    write_table,
)
from reconciler.entrypoints.invocation import invocation
from reconciler.errors import UsageError
from reconciler.exit_codes import ExitCode

if TYPE_CHECKING:
    from reconciler.engine.planning.read_estimate import ReadEstimate

SHOWN: Final = 20
"""How many steps the text output shows; JSON has all of them."""


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One step of a plan, with the source that it belongs to."""

    source: SweepKind
    step: Step


def plan(
    context: typer.Context,
    kind: Annotated[
        SweepKind,
        typer.Option(
            metavar="due|window|all",
            help='The kind of sweep to plan. "all" plans what a sweep without --kind does.',
        ),
    ] = SweepKind.ALL,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Only payments created at this time or later, as for sweep."
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only payments created before this time, as for sweep."),
    ] = None,
    account: AccountOption = None,
    json: JsonOption = False,
) -> int:
    """Show which reads a sweep would make, and their cost.

    Counts rows in your database and does not ask Stripe. A tail sweep is not planned: it costs one read, and one more
    for each hundred events.
    """
    from reconciler.engine.planning.read_estimate import estimate_reads
    from reconciler.wiring.account import open_account

    if kind is SweepKind.TAIL:
        raise UsageError(
            "A tail sweep needs no plan: it makes one read, and one more for each hundred events.",
            "Use --kind due or --kind window.",
        )
    begin, end = time_range(since, until)

    call = invocation(context)
    settings = call.settings()
    with open_account(settings, settings.account(account), call.clock) as opened:
        found = estimate_reads(opened, kind, begin, end)
        if json:
            write_json(as_json(kind, found))
        else:
            _write(found, opened.limits.budget.quota)
    return int(ExitCode.DONE)


def as_json(kind: SweepKind, found: Sequence[ReadEstimate]) -> Mapping[str, object]:
    """The documented, stable shape of ``plan --json``."""
    # with --kind all there is a plan for due and one for window; the figures are their sums
    plans = [estimate.plan for estimate in found]
    return {
        "kind": kind,
        "payments": sum(estimate.payments for estimate in found),
        "steps": [
            _step_json(estimate.kind, step) for estimate in found for step in estimate.plan.steps
        ],
        "left_out": sum(len(one.left_out) for one in plans),
        "left_out_payments": sum(step.due for one in plans for step in one.left_out),
        "left_out_steps": [
            _step_json(estimate.kind, step) for estimate in found for step in estimate.plan.left_out
        ],
        "reads": sum(one.reads for one in plans),
        "reads_one_by_one": sum(one.reads_one_by_one for one in plans),
        "seconds": round(sum(one.seconds for one in plans), 3),
        "seconds_at_limit": round(sum(one.seconds_at_limit for one in plans), 3),
        "quota_share": round(sum(one.quota_share for one in plans), 6),
    }


def _step_json(source: SweepKind, step: Step) -> Mapping[str, object]:
    match step:
        case List():
            return {
                "source": source,
                "act": "list",
                "since": step.created.since,
                "until": step.created.until,
                "reads": step.expected_reads,
                "intents": step.expected_intents,
                "payments": step.due,
            }
        case Retrieve():
            return {
                "source": source,
                "act": "retrieve",
                "since": step.rows.since if step.rows else None,
                "until": step.rows.until if step.rows else None,
                "reads": step.expected_reads,
                "intents": None,
                "payments": step.due,
            }
        case _ as unreachable:
            assert_never(unreachable)


def _range_of(step: Step) -> TimeRange | None:
    return step.created if isinstance(step, List) else step.rows


def _time_text(moment: datetime | None) -> str:
    return moment_text(moment) if moment else ""


_COLUMNS: Final = (
    OutputColumn[PlanRow]("source", lambda row: row.source.value),
    OutputColumn[PlanRow]("act", lambda row: "list" if isinstance(row.step, List) else "retrieve"),
    OutputColumn[PlanRow](
        "since", lambda row: _time_text(found.since if (found := _range_of(row.step)) else None)
    ),
    OutputColumn[PlanRow](
        "until", lambda row: _time_text(found.until if (found := _range_of(row.step)) else None)
    ),
    OutputColumn[PlanRow]("payments", lambda row: f"{row.step.due:,}", right=True),
    OutputColumn[PlanRow]("reads", lambda row: f"{row.step.expected_reads:,}", right=True),
)


def _write(found: Sequence[ReadEstimate], quota: int) -> None:
    _write_steps(
        [PlanRow(estimate.kind, step) for estimate in found for step in estimate.plan.steps]
    )
    plans = [estimate.plan for estimate in found]
    reads = sum(one.reads for one in plans)
    one_by_one = sum(one.reads_one_by_one for one in plans)
    write_line(f"Reads: {reads:,}. One read for each payment would be {one_by_one:,} reads.")
    at_share = sum(one.seconds for one in plans)
    at_limit = sum(one.seconds_at_limit for one in plans)
    write_line(
        f"Time: about {at_share:,.1f} s with Reconciler's share of Stripe's rate limits "
        f"(budget.share), {at_limit:,.1f} s with the whole limits."
    )
    share = sum(one.quota_share for one in plans)
    write_line(f"These reads are {share:.2%} of the {quota:,} reads that Stripe allows in 30 days.")
    if any(not one.is_complete for one in plans):
        _write_left_out(found)


def _write_steps(rows: Sequence[PlanRow]) -> None:
    if rows:
        write_table(_COLUMNS, rows[:SHOWN])
        if len(rows) > SHOWN:
            write_line(f"… and {len(rows) - SHOWN:,} more steps; --json has all of them.")
        write_line()


def _write_left_out(found: Sequence[ReadEstimate]) -> None:
    rows = [PlanRow(estimate.kind, step) for estimate in found for step in estimate.plan.left_out]
    payments = sum(row.step.due for row in rows)
    write_line()
    write_line(
        f"Too few reads are left in the read quota: {payments:,} payments would not be examined, and the sweep "
        "would not be complete. Not examined:"
    )
    _write_steps(rows)
