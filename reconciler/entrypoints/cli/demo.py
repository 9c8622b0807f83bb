"""``demo``: a complete example on this machine, with a database, a sandbox Stripe and a shop."""

from __future__ import annotations

import contextlib
import secrets
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from reconciler.entrypoints.cli.arguments import JsonOption
from reconciler.entrypoints.cli.output import (
    OutputColumn,
    warn,
    write_json,
    write_line,
    write_table,
)
from reconciler.entrypoints.cli.progress import showing_progress
from reconciler.entrypoints.invocation import Invocation, invocation
from reconciler.exit_codes import ExitCode
from reconciler.wiring.stop_signal import ignore_stop_signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.demo.demonstration import DemoResult
    from reconciler.settings import Settings

_SEEDS: Final = 1_000_000
_SIGN_IN: Final = (
    "Sign in as ana or as ben, both with the password {password}. One of them prepares a month, "
    "and the other signs it. Use a private browser window for the second one."
)
_OPEN: Final = "The finance pages are open at {address} until you press Ctrl-C. Then the demonstration removes itself."
_NEXT_STEPS: Final = (
    "Next, your own table: set STRIPE_API_KEY and DATABASE_URL, and run reconciler init. It writes the configuration.",
    "reconciler sweep writes nothing without --apply or --record; reconciler revert undoes a sweep's corrections.",
    "A corrected status ships nothing: your own code has to act on each row of reconciler.outbox.",
)


def demo(
    context: typer.Context,
    payments: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            max=100_000,
            help=(
                "How many payments to make. The demo makes more if they are too few for one discrepancy of each kind."
            ),
        ),
    ] = 300,
    lose: Annotated[
        float,
        typer.Option(
            metavar="SHARE", min=0.0, max=1.0, help="The share of webhooks that get lost."
        ),
    ] = 0.3,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="A number. The same number makes the same demonstration again.  [default: random]",
        ),
    ] = None,
    web: Annotated[
        bool,
        typer.Option(
            "--web",
            help="Leave the finance pages open at the end, until Ctrl-C. The payments then end today, with any seed.",
        ),
    ] = False,
    json: JsonOption = False,
) -> int:
    """Show a complete example: an embedded PostgreSQL, a sandbox Stripe and a shop that loses webhooks.

    Everything runs on this machine and is removed at the end. A separate check, which shares no code with the rules,
    compares the result with what really happened.
    """
    # imported here, because the demonstration is slow to import and every other command works without it
    from reconciler.demo.demonstration import DemoPlan, demonstrate
    from reconciler.demo.report import as_json

    # it removes its database at the end, however long that takes
    ignore_stop_signals()
    call = invocation(context)
    # the seed is shown in the report, so that a demonstration that failed can be repeated
    chosen = secrets.randbelow(_SEEDS) if seed is None else seed
    plan = DemoPlan(payments, lose, chosen, is_present_now=web)
    serve_pages = _pages(call) if web else None
    ended_pages: list[DemoResult] = []

    def while_open(result: DemoResult, configured: Settings) -> None:
        if json:
            write_json(as_json(result))
        else:
            _write(result)
        _report_faults(result)
        if serve_pages is not None:
            serve_pages(configured)
            ended_pages.append(result)

    shown: list[DemoResult] = []
    try:
        with showing_progress("demo", quiet=call.quiet) as progress:
            shown.append(demonstrate(plan, call.clock, progress, while_open))
    except KeyboardInterrupt:
        # that is how the pages end; everything before them was shown
        if not ended_pages:
            raise
    return int(ExitCode.DONE if (ended_pages or shown)[0].is_clean else ExitCode.NO)


def _pages(call: Invocation) -> Callable[[Settings], None]:
    """Serves the finance pages on a free port of this machine. Raises ConfigurationError if they are not installed."""
    from reconciler.entrypoints.cli.web import raise_if_not_installed

    # before the demonstration, not after it
    raise_if_not_installed()

    def said(address: str, password: str) -> None:
        warn(_SIGN_IN.format(password=password))
        warn(_OPEN.format(address=address))

    def serve_pages(configured: Settings) -> None:
        from reconciler.entrypoints.cli.period_files import write_period_file
        from reconciler.entrypoints.web.demo_pages import serve_demo

        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            serve_demo(configured, call.clock, write_period_file, said)

    return serve_pages


