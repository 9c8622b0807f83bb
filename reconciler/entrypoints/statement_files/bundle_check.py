"""Checks an audit bundle without a database: its files, its entries, and that the one follows from the other."""

from __future__ import annotations

import gc
import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from reconciler.domain.statement.period import Period
from reconciler.domain.statement.statement_of_entries import EntriesOfStatement
from reconciler.entrypoints.shown_text import json_text
from reconciler.entrypoints.statement_files.bundle import FORMAT, MANIFEST, json_file_hash
from reconciler.entrypoints.statement_files.bundle_discrepancies import (
    DiscrepanciesOfEntries,
    RowsDifferError,
    listed_names,
)
from reconciler.entrypoints.statement_files.bundle_entries import BrokenBundleError, bundle_entries
from reconciler.entrypoints.statement_files.certificate import Certificate, Origin
from reconciler.entrypoints.statement_files.statement_html import statement_html
from reconciler.entrypoints.statement_files.statement_json import as_json
from reconciler.program_version import program_version

STATEMENT: Final = "statement.json"
PAGE: Final = "statement.html"
CERTIFICATE: Final = "certificate.json"
DISCREPANCIES: Final = "discrepancies.csv"
_MOST_MANIFEST_BYTES: Final = 1024 * 1024
_PART: Final = 1024 * 1024
_COLLECT_AFTER: Final = 50_000
"""So many objects are made before Python looks for circles of garbage: entries and records hold none."""


@dataclass(frozen=True, slots=True)
class CheckedBundle:
    """A bundle whose files follow from its ledger. ``head`` is the last entry of it, None if it has none.

    ``other_program`` is the version that wrote it, if it is another one than this: the page was not made again then.
    """

    head: Mapping[str, Any] | None
    other_program: str | None


class _CurrencyFields(msgspec.Struct):
    """What the check takes from a currency of the statement."""

    currency: str
    materiality: int


class _StatementFields(msgspec.Struct):
    """What the check takes from the statement: what it is about. The rest follows from the entries."""

    account: str
    period: dict[str, str]
    timezone: str
    cutoff: str
    as_of: str
    head: dict[str, Any] | None
    currencies: list[_CurrencyFields]


def check_bundle(path: Path) -> CheckedBundle:
    """Check every file of a bundle and the hash of every entry in it, and make the files from the entries again.

    Raises BrokenBundleError, and OSError if the file cannot be read.
    """
    gc.set_threshold(_COLLECT_AFTER)
    try:
        with zipfile.ZipFile(path) as file:
            manifest = _manifest(file)
            named = {one["name"]: one["sha256"] for one in manifest["files"]}
            extra = {info.filename for info in file.infolist()} ^ {*named, MANIFEST}
            if extra:
                raise BrokenBundleError(
                    f"these files are either missing from the bundle or not named in its manifest: {', '.join(sorted(extra))}"
                )
            for name, digest in named.items():
                _check_file(file, name, digest)
            return _check_content(file, manifest, named)
    except (
        zipfile.BadZipFile,
        ZoneInfoNotFoundError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        RecursionError,
        NotImplementedError,
    ) as error:
        raise BrokenBundleError(f"the file is not a bundle, or is cut short ({error})") from None


def _manifest(file: zipfile.ZipFile) -> Mapping[str, Any]:
    with file.open(MANIFEST) as stream:
        found = json.loads(stream.read(_MOST_MANIFEST_BYTES))
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BrokenBundleError("the bundle's manifest was not made by Reconciler")
    return found


def _check_file(file: zipfile.ZipFile, name: str, expected: str) -> None:
    digest = hashlib.sha256()
    with file.open(name) as stream:
        while part := stream.read(_PART):
            digest.update(part)
    if digest.hexdigest() != expected:
        raise BrokenBundleError(f"{name}: the file's SHA-256 differs from the one in the manifest")


