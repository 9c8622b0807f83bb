"""``discrepancies``: lists the stored discrepancies, open and settled."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final

import typer

from reconciler.adapters.postgres.discrepancies.discrepancy_list import DiscrepancyFilter
from reconciler.clock import Clock
from reconciler.domain.findings.discrepancy import Kind, Severity, State
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.rules.next_step import Subject, dashboard_url, step_for
from reconciler.entrypoints.cli.arguments import (
    AccountOption,
    FormatOption,
    JsonOption,
    OutputFormat,
    chosen_format,
    parse_moment,
)
from reconciler.entrypoints.cli.output import (
    OutputColumn,
    moment_text,
    money_text,
    non_empty,
    write_csv,
    write_json_array,
    write_line,
    write_table,
)
from reconciler.entrypoints.invocation import invocation
from reconciler.exit_codes import ExitCode
from reconciler.settings import Settings

NAMES: Final = (
    "id",
    "account",
    "kind",
    "severity",
    "state",
    "payment_intent",
    "payment",
    "amount",
    "currency",
    "reason",
    "cause",
    "closing",
    "note",
    "resolved_by",
    "first_seen",
    "last_seen",
    "fingerprint",
    "local",
    "stripe",
    "evidence",
)
"""The fields of a discrepancy in JSON, CSV and an export. ``amount`` is in minor units. ``payment`` is the row's key, or
the keys of several rows with a space between them."""

_COLUMNS: Final = (
    OutputColumn[Discrepancy]("id", lambda found: str(found.id), right=True),
    OutputColumn[Discrepancy]("account", lambda found: found.account),
    OutputColumn[Discrepancy]("state", lambda found: found.state.value),
    OutputColumn[Discrepancy]("severity", lambda found: found.severity.value),
    OutputColumn[Discrepancy]("kind", lambda found: found.kind.value),
    OutputColumn[Discrepancy]("payment_intent", lambda found: found.payment_intent or ""),
    OutputColumn[Discrepancy]("payment", lambda found: " ".join(found.keys)),
    OutputColumn[Discrepancy]("at stake", lambda found: money_text(found.stake), right=True),
    OutputColumn[Discrepancy]("reason", lambda found: found.reason or found.closing or ""),
    OutputColumn[Discrepancy]("cause", lambda found: found.cause or ""),
    OutputColumn[Discrepancy]("first seen", lambda found: moment_text(found.first_seen)),
    OutputColumn[Discrepancy]("last seen", lambda found: moment_text(found.last_seen)),
)


def discrepancies(
    context: typer.Context,
    state: Annotated[
        list[State] | None,
        typer.Option(
            metavar="STATE",
            help="open, corrected, closed, resolved or ignored; can be repeated.",
        ),
    ] = None,
    kind: Annotated[
        list[Kind] | None,
        typer.Option(metavar="KIND", help="A kind, such as missed_outcome; can be repeated."),
    ] = None,
    severity: Annotated[
        list[Severity] | None,
        typer.Option(metavar="SEVERITY", help="info, warning or critical; can be repeated."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Only what was last seen since then: a date, a time, or a duration before now such as 30d.",
        ),
    ] = None,
    account: AccountOption = None,
    output_format: FormatOption = None,
    json: JsonOption = False,
) -> int:
    """List discrepancies, open and settled.

    All states are listed unless --state is given, the one seen last first. Needs only the database.
    """
    from reconciler.wiring.audit import open_audit

    # the options are checked before the configuration, so that a wrong one is reported first
    chosen = chosen_format(output_format, json)
    call = invocation(context)
    seen_since = _absolute(since, call.clock)
    # an auditor has neither a Stripe key nor the mapping of the table
    settings = call.settings(need_stripe=False, need_table=False)
    wanted = DiscrepancyFilter(
        account=account,
        states=tuple(state or ()),
        kinds=tuple(kind or ()),
        severities=tuple(severity or ()),
        since=seen_since,
    )
    with open_audit(settings) as audit, audit.discrepancies.reading(wanted) as found:
        _write(found, chosen, settings)
    return int(ExitCode.DONE)


def _absolute(text: str | None, clock: Clock) -> datetime | None:
    """The time that --since names. A duration counts back from this machine's clock, since Stripe is not asked."""
    found = parse_moment(text, "--since")
    return found if found is None or isinstance(found, datetime) else clock.now() - found


def _write(found: Iterator[Discrepancy], output_format: OutputFormat, settings: Settings) -> None:
    match output_format:
        case OutputFormat.JSON:
            write_json_array({**as_json(item), **_what_next(item, settings)} for item in found)
        case OutputFormat.CSV:
            write_csv(NAMES, (as_json(item) for item in found), sys.stdout)
        case OutputFormat.TABLE:
            # a table needs the width of every row; JSON and CSV are written while they are read
            listed = list(found)
            if listed:
                write_table(_columns(listed), listed)
            else:
                write_line("There are no such discrepancies.")


def _what_next(found: Discrepancy, settings: Settings) -> Mapping[str, object]:
    """What settles an open discrepancy, and the payment's page in Stripe's dashboard."""
    accounts = {account.name: account for account in settings.accounts}
    account = accounts.get(found.account)
    step = None
    if found.state is State.OPEN:
        named = found.account if len(accounts) > 1 else None
        step = step_for(found.kind, found.reason, Subject(found.payment_intent, found.id, named))
    livemode = found.evidence.get("livemode")
    url = dashboard_url(
        found.payment_intent,
        livemode if isinstance(livemode, bool) else None,
        None if account is None else account.stripe_account,
    )
    next_step = None if step is None else {"text": step.text, "command": step.command}
    return {"next_step": next_step, "dashboard_url": url}


def _columns(listed: Sequence[Discrepancy]) -> list[OutputColumn[Discrepancy]]:
    """The columns that are not empty, and the account only if there are several."""
    one_account = len({found.account for found in listed}) == 1
    return [
        column
        for column in non_empty(_COLUMNS, listed)
        if not (one_account and column.title == "account")
    ]


def as_json(found: Discrepancy) -> Mapping[str, object]:
    """The documented, stable shape of a discrepancy."""
    return {
        "id": found.id,
        "account": found.account,
        "kind": found.kind.value,
        "severity": found.severity.value,
        "state": found.state.value,
        "payment_intent": found.payment_intent,
        "payment": " ".join(found.keys) or None,
        "amount": found.stake.amount,
        "currency": found.stake.currency,
        "reason": found.reason,
        "cause": found.cause,
        "closing": found.closing,
        "note": found.note,
        "resolved_by": found.resolved_by,
        "first_seen": found.first_seen,
        "last_seen": found.last_seen,
        "fingerprint": found.fingerprint,
        "local": found.local,
        "stripe": found.stripe,
        "evidence": found.evidence,
    }
