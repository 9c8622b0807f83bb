"""The audit bundle: a statement with its evidence in one ZIP file, which can be checked without a database."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, TextIO

from reconciler.domain.audit.hash_chain import GENESIS
from reconciler.entrypoints.shown_text import as_plain, json_text
from reconciler.entrypoints.statement_files.certificate import Certificate
from reconciler.entrypoints.statement_files.statement_html import statement_html
from reconciler.entrypoints.statement_files.statement_json import as_json
from reconciler.masking import may_hold_secret, visible_json

FORMAT: Final = "reconciler-bundle-1"
MANIFEST: Final = "manifest.json"
LEDGER: Final = "ledger.jsonl"
_PARTS_AT_ONCE: Final = 1000


class _Hashing(io.RawIOBase):
    """Writes bytes to another file, and hashes them."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self._out.write(data)


class EntriesOfPeriod:
    """Chooses the lines of a ledger that a bundle has: those from a time on, up to the head of the statement.

    It begins earlier if the statement is made of an earlier entry, so that the statement can be made from it again.
    ``follows`` is the entry before the first of them: its number and its hash.
    """

    def __init__(self, start: str, head: tuple[int, str] | None, first: int | None = None) -> None:
        """``start`` is in UTC without a zone, as ``StoredEntry.at``. ``first`` is the first entry of the statement."""
        self._start = start
        self._first = first
        self._last = 0 if head is None else head[0]
        self.follows: tuple[int, str] = (0, GENESIS)

    def choose(self, rows: Iterable[Any]) -> Iterator[Any]:
        """The entries of the period, in order and without a gap."""
        has_begun = False
        for row in rows:
            if row.seq > self._last:
                return
            has_begun = has_begun or row.at >= self._start or row.seq == self._first
            if has_begun:
                yield row
            else:
                self.follows = (row.seq, row.hash)


def json_file_hash(value: object) -> str:
    """The SHA-256 of the file of JSON that a bundle has of a value. It is made in pieces: a statement has megabytes."""
    digest = hashlib.sha256()
    parts = json.JSONEncoder(ensure_ascii=False, default=as_plain, indent=2).iterencode(value)
    while piece := "".join(islice(parts, _PARTS_AT_ONCE)):
        # a text is one part, so no secret is in two pieces
        if may_hold_secret(piece):
            return hashlib.sha256(_json_file(value).encode()).hexdigest()
        digest.update(visible_json(piece).encode())
    digest.update(b"\n")
    return digest.hexdigest()


def _json_file(value: object) -> str:
    return json_text(value, indent=2) + "\n"


def write_bundle(
    path: Path,
    certificate: Certificate,
    write_discrepancies: Callable[[TextIO], object],
    ledger_lines: Iterable[str],
    entries: EntriesOfPeriod,
) -> None:
    """Write the bundle. ``ledger_lines`` are those that ``entries`` has chosen."""
    digests: dict[str, str] = {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:

        @contextmanager
        def member(name: str) -> Iterator[TextIO]:
            with file.open(name, "w", force_zip64=True) as out:
                hashing = _Hashing(out)
                text = io.TextIOWrapper(io.BufferedWriter(hashing), encoding="utf-8", newline="")
                yield text
                text.flush()
                text.detach()
            digests[name] = hashing.digest.hexdigest()

        with member("discrepancies.csv") as stream:
            write_discrepancies(stream)
        with member(LEDGER) as stream:
            stream.writelines(ledger_lines)
        statement = as_json(certificate.statement, certificate.head, certificate.as_of)
        with member("statement.json") as stream:
            stream.write(_json_file([statement]))
        with member("statement.html") as stream:
            stream.writelines(statement_html([replace(certificate, outputs=dict(digests))]))
        with member("certificate.json") as stream:
            final = replace(certificate, outputs=dict(digests))
            stream.write(_json_file(final.as_json()))
        head = certificate.head
        manifest = {
            "format": FORMAT,
            "account": certificate.statement.account,
            "period": statement["period"],
            "follows": {"seq": entries.follows[0], "hash": entries.follows[1]},
            "head": None if head is None else {"seq": head[0], "hash": head[1]},
            "files": [{"name": name, "sha256": digest} for name, digest in digests.items()],
        }
        with member(MANIFEST) as stream:
            stream.write(_json_file(manifest))
