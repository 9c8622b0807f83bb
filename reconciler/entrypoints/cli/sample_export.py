"""``export --sample``: corrections and discrepancies of a period, drawn by a seed, each with its evidence."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from reconciler.domain.audit.ledger_entry import Action
from reconciler.domain.audit.read_entry import UnreadableEntryError
from reconciler.domain.statement.period import Period
from reconciler.entrypoints.cli.arguments import chosen_accounts
from reconciler.entrypoints.cli.discrepancy_fields import as_json
from reconciler.entrypoints.cli.output import takes_ascii_only, warn, write_csv
from reconciler.entrypoints.cli.period_argument import parse_period
from reconciler.entrypoints.cli.plain_export import write_certificate
from reconciler.entrypoints.cli.written_file import new_text_file
from reconciler.entrypoints.invocation import Invocation
from reconciler.entrypoints.shown_text import json_text
from reconciler.entrypoints.statement_files.certificate import Origin
from reconciler.entrypoints.statement_files.export_certificate import certificate_path, sha256_of
from reconciler.entrypoints.statement_files.origin import origin_of
from reconciler.entrypoints.statement_files.sample_certificate import SampleCertificate
from reconciler.errors import BrokenLedgerError, UsageError

if TYPE_CHECKING:
    from reconciler.adapters.postgres.discrepancies.drawn_sample import DrawnSample, SampleItem
    from reconciler.domain.findings.history_item import OutboxRow
    from reconciler.settings import Settings
    from reconciler.wiring.audit import Audit

_FINDING_NAMES: Final = (
    "id", "kind", "severity", "state", "amount", "currency", "reason", "closing", "closed_at", "note", "resolved_by",
    "local_status", "local_amount", "stripe_status", "stripe_amount", "first_seen",
)  # fmt: skip
CSV_NAMES: Final = (
    "account", "seed", "draw", "type", "payment_intent", "payment", "before", "after", "entry_seq", "entry_at",
    "entry_hash", "entry_body", *(f"finding_{name}" for name in _FINDING_NAMES), "outbox_id", "outbox_state",
    "outbox_delivered_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """A sample that is wanted: how many items, by which seed, of which days and account."""

    size: int
    seed: int
    days: tuple[date, date]
    account: str | None

    @classmethod
    def of(
        cls,
        size: int | None,
        seed: int | None,
        month: str | None,
        first: str | None,
        last: str | None,
        account: str | None,
    ) -> SampleRequest | None:
        """What the options ask for, None without ``--sample``. Raises UsageError for options that do not go together."""
        if size is None:
            if (seed, first, last) != (None, None, None):
                raise UsageError(
                    "--seed works only with --sample, and --from and --to with --sample or --bundle.",
                    "Add --sample 25.",
                )
            return None
        if seed is None:
            raise UsageError(
                "--sample needs a seed, so that it can be drawn again.",
                "Add --seed with a number that the auditor chose.",
            )
        return cls(size, seed, parse_period(month, first, last), account)

    def words(self, account: str, output: Path | None, *, as_csv: bool, excel: bool) -> list[str]:
        """The command that draws the same sample."""
        first, last = self.days
        return [
            *("export", "--sample", str(self.size), "--seed", str(self.seed)),
            *("--from", first.isoformat(), "--to", last.isoformat(), "--account", account),
            *("--format", "csv" if as_csv else "json"),
            *(["--excel"] if excel else []),
            *([] if output is None else ["--output", output.name]),
        ]


def write_sample(
    request: SampleRequest,
    audit: Audit,
    call: Invocation,
    settings: Settings,
    output: Path | None,
    *,
    as_csv: bool,
    excel: bool,
) -> None:
    """Draw the sample and write it to a file with its certificate, or to standard output.

    The certificate of CSV on standard output goes to standard error.
    Raises UsageError if there are several accounts and none is named, BrokenLedgerError for an entry that no program wrote.
    """
    accounts = chosen_accounts(audit.ledger.accounts(), request.account)
    if len(accounts) != 1:
        raise UsageError("--sample is about one account.", "Name the account with --account.")
    (name,) = accounts
    period = Period(*request.days, settings.statement.zone)
    try:
        drawn = audit.sample(name, period, request.size, request.seed)
    except UnreadableEntryError as error:
        raise BrokenLedgerError(
            f"Entry {error.seq} of account {name} cannot be drawn: {error.what}.",
            "To see what else is wrong, run: reconciler verify",
        ) from None
    words = request.words(name, output, as_csv=as_csv, excel=excel)
    origin = origin_of(call, settings, call.clock.now(), words)
    certificate = _certificate(request, period, drawn, audit.examined(name), name, origin)

    def write(stream: TextIO) -> None:
        if as_csv:
            lines = (_csv_line(item, request.seed) for item in drawn.items)
            write_csv(CSV_NAMES, lines, stream, whole=True, excel=excel)
            return
        shape = {
            **sample_json(name, period, request.seed, drawn),
            "certificate": certificate.as_json(),
        }
        stream.write(json_text(shape, indent=2, ascii_only=takes_ascii_only(stream)) + "\n")

    if output is None:
        write(sys.stdout)
        if as_csv:
            # a table has no place for it, and no sample goes without it
            sys.stderr.write(json_text(certificate.as_json(), indent=2, ascii_only=True) + "\n")
    else:
        with new_text_file(output) as stream:
            write(stream)
        written = replace(certificate, outputs={output.name: sha256_of(output)})
        write_certificate(certificate_path(output), written.as_json())
    if call.quiet:
        return
    warn(
        f"{len(drawn.items):,} drawn of {drawn.corrections:,} corrections and {drawn.findings:,} discrepancies"
    )
    if output is not None:
        warn(f"{certificate_path(output)}: the certificate")


def _certificate(
    request: SampleRequest,
    period: Period,
    drawn: DrawnSample,
    examined: Sequence[tuple[date, date]],
    account: str,
    origin: Origin,
) -> SampleCertificate:
    return SampleCertificate(
        account=account,
        period=period,
        seed=request.seed,
        wanted=request.size,
        drawn=len(drawn.items),
        corrections=drawn.corrections,
        discrepancies=drawn.findings,
        head=drawn.head,
        examined=examined,
        origin=origin,
    )


def sample_json(account: str, period: Period, seed: int, drawn: DrawnSample) -> dict[str, object]:
    """The documented JSON shape of a sample."""
    return {
        "account": account,
        "period": {"first": period.first.isoformat(), "last": period.last.isoformat()},
        "timezone": str(period.zone),
        "seed": seed,
        "population": {"corrections": drawn.corrections, "discrepancies": drawn.findings},
        "head": None if drawn.head is None else {"seq": drawn.head[0], "hash": drawn.head[1]},
        "items": [_item(item) for item in drawn.items],
    }


def _item(item: SampleItem) -> dict[str, object]:
    entry, found = item.entry, item.discrepancy
    is_correction = entry.action == Action.CORRECTION
    intent, keys = entry.body.get("payment_intent"), entry.body.get("key")
    if found is not None:
        intent, keys = intent or found.payment_intent, keys or " ".join(found.keys) or None
    return {
        "draw": item.draw,
        "type": "correction" if is_correction else "discrepancy",
        "payment_intent": intent,
        "payment": keys,
        "before": entry.body.get("before") if is_correction else None,
        "after": entry.body.get("after") if is_correction else None,
        "entry": {
            "seq": entry.seq,
            "at": entry.at,
            "action": entry.action,
            "prev": entry.prev,
            "hash": entry.hash,
            "role": entry.role,
            "body": entry.body,
        },
        "finding": None if found is None else as_json(found),
        "outbox": None if item.outbox is None else _outbox(item.outbox),
    }


def _outbox(row: OutboxRow) -> dict[str, object]:
    return {
        "id": row.id,
        "state": row.state,
        "created_at": row.created_at,
        "attempts": row.attempts,
        "delivered_at": row.delivered_at,
        "given_up_at": row.given_up_at,
        "last_error": row.last_error,
    }


def _csv_line(item: SampleItem, seed: int) -> Mapping[str, object]:
    found = None if item.discrepancy is None else as_json(item.discrepancy)
    entry, row, one = item.entry, item.outbox, _item(item)
    return {
        **{
            name: one[name]
            for name in ("draw", "type", "payment_intent", "payment", "before", "after")
        },
        "account": entry.account,
        "seed": seed,
        "entry_seq": entry.seq,
        "entry_at": entry.at,
        "entry_hash": entry.hash,
        "entry_body": entry.body,
        **{f"finding_{name}": None if found is None else found[name] for name in _FINDING_NAMES},
        "outbox_id": None if row is None else row.id,
        "outbox_state": None if row is None else row.state,
        "outbox_delivered_at": None if row is None else row.delivered_at,
    }
