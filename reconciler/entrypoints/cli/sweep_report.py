"""Writes the report of a sweep as text, JSON or CSV."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from reconciler.domain.findings.discrepancy import Kind, Severity
from reconciler.domain.money import Money
from reconciler.engine.not_examined import NotExamined
from reconciler.engine.report import (
    PAUSED_NOTE,
    DecisionKind,
    ReportLine,
    SweepReport,
    Writing,
)
from reconciler.engine.review import ChangedLine
from reconciler.entrypoints.cli.arguments import OutputFormat
from reconciler.entrypoints.cli.output import (
    OutputColumn,
    Row,
    money_text,
    non_empty,
    write_line,
    write_table,
)
from reconciler.entrypoints.cli.preview import PreviewWriter
from reconciler.entrypoints.cli.sweep_command import SweepCommand
from reconciler.entrypoints.cli.sweep_hints import hints, is_refused
from reconciler.masking import redact

MOST_LINES: Final = 200
MOST_LINES_OF_KIND: Final = 50
"""How many lines the text shows of each kind of decision; --format csv has all of them."""
_SUMMED: Final = (
    "examined",
    "corrected",
    "would_correct",
    "refused",
    "held_back",
    "waiting",
    "abandoned",
    "changed",
    "outbox_waiting",
    "unexamined",
    "other_ids",
    "client_secrets",
    "ids_without_intent",
    "reads",
    "rate_limited",
    "seconds",
)


def _set_to(line: ReportLine) -> str:
    status = line.to_status or ""
    return f"{status}, with the PaymentIntent's id" if line.writes_intent else status


_COLUMNS: Final = (
    OutputColumn[ReportLine]("payment_intent", lambda line: line.payment_intent),
    OutputColumn[ReportLine]("payment", lambda line: ", ".join(line.keys)),
    OutputColumn[ReportLine]("kind", lambda line: line.kind.value if line.kind else ""),
    OutputColumn[ReportLine]("severity", lambda line: line.severity.value if line.severity else ""),
    OutputColumn[ReportLine]("local", lambda line: line.local or ""),
    OutputColumn[ReportLine]("stripe", lambda line: line.stripe or ""),
    OutputColumn[ReportLine]("set to", _set_to),
    OutputColumn[ReportLine](
        "at stake", lambda line: money_text(line.stake) if line.stake else "", right=True
    ),
    OutputColumn[ReportLine]("reason", lambda line: line.why or ""),
)
_CHANGED: Final = (
    OutputColumn[ChangedLine]("payment_intent", lambda item: item.line.payment_intent),
    OutputColumn[ChangedLine]("kind", lambda item: item.line.kind or ""),
    OutputColumn[ChangedLine]("set to", lambda item: item.line.to_status or ""),
    OutputColumn[ChangedLine]("now", lambda item: item.now),
)
_KINDS: Final = (
    OutputColumn[tuple[str, int, str]]("kind", lambda row: row[0]),
    OutputColumn[tuple[str, int, str]]("count", lambda row: f"{row[1]:,}", right=True),
    OutputColumn[tuple[str, int, str]]("at stake", lambda row: row[2], right=True),
)


def _missed_names(missed: NotExamined) -> str:
    more = missed.count - len(missed.what)
    return ", ".join(missed.what) + (f" and {more:,} more" if more else "")


_UNEXAMINED: Final = (
    OutputColumn[NotExamined]("not examined", _missed_names),
    OutputColumn[NotExamined]("why", lambda item: item.why),
)


def write_report(
    reports: Sequence[SweepReport],
    output_format: OutputFormat,
    preview: PreviewWriter,
    command: SweepCommand,
) -> None:
    """Write the reports of a sweep over one account or several. ``preview`` has written their lines, except of a table.

    ``command`` is what was typed: the hints are the same command with another option.
    """
    for report in reports:
        # an error may quote the configuration, and a person may have written a secret into a wrong key of it
        report.stopped = None if report.stopped is None else redact(report.stopped)
    match output_format:
        case OutputFormat.JSON:
            preview.finish(_with_changed(reports) if len(reports) == 1 else summed(reports))
        case OutputFormat.CSV:
            preview.finish({})
        case OutputFormat.TABLE:
            for number, report in enumerate(reports):
                if number:
                    write_line()
                _write(report)
            for hint in hints(reports, command):
                write_line(hint)


def _with_changed(reports: Sequence[SweepReport]) -> Mapping[str, object]:
    return {**reports[0].as_json(), "changed_lines": _changed_lines(reports)}


def _changed_lines(reports: Sequence[SweepReport]) -> list[Mapping[str, object]]:
    return [
        {
            "account": report.account,
            "payment_intent": item.line.payment_intent,
            "kind": item.line.kind,
            "to_status": item.line.to_status,
            "now": item.now,
        }
        for report in reports
        for item in report.changed
    ]


def summed(reports: Sequence[SweepReport]) -> Mapping[str, object]:
    """One JSON object for several accounts. Counts are sums; ``accounts`` has the object of each account."""
    each = [report.as_json() for report in reports]
    first = reports[0]
    kinds: Counter[str] = Counter()
    stakes: Counter[tuple[str, str]] = Counter()
    totals: Counter[str] = Counter()
    for report in reports:
        kinds.update({kind.value: count for kind, count in report.discrepancies.items()})
        stakes.update({(kind.value, currency): n for (kind, currency), n in report.stakes.items()})
        totals.update(report.total_stakes)
    stopped = [report.stopped for report in reports if report.stopped is not None]
    whole: dict[str, object] = {
        **each[0],
        "account": None,
        "sweep": None,
        "asked_by": first.asked_by,
        "claimed_by": first.claimed_by,
        "complete": all(report.complete for report in reports),
        "stopped": stopped[0] if stopped else None,
        "discrepancies": dict(sorted(kinds.items())),
        "at_stake": [
            {"kind": kind, "currency": currency, "amount": amount}
            for (kind, currency), amount in sorted(stakes.items())
        ],
        "at_stake_total": [
            {"currency": currency, "amount": amount} for currency, amount in sorted(totals.items())
        ],
        "not_examined": [missed for one in each for missed in _list(one["not_examined"])],
        "notes": [note for report in reports for note in report.notes],
        "changed_lines": _changed_lines(reports),
        "accounts": each,
    }
    for name in _SUMMED:
        # as_json has objects as values; every one of these is a number
        numbers = [item[name] for item in each]
        whole[name] = sum(number for number in numbers if isinstance(number, int | float))
    return whole


def _write(report: SweepReport) -> None:
    write_line(_headline(report))
    write_line(_figures(report))
    corrections = "Corrected" if report.writing is Writing.ROWS else "Would correct"
    of_kind: dict[str, list[ReportLine]] = {
        corrections: [],
        "Refused by your table": [],
        "Refused by your table, and not tried by this sweep": [],
        "Flagged for a person": [],
        "Waiting: a webhook may be on its way": [],
    }
    titles = tuple(of_kind)
    for line in report.lines:
        match line.decision:
            case DecisionKind.CORRECT:
                title = titles[0]
            case DecisionKind.FLAG:
                title = titles[1] if is_refused(line) else titles[3]
            case DecisionKind.WAIT:
                title = titles[2] if is_refused(line) else titles[4]
        of_kind[title].append(line)
    for title, lines in of_kind.items():
        _write_lines(title, sorted(lines, key=_rank))

    if report.discrepancies:
        write_line()
        write_table(_KINDS, _kinds(report))
    if report.changed:
        write_line()
        write_line("Changed since the preview, and not written:")
        _write_first_lines(
            _CHANGED, report.changed, len(report.changed), "; --json has all of them"
        )
    if report.unexamined:
        write_line()
        write_table(_UNEXAMINED, report.missed)
    write_line()
    for note in report.notes:
        # without its account the command would end the pause of every account
        account = f" --account {shlex.quote(report.account)}" if note == PAUSED_NOTE else ""
        write_line(f"{note}{account}")
    write_line(_ending(report))


def _headline(report: SweepReport) -> str:
    number = f" {report.sweep}" if report.sweep is not None else ""
    name = f"Sweep{number} ({report.kind.value}) of account {report.account}"
    if report.failure is not None and report.examined == 0:
        return f"{name}: the sweep ended before it had examined a payment."
    match report.writing:
        case Writing.NOTHING:
            done = "a dry run, nothing was written"
        case Writing.FINDINGS:
            done = "findings were recorded, no row was changed"
        case Writing.ROWS:
            done = (
                "rows were corrected and findings recorded"
                if report.corrected
                else "findings were recorded, no row was corrected"
                if report.discrepancies
                else "no row was corrected"
            )
    return f"{name}: {done}."


def _figures(report: SweepReport) -> str:
    corrected = (
        f"{report.corrected:,} corrected"
        if report.writing is Writing.ROWS
        else f"{report.would_correct:,} to correct"
    )
    parts = [f"{report.examined:,} examined", corrected]
    if report.refused:
        parts.append(f"{report.refused:,} refused by your table")
    parts.append(f"{report.waiting:,} waiting")
    if report.held_back:
        parts.append(f"{report.held_back:,} held back by corrections.per_hour")
    if report.abandoned:
        parts.append(f"{report.abandoned:,} abandoned carts")
    limited = f", {report.rate_limited:,} of them rate limited" if report.rate_limited else ""
    parts.append(f"{report.reads:,} read{'' if report.reads == 1 else 's'}{limited}")
    parts.append(f"{report.seconds:.1f} s")
    return "; ".join(parts) + "."


def _rank(line: ReportLine) -> int:
    """The most severe first. Lines of one severity stay in the order of the sweep."""
    return -1 if line.severity is None else -list(Severity).index(line.severity)


def _write_lines(title: str, lines: Sequence[ReportLine]) -> None:
    if not lines:
        return
    write_line()
    write_line(f"{title}:")
    shown = list(lines)
    if lines[0].decision is DecisionKind.FLAG:
        # one wrong word of the mapping flags a whole table, and would hide the others
        counted: Counter[Kind | None] = Counter()
        shown.clear()
        for line in lines:
            counted[line.kind] += 1
            if counted[line.kind] <= MOST_LINES_OF_KIND:
                shown.append(line)
    _write_first_lines(
        non_empty(_COLUMNS, lines), shown, len(lines), "; --format csv has all of them"
    )


def _write_first_lines(
    columns: Sequence[OutputColumn[Row]], rows: Sequence[Row], count: int, more: str = ""
) -> None:
    """Write the first rows, and how many of ``count`` are not shown."""
    shown = rows[:MOST_LINES]
    write_table(columns, shown)
    if count > len(shown):
        write_line(f"… and {count - len(shown):,} more{more}.")


def _kinds(report: SweepReport) -> list[tuple[str, int, str]]:
    kinds = [
        (kind.value, count, _stakes(report, kind))
        for kind, count in sorted(report.discrepancies.items())
    ]
    if len(kinds) > 1:
        # a payment with several findings counts once, so the lines above may add up to more
        total = ", ".join(
            money_text(Money(amount, currency))
            for currency, amount in sorted(report.total_stakes.items())
        )
        kinds.append(("total", sum(count for _, count, _ in kinds), total))
    return kinds


def _stakes(report: SweepReport, kind: Kind) -> str:
    amounts = sorted((currency, n) for (of, currency), n in report.stakes.items() if of is kind)
    return ", ".join(money_text(Money(amount, currency)) for currency, amount in amounts)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _ending(report: SweepReport) -> str:
    if not report.complete:
        # a sweep that ended early does not know how many it had not reached
        rest = "" if report.stopped is None else ", and what the sweep had not reached yet"
        missing = (
            f"Not examined: {report.unexamined_count:,}{rest}. " if report.unexamined_count else ""
        )
        # why it ended early stands on standard error, with a hint, and is not said twice on a terminal
        again = "" if report.stopped is not None else "Run the sweep again."
        return f"The sweep is not complete. {missing}{again}".rstrip()
    if report.refused:
        were = "1 correction" if report.refused == 1 else f"{report.refused:,} corrections"
        return f"The sweep is complete. Not written: {were} that your table refused."
    return "The sweep is complete."
