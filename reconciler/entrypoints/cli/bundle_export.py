"""``export --bundle``: the statement of a period with its evidence, in one file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.adapters.postgres.audit.period_ledger import PostgresPeriodLedger
from reconciler.adapters.postgres.discrepancies.discrepancy_list import DiscrepancyFilter, Sort
from reconciler.domain.statement.period import Period
from reconciler.entrypoints.cli.arguments import chosen_accounts
from reconciler.entrypoints.cli.discrepancy_csv import write_discrepancies_csv
from reconciler.entrypoints.cli.ledger_export import entry_lines, exportable
from reconciler.entrypoints.cli.output import warn
from reconciler.entrypoints.cli.period_argument import parse_cutoff, parse_period
from reconciler.entrypoints.cli.statement import CUTOFF_AFTER
from reconciler.entrypoints.cli.written_file import new_file
from reconciler.entrypoints.statement_files.bundle import EntriesOfPeriod, write_bundle
from reconciler.entrypoints.statement_files.certificate import Certificate
from reconciler.entrypoints.statement_files.origin import moment_word, origin_by
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from reconciler.entrypoints.invocation import Invocation
    from reconciler.settings import Settings
    from reconciler.wiring.audit import Audit


@dataclass(frozen=True, slots=True)
class BundleRequest:
    """A bundle that is wanted: its file, and what the options say of its period, cut-off and account."""

    path: Path
    month: str | None
    first: str | None
    last: str | None
    cutoff: str | None
    account: str | None


def write_asked_bundle(
    asked: BundleRequest, call: Invocation, audit: Audit, settings: Settings
) -> bool:
    """Write the bundle that a command line asks for; False if a day of its period was not examined.

    Raises UsageError without a period, and if there are several accounts and none is named.
    """
    if (asked.month, asked.first, asked.last) == (None, None, None):
        raise UsageError(
            "--bundle is about one period.",
            "Name a month with --month, such as --month 2026-10, or the days with --from and --to.",
        )
    days = parse_period(asked.month, asked.first, asked.last)
    cutoff = parse_cutoff(asked.cutoff)
    accounts = chosen_accounts(audit.ledger.accounts(), asked.account)
    if len(accounts) != 1:
        raise UsageError("--bundle is about one account.", "Name the account with --account.")
    (name,) = accounts
    period = Period(*days, settings.statement.zone)
    with new_file(asked.path) as partial:
        wanted = Bundle(name, period, cutoff, call.clock.now(), call.asked_by, asked.path.name)
        is_complete, count = wanted.write(partial, audit, settings)
    if not call.quiet:
        what = asked.month or f"{period.first} to {period.last}"
        warn(f"{asked.path}: the bundle of {what} of account {name}, with {count:,} discrepancies")
    return is_complete


@dataclass(frozen=True, slots=True)
class Bundle:
    """The bundle of an account's period. ``cutoff`` is None for the usual one.

    ``now`` and ``made_by`` are who makes it and when, ``name`` is the file of the command that makes it again.
    """

    account: str
    period: Period
    cutoff: datetime | None
    now: datetime
    made_by: str
    name: str

    def write(self, path: Path, audit: Audit, settings: Settings) -> tuple[bool, int]:
        """Write it. Returns whether every day of the period was examined, and how many discrepancies it has."""
        period = self.period
        steps = PostgresPeriodLedger(audit.database, self.account).steps(period)
        cut = self._cut(steps[-1].cutoff if steps else None)
        known = max(self.now, cut).astimezone(UTC) + timedelta(hours=1)
        made = audit.statement(self.account, period, cut, known, settings.review.materiality)
        last = 0 if made.head is None else made.head[0]
        origin = origin_by(self.made_by, settings, self.now, self._words())
        known_steps = tuple(step for step in steps if step.seq <= last)
        certificate = Certificate(made.statement, made.head, self.now, origin, {}, known_steps)
        wanted = DiscrepancyFilter(
            account=self.account, paid_since=period.start, paid_until=period.end, sort=Sort.ID
        )
        start = period.start.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
        entries = EntriesOfPeriod(start, made.head, made.first)
        counts: list[int] = []

        def write_discrepancies(stream: Any) -> None:
            with audit.discrepancies.reading_stored(wanted) as found:
                counts.append(write_discrepancies_csv(found, stream, excel=False))

        with audit.ledger.chain(self.account) as chain:
            lines = entry_lines(entries.choose(exportable(chain)), ascii_only=False)
            write_bundle(path, certificate, write_discrepancies, lines, entries)
        return made.statement.is_complete, sum(counts)

    def _cut(self, of_version: datetime | None) -> datetime:
        """A version that was prepared or signed keeps its cut-off, so that the bundle shows its figures."""
        found = self.cutoff or of_version or self.period.end + CUTOFF_AFTER
        return found.astimezone(UTC)

    def _words(self) -> list[str]:
        first, last = self.period.first.isoformat(), self.period.last.isoformat()
        cutoff = [] if self.cutoff is None else ["--cutoff", moment_word(self.cutoff)]
        return [
            *("export", "--bundle", self.name, "--from", first, "--to", last),
            *cutoff,
            *("--account", self.account),
        ]
