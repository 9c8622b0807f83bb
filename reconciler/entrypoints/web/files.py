"""Files of a whole period that the statement's page offers: the statement in each format, and the bundle for an auditor."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from threading import BoundedSemaphore
from typing import Final

from starlette.background import BackgroundTask
from starlette.responses import FileResponse

from reconciler.domain.statement.period import Period
from reconciler.engine.actions.close_period import closing_of
from reconciler.entrypoints.web.call import Call, NotFoundError, WrongAddressError
from reconciler.entrypoints.web.months import asked_period, usual_cutoff
from reconciler.entrypoints.web.tables import address
from reconciler.errors import ReconcilerError
from reconciler.settings import Settings
from reconciler.wiring.audit import Audit

AT_ONCE: Final = 2
"""So many files are made at the same time: each needs connections to the database, and the memory of a statement."""
WAIT_SECONDS: Final = 10
_NOT_IN_A_NAME: Final = re.compile(r"[^\w.@-]")


class FileKind(StrEnum):
    """What a file of a period is."""

    HTML = "html"
    XLSX = "xlsx"
    CSV = "csv"
    JSON = "json"
    BUNDLE = "zip"


MEDIA_TYPES: Final = {
    FileKind.HTML: "text/html; charset=utf-8",
    FileKind.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    FileKind.CSV: "text/csv; charset=utf-8",
    FileKind.JSON: "application/json",
    FileKind.BUNDLE: "application/zip",
}


@dataclass(frozen=True, slots=True)
class AskedFile:
    """A file that a person asks for. ``cutoff`` is as of when the money stands, and ``now`` is when it is made."""

    kind: FileKind
    account: str
    period: Period
    cutoff: datetime
    now: datetime
    asked_by: str

    @property
    def name(self) -> str:
        """The name of the file."""
        what = "bundle" if self.kind is FileKind.BUNDLE else "statement"
        days = f"{self.period.first}-to-{self.period.last}"
        account = _NOT_IN_A_NAME.sub("_", self.account)
        return f"{what}-{account}-{days}.{self.kind.value}"


WriteFile = Callable[[Audit, Settings, AskedFile, Path], None]
"""Writes a file to a path, as the command line does."""


class FilesBusyError(ReconcilerError):
    """Other files are made at the moment."""


class PeriodFiles:
    """Makes the files, not too many at once. ``write`` writes one of them."""

    def __init__(self, write: WriteFile) -> None:
        self._write = write
        self._free = BoundedSemaphore(AT_ONCE)

    def answer(self, call: Call) -> FileResponse:
        """The file that the address asks for. Raises WrongAddressError, NotFoundError and FilesBusyError."""
        kind = call.choice("format", FileKind)
        if kind is None:
            raise WrongAddressError(
                "The address names no file format.", f"Choose one of: {', '.join(FileKind)}."
            )
        account = call.account(call.records.accounts())
        if account is None:
            raise NotFoundError("No sweep has recorded anything yet.", "")
        asked = asked_period(call)
        cutoff = asked.cutoff or usual_cutoff(
            closing_of(call.records.period_ledger(account), asked.period)
        )
        now = call.clock.now()
        # as on the page: the money of a time to come is that of now
        wanted = AskedFile(kind, account, asked.period, min(cutoff, now), now, call.reader.actor)
        with self._one_at_a_time():
            return temporary_file(
                wanted.name,
                MEDIA_TYPES[kind],
                lambda path: self._write(call.records.audit, call.settings, wanted, path),
            )

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        if not self._free.acquire(timeout=WAIT_SECONDS):
            raise FilesBusyError(
                f"{AT_ONCE} other files of a period are being made.", "Try again in a minute."
            )
        try:
            yield
        finally:
            self._free.release()


def temporary_file(name: str, media_type: str, write: Callable[[Path], None]) -> FileResponse:
    """A file for a browser. It is written to the disk first, so that memory does not grow with it, and removed after it was sent."""
    number, text = tempfile.mkstemp(prefix="reconciler-")
    os.close(number)
    path = Path(text)
    try:
        write(path)
    except BaseException:
        path.unlink()
        raise
    return FileResponse(
        path, media_type=media_type, filename=name, background=BackgroundTask(path.unlink)
    )


def file_links(account: str, chosen: Mapping[str, str]) -> list[tuple[str, str]]:
    """The files that a page of a statement offers: each name with its address. ``chosen`` is the page's own period."""
    names = {
        FileKind.HTML: "page to print",
        FileKind.XLSX: "xlsx",
        FileKind.CSV: "CSV of the items",
        FileKind.JSON: "JSON",
        FileKind.BUNDLE: "audit bundle",
    }
    return [
        (name, address("/statement/file", account=account, **chosen, format=kind.value))
        for kind, name in names.items()
    ]
