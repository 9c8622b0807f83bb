"""The audit bundle: a statement with its evidence in one ZIP file, which can be checked without a database."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Final, TextIO

from reconciler.domain.audit.hash_chain import GENESIS, entry_hash
from reconciler.domain.audit.ledger_entry import Entry
from reconciler.domain.audit.read_entry import UnreadableEntryError, read_entry, read_object
from reconciler.entrypoints.shown_text import json_text
from reconciler.entrypoints.statement_files.certificate import Certificate
from reconciler.entrypoints.statement_files.statement_html import statement_html
from reconciler.entrypoints.statement_files.statement_json import as_json

FORMAT: Final = "reconciler-bundle-1"
MANIFEST: Final = "manifest.json"
LEDGER: Final = "ledger.jsonl"
_MOST_MANIFEST_BYTES: Final = 1024 * 1024
_MOST_LINE_BYTES: Final = 64 * 1024 * 1024
_PART: Final = 1024 * 1024


class BrokenBundleError(Exception):
    """A bundle is not as it was written. The text says where."""


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

    ``follows`` is the entry before the first of them: its number and its hash.
    """

    def __init__(self, start: str, head: tuple[int, str] | None) -> None:
        """``start`` is in UTC without a zone, as ``StoredEntry.at``."""
        self._start = start
        self._last = 0 if head is None else head[0]
        self.follows: tuple[int, str] = (0, GENESIS)

    def choose(self, rows: Iterable[Any]) -> Iterator[Any]:
        """The entries of the period, in order and without a gap."""
        has_begun = False
        for row in rows:
            if row.seq > self._last:
                return
            has_begun = has_begun or row.at >= self._start
            if has_begun:
                yield row
            else:
                self.follows = (row.seq, row.hash)


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
            stream.write(json_text([statement], indent=2) + "\n")
        with member("statement.html") as stream:
            stream.writelines(statement_html([replace(certificate, outputs=dict(digests))]))
        with member("certificate.json") as stream:
            final = replace(certificate, outputs=dict(digests))
            stream.write(json_text(final.as_json(), indent=2) + "\n")
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
            stream.write(json_text(manifest, indent=2) + "\n")


def check_bundle(path: Path) -> Mapping[str, Any]:
    """Check every file of a bundle and the hash of every entry in it, and return its manifest.

    Raises BrokenBundleError, and OSError if the file cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as file:
            manifest = _manifest(file)
            named = {one["name"]: one["sha256"] for one in manifest["files"]}
            extra = {info.filename for info in file.infolist()} ^ {*named, MANIFEST}
            if extra:
                raise BrokenBundleError(
                    f"{', '.join(sorted(extra))}: missing, or not in the manifest"
                )
            for name, digest in named.items():
                _check_file(file, name, digest)
            _check_entries(file, manifest)
            _check_statement(file, manifest)
            return manifest
    except (
        zipfile.BadZipFile,
        KeyError,
        TypeError,
        ValueError,
        RecursionError,
        NotImplementedError,
    ) as error:
        raise BrokenBundleError(f"it is no whole bundle ({error})") from None


def _manifest(file: zipfile.ZipFile) -> Mapping[str, Any]:
    with file.open(MANIFEST) as stream:
        found = json.loads(stream.read(_MOST_MANIFEST_BYTES))
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BrokenBundleError("its manifest is not one of Reconciler")
    return found


def _check_file(file: zipfile.ZipFile, name: str, expected: str) -> None:
    digest = hashlib.sha256()
    with file.open(name) as stream:
        while part := stream.read(_PART):
            digest.update(part)
    if digest.hexdigest() != expected:
        raise BrokenBundleError(f"{name}: its SHA-256 is not the one in the manifest")


def _check_entries(file: zipfile.ZipFile, manifest: Mapping[str, Any]) -> None:
    """Each entry has the hash of its content, and names that of the entry before it, up to the head."""
    seq, prev = int(manifest["follows"]["seq"]), str(manifest["follows"]["hash"])
    with file.open(LEDGER) as stream:
        while line := stream.readline(_MOST_LINE_BYTES):
            entry = _entry(line.decode())
            if entry.seq != seq + 1 or entry.prev != prev:
                raise BrokenBundleError(f"{LEDGER}: entry {entry.seq} does not follow entry {seq}")
            if entry.account != manifest["account"] or entry.hash != _hash(entry):
                raise BrokenBundleError(f"{LEDGER}: entry {entry.seq} does not match its hash")
            seq, prev = entry.seq, entry.hash
    head = manifest["head"]
    if (seq, prev) != ((0, GENESIS) if head is None else (head["seq"], head["hash"])):
        raise BrokenBundleError(f"{LEDGER}: it does not end with the head in the manifest")


def _check_statement(file: zipfile.ZipFile, manifest: Mapping[str, Any]) -> None:
    with file.open("statement.json") as stream:
        (statement,) = json.load(stream)
    with file.open("certificate.json") as stream:
        certificate = json.load(stream)
    for name, found in (("statement.json", statement), ("certificate.json", certificate)):
        for field in ("account", "period", "head"):
            if found[field] != manifest[field]:
                raise BrokenBundleError(f"{name}: its {field} is not the one in the manifest")


def _entry(line: str) -> Entry:
    fields: Mapping[str, Any] = read_object(line)
    try:
        return read_entry(
            fields["account"],
            fields["seq"],
            fields["at"],
            fields["action"],
            json.dumps(fields["body"]),
            fields["prev"],
            fields["hash"],
            fields.get("role"),
        )
    except UnreadableEntryError as error:
        raise BrokenBundleError(f"{LEDGER}: {error}") from None


def _hash(entry: Entry) -> str:
    return entry_hash(
        entry.account, entry.seq, entry.at, entry.action, entry.body, entry.prev, entry.role
    )
