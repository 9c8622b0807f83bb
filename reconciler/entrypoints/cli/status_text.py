"""What ``status`` shows at a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.domain.money import Money
from reconciler.engine.health.rate_usage import EndpointRate, RateUsage
from reconciler.engine.health.remarks import Remark, worst
from reconciler.engine.health.status import (
    AccountStatus,
    Expectations,
    OutboxStatus,
    SweepStatus,
    duration_text,
)
from reconciler.entrypoints.cli.output import (
    OutputColumn,
    money_text,
    write_line,
    write_pairs,
    write_table,
)
from reconciler.entrypoints.invocation import PROGRAM

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


def write_status(
    one: AccountStatus, found: Sequence[Remark], expected: Expectations, named: str | None = None
) -> None:
    """Write the status of one account. ``named`` is the account that commands name, None if there is only one."""
    level = worst(tuple(found))
    write_line(f"account {one.account}: {level.name.lower()}")
    for remark in found:
        write_line(f"  {remark.level.name.lower()}: {remark.what}")
        command = remark.command_for(named)
        if command is not None:
            write_line(f"    {PROGRAM} {command}")

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
        open_payments = "unknown, because your table cannot be read"

    if one.open_without_intent:
        open_payments = (
            f"{open_payments or 'none'}; {one.open_without_intent:,} without a PaymentIntent"
        )

    write_pairs(
        [
            ("held by", holder),
            ("lease", left),
            ("mode", lease.mode or ""),
            ("writes", "" if one.pause is None else one.pause.text),
            ("open payments", open_payments or "none"),
            ("tail", _tail_text(one, expected)),
            ("Stripe reads, 30 days", reads),
            ("reads a second", "" if one.rate_usage is None else _rate_usage_text(one.rate_usage)),
            ("requests", str(one.requests) if one.requests else ""),
            ("other ids", _other_ids_text(one)),
            ("rows of no account", _no_account_text(one)),
            ("outbox", _outbox_text(one.outbox)),
        ]
    )
    _write_tables(one)


def _other_ids_text(one: AccountStatus) -> str:
    # the window meets settled rows too, and the due source only the open ones
    most = max(one.sweeps, key=lambda item: item.other_ids, default=None)
    if most is None or not most.other_ids:
        return ""
    return (
        f"{most.other_ids:,} rows hold an id that is not a PaymentIntent's, such as {most.other_id_example} (sweep "
        f"{most.last})"
    )


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
    return f"{latest.rows:,} rows; their account column holds: {latest.text} (sweep {sweep})"


def _write_tables(one: AccountStatus) -> None:
    if one.sweeps:
        write_line()
        write_table(_SWEEPS, [_sweep_row(item) for item in one.sweeps], indent=2)
    if one.findings:
        write_line()
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
        for currency, amount in one.at_stake_total.items():
            of_lines = sum(item.stake for item in one.findings if item.currency == currency)
            name = "total" if amount == of_lines else "total, counting each payment once"
            rows.append(("", name, f"{count:,}", money_text(Money(amount, currency))))
        write_table(_FINDINGS, rows, indent=2)


def _tail_text(one: AccountStatus, expected: Expectations) -> str:
    every = f"every {duration_text(expected.every['tail'].total_seconds())}"
    return (
        every if one.tail_lag is None else f"{every}, {duration_text(one.tail_lag)} behind Stripe"
    )


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
