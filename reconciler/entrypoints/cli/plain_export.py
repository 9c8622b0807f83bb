"""An export of everything: every discrepancy and every entry of the ledger, with a certificate of what is in it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from reconciler.adapters.postgres.discrepancies.discrepancy_list import DiscrepancyFilter, Sort
from reconciler.adapters.postgres.discrepancies.stored_discrepancy import StoredDiscrepancy
from reconciler.domain.statement.period import Period
from reconciler.domain.statement.recorded_correction import RecordedCorrection
from reconciler.entrypoints.cli.discrepancy_csv import write_discrepancies_csv
from reconciler.entrypoints.cli.discrepancy_fields import NAMES, values_of
from reconciler.entrypoints.cli.ledger_export import (
    HEAD_NAMES,
    LedgerExport,
    entry_lines,
    write_entries_csv,
)
from reconciler.entrypoints.cli.output import takes_ascii_only, warn, write_csv
from reconciler.entrypoints.cli.written_file import new_file, new_text_file
from reconciler.entrypoints.quick_text import json_line
from reconciler.entrypoints.shown_text import json_text
from reconciler.entrypoints.statement_files.certificate import Certificate, Origin
from reconciler.entrypoints.statement_files.export_certificate import (
    CountedExport,
    ExportCertificate,
    certificate_path,
    sha256_of,
)
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from reconciler.settings import Settings
    from reconciler.wiring.audit import Audit

_CUTOFF_AFTER: Final = timedelta(days=5)
_CLOCKS_DIFFER_BY: Final = timedelta(hours=1)
_LINE_NAMES: Final = ("type", *NAMES)
_EVER: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PlainExport:
    """What is exported: these accounts, all of them if ``account`` is None, by whom and with which command.

    ``quiet`` says nothing of the files that were written.
    """

    audit: Audit
    accounts: Sequence[str]
    account: str | None
    origin: Origin
    quiet: bool = False

    def write_lines(self, output: Path | None) -> None:
        """Write jsonl to a file with its certificate, or to standard output."""
        counted = self._counted()
        if output is None:
            self._write_lines(sys.stdout, counted)
            return
        with new_text_file(output) as stream:
            self._write_lines(stream, counted)
        self._say(
            output, f"{_discrepancies(counted)} and {counted.entries:,} entries of the ledger"
        )
        self._write_certificate(output, (output,), counted)

    def _write_lines(self, stream: TextIO, counted: CountedExport) -> None:
        ledgers = LedgerExport(self.audit, self.accounts)
        ascii_only = takes_ascii_only(stream)

        stream.writelines(_discrepancy_lines(self._found(counted), ascii_only=ascii_only))
        stream.writelines(entry_lines(ledgers.entries(), ascii_only=ascii_only))
        # last: the heads are known after every entry was read
        for head in ledgers.heads:
            line = json_text({"type": "ledger_head", **head}, ascii_only=ascii_only)
            stream.write(f"{line}\n")
        counted.set_heads(ledgers.heads)

    def write_folder(self, folder: Path, *, excel: bool) -> None:
        """Write a file of CSV for each type, and the certificate."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"The folder {folder} cannot be created ({error.strerror}).",
                "Name another folder with --output.",
            ) from None
        counted = self._counted()
        ledgers = LedgerExport(self.audit, self.accounts)
        writers: tuple[tuple[str, Callable[[TextIO], int]], ...] = (
            (
                "discrepancies",
                lambda stream: write_discrepancies_csv(self._found(counted), stream, excel=excel),
            ),
            ("ledger", lambda stream: write_entries_csv(ledgers.entries(), stream, excel=excel)),
            # last: the heads are known after every entry was read
            (
                "ledger_heads",
                lambda stream: write_csv(HEAD_NAMES, ledgers.heads, stream, excel=excel),
            ),
        )
        paths = []
        for name, write in writers:
            path = folder / f"{name}.csv"
            with new_text_file(path) as stream:
                count = write(stream)
            self._say(path, f"{count:,} lines")
            paths.append(path)
        counted.set_heads(ledgers.heads)
        self._write_certificate(folder, paths, counted)

    def write_workbook(self, output: Path, settings: Settings) -> None:
        """Write one workbook: the statement of every examined day, every discrepancy and every correction."""
        # imported here: only a workbook needs it
        from reconciler.entrypoints.statement_files.export_workbook import write_export_workbook

        counted = self._counted()
        heads = []
        for name in self.accounts:
            with self.audit.ledger.chain(name) as chain:
                if chain.head is not None:
                    heads.append({"account": name, "seq": chain.head[0], "hash": chain.head[1]})
        counted.set_heads(heads)
        statements = list(self._statements(counted, settings))
        with new_file(output) as partial, self.audit.discrepancies.reading(self._wanted()) as found:
            write_export_workbook(
                partial,
                statements,
                counted.discrepancies(found),
                self._corrections(),
                lambda: ExportCertificate(counted.accounts, self.origin, {}),
            )
        self._say(output, _discrepancies(counted))
        self._write_certificate(output, (output,), counted)

    def _statements(self, counted: CountedExport, settings: Settings) -> Iterator[Certificate]:
        """The statement of each account from its first to its last examined day."""
        now = self.origin.run_at
        for one in counted.accounts:
            if one.first_day is None or one.last_day is None:
                continue
            period = Period(one.first_day, one.last_day, settings.statement.zone)
            cut = max(period.end + _CUTOFF_AFTER, now + _CLOCKS_DIFFER_BY).astimezone(UTC)
            made = self.audit.statement(one.account, period, cut, cut, settings.review.materiality)
            yield Certificate(made.statement, made.head, now, self.origin, {})

    def _corrections(self) -> Iterator[RecordedCorrection]:
        until = self.origin.run_at + _CLOCKS_DIFFER_BY
        for name in self.accounts:
            yield from self.audit.corrections(name, _EVER, until)

    def _counted(self) -> CountedExport:
        return CountedExport({name: self.audit.examined(name) for name in self.accounts})

    def _wanted(self) -> DiscrepancyFilter:
        return DiscrepancyFilter(account=self.account, sort=Sort.LAST_SEEN)

    def _found(self, counted: CountedExport) -> Iterator[StoredDiscrepancy]:
        with self.audit.discrepancies.reading_stored(self._wanted()) as found:
            for item in found:
                counted.add(item.account, item.stake)
                yield item

    def _write_certificate(self, of: Path, paths: Sequence[Path], counted: CountedExport) -> None:
        certificate = ExportCertificate(
            counted.accounts, self.origin, {path.name: sha256_of(path) for path in paths}
        )
        write_certificate(certificate_path(of), certificate.as_json())
        self._say(certificate_path(of), "the certificate")

    def _say(self, path: Path, what: str) -> None:
        """Say on standard error what was written to a file."""
        if not self.quiet:
            warn(f"{path}: {what}")


def _discrepancy_lines(found: Iterable[StoredDiscrepancy], *, ascii_only: bool) -> Iterator[str]:
    for item in found:
        values = ("discrepancy", *values_of(item))
        if ascii_only:
            fields = dict(zip(_LINE_NAMES, values, strict=True))
            yield f"{json_text(fields, ascii_only=True)}\n"
        else:
            yield f"{json_line(_LINE_NAMES, values)}\n"


def _discrepancies(counted: CountedExport) -> str:
    return f"{counted.discrepancy_count:,} discrepancies"


def write_certificate(
    path: Path, certificate: Mapping[str, object] | Sequence[Mapping[str, object]]
) -> None:
    """Write a certificate beside the file that it is about."""
    with new_text_file(path) as stream:
        stream.write(json_text(certificate, indent=2) + "\n")


def with_outputs(certificate: Certificate, path: Path) -> Certificate:
    """The certificate with the SHA-256 of a file that was written."""
    return replace(certificate, outputs={path.name: sha256_of(path)})
