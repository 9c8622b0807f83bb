"""``export --bundle``: the statement of a month with its evidence, in one file."""

from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.adapters.postgres.audit.period_ledger import PostgresPeriodLedger
from reconciler.adapters.postgres.discrepancies.discrepancy_list import DiscrepancyFilter, Sort
from reconciler.domain.statement.period import Period
from reconciler.entrypoints.cli.arguments import chosen_accounts
from reconciler.entrypoints.cli.discrepancy_csv import write_discrepancies_csv
from reconciler.entrypoints.cli.discrepancy_fields import as_json
from reconciler.entrypoints.cli.ledger_export import entry_lines, exportable
from reconciler.entrypoints.cli.output import warn
from reconciler.entrypoints.cli.period_argument import parse_period
from reconciler.entrypoints.cli.statement import CUTOFF_AFTER
from reconciler.entrypoints.cli.written_file import new_file
from reconciler.entrypoints.statement_files.bundle import EntriesOfPeriod, write_bundle
from reconciler.entrypoints.statement_files.certificate import Certificate
from reconciler.entrypoints.statement_files.origin import origin_of
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from reconciler.entrypoints.invocation import Invocation
    from reconciler.settings import Settings
    from reconciler.wiring.audit import Audit


def write_month_bundle(
    path: Path,
    month: str | None,
    account: str | None,
    call: Invocation,
    audit: Audit,
    settings: Settings,
) -> bool:
    """Write the bundle of an account's month; False if a day of it was not examined.

    Raises UsageError without a month, and if there are several accounts and none is named.
    """
    if month is None:
        raise UsageError(
            "--bundle is about one month.", "Name the month with --month, such as --month 2026-10."
        )
    accounts = chosen_accounts(audit.ledger.accounts(), account)
    if len(accounts) != 1:
        raise UsageError("--bundle is about one account.", "Name the account with --account.")
    (name,) = accounts
    period = Period(*parse_period(month, None, None), settings.statement.zone)
    now = call.clock.now()
    steps = PostgresPeriodLedger(audit.database, name).steps(period)
    # a version that was prepared or signed keeps its cut-off, so that the bundle shows its figures
    cut = steps[-1].cutoff if steps else (period.end + CUTOFF_AFTER).astimezone(UTC)
    known = max(now, cut).astimezone(UTC) + timedelta(hours=1)
    made = audit.statement(name, period, cut, known, settings.review.materiality)
    words = ["export", "--bundle", path.name, "--month", month, "--account", name]
    last = 0 if made.head is None else made.head[0]
    known_steps = tuple(step for step in steps if step.seq <= last)
    certificate = Certificate(
        made.statement, made.head, now, origin_of(call, settings, now, words), {}, known_steps
    )
    wanted = DiscrepancyFilter(
        account=name, paid_since=period.start, paid_until=period.end, sort=Sort.ID
    )
    start = period.start.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
    entries = EntriesOfPeriod(start, made.head, made.first)

    counts: list[int] = []

    def write_discrepancies(stream: Any) -> None:
        with audit.discrepancies.reading_stored(wanted) as found:
            shapes = map(as_json, found)
            counts.append(write_discrepancies_csv(shapes, stream, excel=False))

    with new_file(path) as partial, audit.ledger.chain(name) as chain:
        lines = entry_lines(entries.choose(exportable(chain)), ascii_only=False)
        write_bundle(partial, certificate, write_discrepancies, lines, entries)
    if not call.quiet:
        warn(f"{path}: the bundle of {month} of account {name}, with {sum(counts):,} discrepancies")
    return made.statement.is_complete
