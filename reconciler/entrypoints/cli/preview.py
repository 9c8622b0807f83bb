"""Writes the lines of a sweep while it runs, as CSV or JSON: so a preview is complete, however long it is."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from reconciler.engine.report import ReportLine
from reconciler.entrypoints.cli.arguments import OutputFormat
from reconciler.entrypoints.cli.output import csv_cells, json_text, takes_ascii_only

PREVIEW_NAMES: Final = (
    "account",
    "decision",
    "kind",
    "severity",
    "payment",
    "payment_intent",
    "local",
    "stripe",
    "to_status",
    "amount",
    "currency",
    "reason",
    "fingerprint",
)
"""The columns of a line. ``amount`` is in minor units. ``payment`` has the keys of the rows, with a space between them."""


class PreviewWriter:
    """Writes each line to standard output as soon as it is known. A table is written at the end, and not here."""

    def __init__(self, output_format: OutputFormat) -> None:
        self._format = output_format
        self._has_begun = False
        self.count = 0
        self._ascii_only = takes_ascii_only(sys.stdout)

    @property
    def writes_lines(self) -> bool:
        """Whether the format has every line."""
        return self._format is not OutputFormat.TABLE

    def take(self, account: str, line: ReportLine) -> None:
        """Write one line of an account's sweep."""
        self.count += 1
        match self._format:
            case OutputFormat.CSV:
                self._begin_csv()
                self._write_csv(list(line_fields(account, line).values()))
            case OutputFormat.JSON:
                sys.stdout.write(",\n" if self._has_begun else '{"items": [\n')
                self._has_begun = True
                fields = line_fields(account, line)
                sys.stdout.write(json_text(fields, ascii_only=self._ascii_only))
            case OutputFormat.TABLE:
                return

    def finish(self, report: Mapping[str, object]) -> None:
        """Write what comes after the lines: of JSON, the rest of the one object."""
        match self._format:
            case OutputFormat.CSV:
                self._begin_csv()
            case OutputFormat.JSON:
                sys.stdout.write("\n" if self._has_begun else '{"items": [')
                indent = 2 if sys.stdout.isatty() else None
                rest = json_text(report, indent=indent, ascii_only=self._ascii_only)
                sys.stdout.write("], " + rest.removeprefix("{").lstrip() + "\n")
            case OutputFormat.TABLE:
                return

    def _begin_csv(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._write_csv(PREVIEW_NAMES)

    def _write_csv(self, values: Sequence[object]) -> None:
        cells, quoting = csv_cells(values)
        csv.writer(sys.stdout, lineterminator="\n", quoting=quoting).writerow(cells)


def line_fields(account: str, line: ReportLine) -> dict[str, object]:
    """A line by the names of its columns."""
    values = (
        account,
        line.decision.value,
        line.kind.value if line.kind else None,
        line.severity.value if line.severity else None,
        " ".join(line.keys),
        line.payment_intent,
        line.local,
        line.stripe,
        line.to_status,
        line.stake.amount if line.stake else None,
        line.stake.currency if line.stake else None,
        line.why,
        line.fingerprint,
    )
    return dict(zip(PREVIEW_NAMES, values, strict=True))
