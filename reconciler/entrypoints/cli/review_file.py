"""Reads a preview that a person has reviewed: the file of ``sweep --apply --only``."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from reconciler.domain.findings.discrepancy import Kind
from reconciler.domain.model.payment import is_intent_id
from reconciler.engine.report import DecisionKind
from reconciler.engine.review import Review, ReviewedLine
from reconciler.entrypoints.cli.output import FORMULA_STARTS
from reconciler.entrypoints.cli.preview import PREVIEW_NAMES
from reconciler.errors import UsageError

_NEEDED: Final = {"account", "decision", "kind", "payment_intent", "to_status", "fingerprint"}
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")
_LONGEST_FIELD: Final = 1_000_000
_HINT: Final = "Write a new preview with reconciler sweep --format csv, and remove the lines that are not to be applied."


def read_reviews(path: Path, accounts: Collection[str]) -> Mapping[str, Review]:
    """The reviewed lines of each account. ``accounts`` are those that the sweep may touch.

    Raises UsageError if the file cannot be read, is no preview, has no lines, or has a line of another account.
    """
    lines: dict[str, dict[tuple[str, str | None], ReviewedLine]] = {}
    for number, fields in _rows(path):
        account = fields["account"]
        if account not in accounts:
            raise _wrong(
                path,
                number,
                f'the line belongs to account "{str(account)[:64]}", but this sweep is about {", ".join(sorted(accounts))}',
            )
        line = _line(path, number, fields)
        if line is None:
            continue
        of_account = lines.setdefault(account, {})
        earlier = of_account.setdefault((line.payment_intent, line.kind), line)
        if earlier != line:
            raise _wrong(
                path,
                number,
                "another line of the file says something different about the same finding",
            )
    if not lines:
        raise UsageError(f"{path} has no line that names a PaymentIntent.", _HINT)
    return {account: Review(tuple(found.values())) for account, found in lines.items()}


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The lines of the file with their numbers, each with every column of a preview."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the file is not UTF-8"
        raise UsageError(f"{path} cannot be read: {reason}.", _HINT) from None
    if text.lstrip().startswith(("{", "[")):
        yield from _json_rows(path, text)
    else:
        yield from _csv_rows(path, text)


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError(f"{path} is not JSON, or is cut short.", _HINT) from None
    items = found.get("items") if isinstance(found, dict) else found
    if not isinstance(items, list):
        raise UsageError(f'{path} is not a preview: it has no "items".', _HINT)
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            raise _wrong(path, number, "the line is not a JSON object {…}")
        _check_columns(path, item)
        yield number, item


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    csv.field_size_limit(_LONGEST_FIELD)
    # newlines inside quotes stay as they are, which the csv module wants to see itself
    reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
    try:
        _check_columns(path, reader.fieldnames or ())
        for fields in reader:
            if None in fields or None in fields.values():
                raise _wrong(
                    path, reader.line_num, "the line has more or fewer cells than the header"
                )
            yield reader.line_num, {name: _cell(value) for name, value in fields.items()}
    except csv.Error as error:
        raise UsageError(f"{path}: line {reader.line_num} is not CSV ({error}).", _HINT) from None


def _cell(text: str) -> str | None:
    """The value of a cell: without the apostrophe that keeps a spreadsheet from running it."""
    if text.startswith("'") and text[1:].startswith(FORMULA_STARTS):
        return text[1:]
    return text or None


def _check_columns(path: Path, names: Collection[str]) -> None:
    unknown = [str(name)[:64] for name in names if name not in PREVIEW_NAMES]
    if unknown:
        raise UsageError(
            f"{path} has columns that a preview does not have: {', '.join(unknown)}.", _HINT
        )
    missing = sorted(_NEEDED - set(names))
    if missing:
        raise UsageError(
            f"{path} is not a whole preview. It lacks the columns: {', '.join(missing)}.", _HINT
        )


def _line(path: Path, number: int, fields: Mapping[str, Any]) -> ReviewedLine | None:
    """One line; None if it names no PaymentIntent, which can be neither examined alone nor corrected."""
    intent, kind, to_status = fields["payment_intent"], fields["kind"], fields["to_status"]
    decision, fingerprint = fields["decision"], fields["fingerprint"]
    if decision not in set(DecisionKind):
        raise _wrong(path, number, 'the decision must be "correct", "flag" or "wait"')
    if kind is not None and kind not in set(Kind):
        raise _wrong(path, number, f'there is no kind "{str(kind)[:64]}"')
    if to_status is not None and not isinstance(to_status, str):
        raise _wrong(path, number, "to_status is not a text")
    is_fingerprint = (
        isinstance(fingerprint, str) and _FINGERPRINT.fullmatch(fingerprint) is not None
    )
    if fingerprint is not None and not is_fingerprint:
        raise _wrong(path, number, "the fingerprint was not made by Reconciler")
    if (decision == DecisionKind.CORRECT) != (to_status is not None):
        raise _wrong(
            path,
            number,
            'a line with the decision "correct" needs a to_status, and every other line must leave it empty',
        )
    if decision != DecisionKind.WAIT and (kind is None or fingerprint is None):
        raise _wrong(path, number, "the line lacks a kind or a fingerprint")
    if not isinstance(intent, str) or not is_intent_id(intent):
        if decision == DecisionKind.CORRECT:
            raise _wrong(path, number, "the payment_intent is not a PaymentIntent's id")
        return None
    return ReviewedLine(intent, kind, fingerprint, to_status)


def _wrong(path: Path, number: int, what: str) -> UsageError:
    return UsageError(f"{path}: line {number}: {what}. Nothing was applied.", _HINT)