def _write(result: DemoResult) -> None:
    _write_losses(result)
    write_line()
    _write_corrections(result)
    write_line()
    _write_flagged(result)
    write_line()
    _write_figures(result)
    write_line()
    write_line(_verdict(result))
    write_line()
    for line in _NEXT_STEPS:
        write_line(line)


def _write_losses(result: DemoResult) -> None:
    from reconciler.demo.report import in_words

    verdict = result.verdict
    write_line(
        f"A shop with {result.payments:,} payments lost {result.webhooks_lost:,} of"
        f" {sum(result.webhooks.values()):,} webhooks (seed {result.plan.seed})."
    )
    for fate, count in sorted(result.webhooks.items(), key=lambda item: -item[1]):
        if fate.is_lost:
            write_line(f"  {count:>5,}  {fate.value}")
    worth = in_words(verdict.money_before)
    worth = f", worth {worth}" if worth else ""
    write_line(f"Wrong before: {len(verdict.wrong_before):,} of {result.rows:,} rows{worth}.")


def _write_corrections(result: DemoResult) -> None:
    from reconciler.demo.report import CorrectionLine, corrections

    columns = (
        OutputColumn[CorrectionLine]("missed webhook", lambda line: line.missed),
        OutputColumn[CorrectionLine]("from", lambda line: line.before),
        OutputColumn[CorrectionLine]("to", lambda line: line.after),
        OutputColumn[CorrectionLine]("rows", lambda line: f"{line.rows:,}", right=True),
        OutputColumn[CorrectionLine]("worth", lambda line: line.money),
    )
    write_line(f"Corrected: {result.report.corrected:,} rows.")
    made = corrections(result)
    if made:
        write_table(columns, made, indent=2)


def _write_flagged(result: DemoResult) -> None:
    from reconciler.demo.report import FlaggedLine, flagged

    columns = (
        OutputColumn[FlaggedLine]("kind", lambda line: line.kind),
        OutputColumn[FlaggedLine]("count", lambda line: f"{line.count:,}", right=True),
        OutputColumn[FlaggedLine]("severity", lambda line: line.severity),
        OutputColumn[FlaggedLine]("at stake", lambda line: line.money),
        OutputColumn[FlaggedLine]("why", lambda line: line.why),
    )
    lines = flagged(result)
    write_line(f"Discrepancies that a person has to decide: {sum(line.count for line in lines):,}.")
    write_table(columns, lines, indent=2)


def _write_figures(result: DemoResult) -> None:
    report = result.report
    write_line(
        f"Waiting: {report.waiting:,} payments changed so recently that a webhook may be on its "
        "way. Reconciler reads them again later."
    )
    write_line(
        f"Reads: {report.reads:,}. One read for each row would have been {result.one_by_one:,}, and would not have"
        " found the payments without a row."
    )
    write_line(f"Time: {report.seconds:.1f} s for the sweep, {result.seconds:.1f} s in all.")
    write_line(f"Ledger: {'verified' if result.ledger_ok else 'BROKEN'}.")


def _verdict(result: DemoResult) -> str:
    verdict = result.verdict
    word = "clean" if result.is_clean else "NOT CLEAN"
    return (
        f"Compared with what really happened: {word}. {len(verdict.wrong_writes):,} wrong writes,"
        f" {len(verdict.missed):,} missed corrections, {verdict.found.total():,} of"
        f" {verdict.planted.total():,} planted discrepancies found, {len(verdict.invented):,} false ones."
    )


def _report_faults(result: DemoResult) -> None:
    """Write each fault of the sweep to standard error too, because the report may go into a file."""
    from reconciler.demo.report import faults

    for line in faults(result):
        warn(f"reconciler: {line}")