def _check_content(
    file: zipfile.ZipFile, manifest: Mapping[str, Any], digests: Mapping[str, str]
) -> CheckedBundle:
    """Compare every file with what the entries of the ledger say."""
    # its items are not read: a year has many, and they are made again of the entries
    (statement,) = msgspec.json.decode(file.read(STATEMENT), type=list[_StatementFields])
    with file.open(CERTIFICATE) as stream:
        certificate = json.load(stream)
    heads = ((STATEMENT, msgspec.structs.asdict(statement)), (CERTIFICATE, certificate))
    for name, found in heads:
        for field in ("account", "period", "head"):
            if found[field] != manifest[field]:
                raise BrokenBundleError(
                    f"{name}: the file's {field} differs from the one in the manifest"
                )

    entries = _checked_entries(file, manifest, statement)
    made = _certificate(entries, statement, certificate, digests)
    other = None if certificate["program"] == program_version() else certificate["program"]
    expected = [as_json(made.statement, made.head, made.as_of)]
    if json_file_hash(expected) != digests[STATEMENT]:
        # only now all of it is read, to say what differs
        with file.open(STATEMENT) as stream:
            _compare(
                STATEMENT, _plain(expected)[0], json.load(stream)[0], is_same_version=other is None
            )
    del expected
    _compare(CERTIFICATE, _plain(made.as_json()), certificate, is_same_version=other is None)
    if other is None:
        _check_page(made)
    return CheckedBundle(manifest["head"], other)


def _checked_entries(
    file: zipfile.ZipFile, manifest: Mapping[str, Any], statement: _StatementFields
) -> EntriesOfStatement:
    """What the entries of the ledger say of the statement. The list of discrepancies is compared with them."""
    days = [date.fromisoformat(statement.period[name]) for name in ("first", "last")]
    period = Period(days[0], days[1], ZoneInfo(statement.timezone))
    entries = EntriesOfStatement(
        manifest["account"], period, datetime.fromisoformat(statement.cutoff)
    )
    try:
        with file.open(DISCREPANCIES) as stream:
            listed = listed_names(line.decode() for line in stream)
        discrepancies = DiscrepanciesOfEntries(period, listed)
        for entry in bundle_entries(file, manifest):
            entries.add(entry)
            discrepancies.add(entry)
        with file.open(DISCREPANCIES) as stream:
            discrepancies.compare(line.decode() for line in stream)
    except RowsDifferError as error:
        raise BrokenBundleError(f"{DISCREPANCIES}: {error}") from None
    return entries


def _certificate(
    entries: EntriesOfStatement,
    statement: _StatementFields,
    certificate: Mapping[str, Any],
    digests: Mapping[str, str],
) -> Certificate:
    """The certificate as the entries say it. Who made it, when and with what is what the file itself says."""
    materiality = {one.currency: one.materiality for one in statement.currencies}
    head = statement.head
    origin = Origin(
        str(certificate["run_by"]),
        datetime.fromisoformat(certificate["run_at"]),
        str(certificate["program"]),
        str(certificate["configuration"]),
        str(certificate["command"]),
    )
    return Certificate(
        entries.statement(materiality),
        None if head is None else (int(head["seq"]), str(head["hash"])),
        datetime.fromisoformat(statement.as_of),
        origin,
        {one["name"]: digests[one["name"]] for one in certificate["outputs"]},
        tuple(entries.steps),
    )


def _plain(value: object) -> Any:
    return json.loads(json_text(value))


def _compare(name: str, expected: Any, found: Any, *, is_same_version: bool) -> None:
    """Raise BrokenBundleError with the first field that differs. Another version may have other fields."""
    for where, one, other in _differences(expected, found, "", is_same_version):
        raise BrokenBundleError(
            f"{name}: {where} is {json_text(other)[:80]}, but the ledger in the bundle says {json_text(one)[:80]}"
        )


def _differences(
    expected: Any, found: Any, where: str, is_same_version: bool
) -> Iterator[tuple[str, object, object]]:
    if isinstance(expected, dict) and isinstance(found, dict):
        names = (
            expected.keys() | found.keys() if is_same_version else expected.keys() & found.keys()
        )
        for key in sorted(names):
            path = f"{where}.{key}" if where else key
            yield from _differences(expected.get(key), found.get(key), path, is_same_version)
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for number, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from _differences(one, other, f"{where}[{number}]", is_same_version)
    elif expected != found:
        yield where, expected, found


def _check_page(made: Certificate) -> None:
    """The page was written when the later files had no hash yet."""
    before: Sequence[str] = list(made.outputs)
    known = {name: made.outputs[name] for name in before[: before.index(PAGE)]}
    digest = hashlib.sha256()
    for part in statement_html([replace(made, outputs=known)]):
        digest.update(part.encode())
    if digest.hexdigest() != made.outputs[PAGE]:
        raise BrokenBundleError(f"{PAGE}: the page differs from what the ledger in the bundle says")
