"""``status``: shows what the service does, and what needs a person, for each account."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated

import typer

from reconciler.domain.findings.discrepancy import Severity
from reconciler.domain.money import Money
from reconciler.engine.health.rate_usage import EndpointRate, RateUsage
from reconciler.engine.health.status import (
    AccountStatus,
    Expectations,
    OutboxStatus,
    Remark,
    StatusLevel,
    SweepStatus,
    duration_text,
    remarks,
    worst,
)
from reconciler.entrypoints.cli.arguments import AccountOption, JsonOption
from reconciler.entrypoints.cli.output import (
    OutputColumn,
    money_text,
    write_json,
    write_line,
    write_pairs,
    write_table,
)
from reconciler.entrypoints.invocation import invocation
from reconciler.errors import ReconcilerError, UsageError
from reconciler.exit_codes import ExitCode
from reconciler.masking import redact


class StatusFormat(StrEnum):
    """The output format of the status."""

    TEXT = "text"
    JSON = "json"
    NAGIOS = "nagios"


_SWEEPS = (
    OutputColumn[tuple[str, str, str, str]]("sweep", lambda row: row[0]),
    OutputColumn[tuple[str, str, str, str]]("last complete", lambda row: row[1]),
    OutputColumn[tuple[str, str, str, str]]("by", lambda row: row[2]),
    OutputColumn[tuple[str, str, str, str]]("last", lambda row: row[3]),
)
_FINDINGS = (
    OutputColumn[tuple[str, str, str, str]]("severity", lambda row: row[0]),
    OutputColumn[tuple[str, str, str, str]]("kind", lambda row: row[1]),
    OutputColumn[tuple[str, str, str, str]]("open", lambda row: row[2], right=True),
    OutputColumn[tuple[str, str, str, str]]("at stake", lambda row: row[3], right=True),
)


def status(
    context: typer.Context,
    output_format: Annotated[
        StatusFormat | None,
        typer.Option(
            "--format", metavar="text|json|nagios", help="The output format.  [default: text]"
        ),
    ] = None,
    json: JsonOption = False,
    account: AccountOption = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 if anything is a warning or critical.")
    ] = False,
) -> int:
    """Show each account's process, its last sweeps, and what needs a person.

    Reads only the database. With --format nagios the exit code is 0 (OK), 1 (WARNING), 2 (CRITICAL) or 3 (UNKNOWN).
    """
    if json and output_format not in (None, StatusFormat.JSON):
        raise UsageError(
            f"--json and --format {output_format} contradict each other.", "Use only one of them."
        )
    chosen = StatusFormat.JSON if json else output_format or StatusFormat.TEXT

    try:
        statuses, expected = _read(context, account)
    except ReconcilerError as error:
        if chosen is not StatusFormat.NAGIOS:
            raise
        # a monitor reads standard output and the exit code only
        write_line(f"RECONCILER UNKNOWN - {' '.join(redact(str(error)).split())}")
        return int(StatusLevel.UNKNOWN)

    remarks_of = {one.account: remarks(one, expected[one.account]) for one in statuses}
    match chosen:
        case StatusFormat.TEXT:
            for number, one in enumerate(statuses):
                if number:
                    write_line()
                _write(one, remarks_of[one.account], expected[one.account])
        case StatusFormat.JSON:
            write_json(
                [as_json(one, remarks_of[one.account], expected[one.account]) for one in statuses]
            )
        case StatusFormat.NAGIOS:
            return _write_nagios(statuses, remarks_of, expected)
    has_remark = any(remarks_of.values())
    return int(ExitCode.NO if exit_code and has_remark else ExitCode.DONE)


def _read(
    context: typer.Context, account: str | None
) -> tuple[tuple[AccountStatus, ...], Mapping[str, Expectations]]:
    from reconciler.entrypoints.service.status_queries import expectations, read_statuses

    call = invocation(context)
    # a monitor has no Stripe key
    settings = call.settings(need_stripe=False)
    if account is not None:
        settings.account(account)  # raises UsageError if there is no such account
    statuses = read_statuses(settings, call.clock, account)
    return statuses, {one.account: expectations(settings, one) for one in statuses}


def as_json(
    one: AccountStatus, found: Sequence[Remark], expected: Expectations
) -> Mapping[str, object]:
    """The documented, stable shape of ``status --json`` for one account."""
    lease = one.lease
    return {
        "account": one.account,
        "level": worst(tuple(found)).name.lower(),
        "remarks": [{"level": remark.level.name.lower(), "what": remark.what} for remark in found],
        "holder": lease.holder,
        "lease_seconds_left": lease.seconds_left,
        "is_service": lease.service,
        "mode": lease.mode,
        "since": lease.since,
        "error": lease.error,
        "error_at": lease.error_at,
        "paused": None
        if one.pause is None
        else {
            "since": one.pause.since,
            "until": one.pause.until,
            "asked_by": one.pause.asked_by,
        },
        "sweeps": [
            {
                "kind": item.kind,
                "sweep": item.complete,
                "finished_at": item.complete_at,
                "age_seconds": item.age,
                "asked_by": item.asked_by,
                "last_sweep": item.last,
                "last_finished_at": item.last_at,
                "last_complete": item.last_complete,
                "stopped": item.stopped,
                "other_ids": item.other_ids,
                "anchor_error": item.anchor_error,
                "rows_of_no_account": (
                    None if item.rows_of_no_account is None else item.rows_of_no_account.to_dict()
                ),
            }
            for item in one.sweeps
        ],
        "open_payments": dict(one.open_payments),
        "open_discrepancies": [
            {
                "severity": item.severity.value,
                "kind": item.kind,
                "held_back": item.held_back,
                "count": item.count,
                "amount": item.stake,
                "currency": item.currency,
            }
            for item in one.findings
        ],
        "at_stake_total": [
            {"currency": currency, "amount": amount}
            for currency, amount in one.at_stake_total.items()
        ],
        "held_back": one.held_back,
        "refusals": [
            {
                "reason": item.reason,
                "constraint": item.constraint or None,
                "message": item.message,
                "count": item.count,
            }
            for item in one.refusals
        ],
        "reads_30_days": one.reads,
        "reads_30_days_limit": expected.reads,
        "tail_every_seconds": expected.every["tail"].total_seconds(),
        "requests": one.requests,
        "tail_lag_seconds": one.tail_lag,
        "rate_usage": None if one.rate_usage is None else one.rate_usage.to_dict(),
        "outbox": {
            "waiting": one.outbox.waiting,
            "given_up": one.outbox.given_up,
            "oldest_age_seconds": one.outbox.oldest_age,
            "last_error": one.outbox.last_error,
        },
    }


def _write(one: AccountStatus, found: Sequence[Remark], expected: Expectations) -> None:
    level = worst(tuple(found))
    write_line(f"account {one.account}: {level.name.lower()}")
    for remark in found:
        write_line(f"  {remark.level.name.lower()}: {remark.what}")

    lease = one.lease
    holder = lease.holder or "no process"
    if lease.holder and not lease.service:
        holder += " (a single sweep)"
    reads = f"{one.reads:,}"
    if expected.reads:
        reads += f" of {expected.reads:,} ({one.reads / expected.reads:.0%})"
    left = (
        "" if lease.seconds_left is None else f"ends in {lease.seconds_left:.0f} s unless renewed"
    )
    open_payments = ", ".join(f"{count:,} {name}" for name, count in one.open_payments.items())
    if one.table_fault:
        open_payments = "unknown, because the table cannot be read"

    write_pairs(
        [
            ("held by", holder),
            ("lease", left),
            ("mode", lease.mode or ""),
            ("writes", "" if one.pause is None else one.pause.text),
            ("open payments", open_payments or "none"),
            ("tail", _tail_text(one, expected)),
            ("reads, 30 days", reads),
            ("reads a second", "" if one.rate_usage is None else _rate_usage_text(one.rate_usage)),
            ("requests", str(one.requests) if one.requests else ""),
            ("other ids", _other_ids_text(one)),
            ("of no account", _no_account_text(one)),
            ("outbox", _outbox_text(one.outbox)),
        ]
    )
    _write_tables(one)


def _other_ids_text(one: AccountStatus) -> str:
    # the window meets settled rows too, and the due source only the open ones
    most = max(one.sweeps, key=lambda item: item.other_ids, default=None)
    if most is None or not most.other_ids:
        return ""
    return f"{most.other_ids:,} rows hold no PaymentIntent id, such as {most.other_id_example} (sweep {most.last})"


def _no_account_text(one: AccountStatus) -> str:
    # only a window and a person's sweep count them
    counted = [(item.last or 0, item.rows_of_no_account) for item in one.sweeps]
    sweep, latest = max(
        ((sweep, found) for sweep, found in counted if found is not None),
        key=lambda pair: pair[0],
        default=(0, None),
    )
    if latest is None or not latest.rows:
        return ""
    return f"{latest.rows:,} rows belong to no account: {latest.text} (sweep {sweep})"


def _write_tables(one: AccountStatus) -> None:
    if one.sweeps:
        write_table(_SWEEPS, [_sweep_row(item) for item in one.sweeps], indent=2)
    if one.findings:
        rows = [
            (
                item.severity.value,
                f"{item.kind} (held back)" if item.held_back else item.kind,
                f"{item.count:,}",
                money_text(Money(item.stake, item.currency)),
            )
            for item in one.findings
        ]
        # a payment may have several discrepancies, so the column does not add up to the total
        count = sum(item.count for item in one.findings)
        rows.extend(
            ("", "total", f"{count:,}", money_text(Money(amount, currency)))
            for currency, amount in one.at_stake_total.items()
        )
        write_table(_FINDINGS, rows, indent=2)


def _tail_text(one: AccountStatus, expected: Expectations) -> str:
    every = f"every {duration_text(expected.every['tail'].total_seconds())}"
    return every if one.tail_lag is None else f"{every}, {duration_text(one.tail_lag)} behind"


def _rate_usage_text(rate_usage: RateUsage) -> str:
    usages = {"all": rate_usage.overall, **dict(sorted(rate_usage.endpoints.items()))}
    return ", ".join(f"{name} {_endpoint_text(usage)}" for name, usage in usages.items())


def _endpoint_text(usage: EndpointRate) -> str:
    slowed = f", slowed to {usage.rate:.3g}" if usage.rate < usage.limit else ""
    return f"{usage.busiest} of {usage.limit:.4g} ({usage.used:.0%}{slowed})"


def _outbox_text(outbox: OutboxStatus) -> str:
    if outbox.oldest_age is None:
        return ""
    error = f"; last error: {outbox.last_error}" if outbox.last_error else ""
    return f"{outbox.waiting:,} waiting, the oldest for {duration_text(outbox.oldest_age)}{error}"


def _sweep_row(item: SweepStatus) -> tuple[str, str, str, str]:
    complete = (
        "never" if item.age is None else f"{duration_text(item.age)} ago (sweep {item.complete})"
    )
    last = "running, or ended without a report"
    if item.last is not None:
        last = f"sweep {item.last}: {'complete' if item.last_complete else 'not complete'}"
    return item.kind, complete, item.asked_by or "", last


def _performance(one: AccountStatus, expected: Expectations) -> Mapping[str, str]:
    """The figures that a monitor plots, as VALUE or VALUE;WARNING;CRITICAL. A limit is given as the critical threshold."""
    figures = {
        "held_back": f"{one.held_back}",
        "reads": f"{one.reads};;{expected.reads}",
        "critical": f"{one.open_count(Severity.CRITICAL)}",
        "warning": f"{one.open_count(Severity.WARNING)}",
        "open_payments": f"{sum(one.open_payments.values())}",
    }
    if one.tail_lag is not None:
        figures["tail_lag"] = f"{one.tail_lag:.0f}s"
    for source in expected.every:
        age = one.age(source)
        if age is not None:
            figures[f"{source}_age"] = f"{age:.0f}s"
    if one.rate_usage is not None:
        figures["reads_a_second"] = (
            f"{one.rate_usage.overall.busiest};;{one.rate_usage.overall.limit:g}"
        )
    return figures


def _write_nagios(
    statuses: Sequence[AccountStatus],
    remarks_of: Mapping[str, tuple[Remark, ...]],
    expected: Mapping[str, Expectations],
) -> int:
    # the worst remark decides the exit code, and is shown first
    every = [(one, remark) for one in statuses for remark in remarks_of[one.account]]
    level = max((remark.level for _, remark in every), default=StatusLevel.OK)
    several = len(statuses) > 1
    texts = [
        (f"{one.account}: " if several else "") + remark.what
        for one, remark in sorted(every, key=lambda item: -item[1].level)
    ]
    data = " ".join(
        f"'{one.account}_{name}'={value}"
        for one in statuses
        for name, value in _performance(one, expected[one.account]).items()
    )
    # a vertical bar begins the performance data, so the text may have none
    text = redact("; ".join(texts) or "all sweeps are complete").replace("|", "/")
    sys.stdout.write(f"RECONCILER {level.name} - {text} | {data}\n")
    return int(level)
