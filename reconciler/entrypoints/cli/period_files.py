"""Writes the files of a period for the finance pages, with the bytes that ``statement`` and ``export --bundle`` write."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.entrypoints.cli.bundle_export import Bundle
from reconciler.entrypoints.cli.statement import StatementFormat, write_statement
from reconciler.entrypoints.statement_files.certificate import Certificate
from reconciler.entrypoints.statement_files.origin import moment_word, origin_by
from reconciler.entrypoints.web.files import AskedFile, FileKind

if TYPE_CHECKING:
    from reconciler.settings import Settings
    from reconciler.wiring.audit import Audit


def write_period_file(audit: Audit, settings: Settings, asked: AskedFile, path: Path) -> None:
    """Write the file to the path. Raises what the database raises, and BrokenLedgerError."""
    if asked.kind is FileKind.BUNDLE:
        bundle = Bundle(
            asked.account, asked.period, asked.cutoff, asked.now, asked.asked_by, asked.name
        )
        bundle.write(path, audit, settings)
        return
    period = asked.period
    # the database's clock may be ahead of this one
    known = asked.now + timedelta(hours=1)
    made = audit.statement(asked.account, period, asked.cutoff, known, settings.review.materiality)
    words = ["statement", "--from", str(period.first), "--to", str(period.last)]
    words += ["--cutoff", moment_word(asked.cutoff), "--as-of", moment_word(asked.now)]
    words += ["--account", asked.account, "--format", asked.kind.value]
    origin = origin_by(asked.asked_by, settings, asked.now, words)
    certificate = Certificate(made.statement, made.head, asked.now, origin, {})
    write_statement(path, StatementFormat(asked.kind.value), [certificate], audit, excel=False)
