"""Reads the file of --anchor: heads of ledgers that were noted outside the database."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final, TextIO

from reconciler.domain.audit.anchor import Anchor, Anchors
from reconciler.errors import UsageError

MOST_LINE_BYTES: Final = 16 * 1024 * 1024
"""A longer line is no anchor, nor the answer of ``verify --json``."""
_HINT: Final = (
    'Give --anchor the output of an earlier reconciler verify --json, or a file with lines such as {"account": '
    '"default", "seq": 120, "hash": "…", "at": "2026-11-02T08:00:00Z"}.'
)
_EXPORT_FIELD: Final = "type"
"""A line with this name is of an export; one that is not about a head is passed over."""


class _NotAnAnchorError(ValueError):
    """A line has something else than an anchor. The text says what is wrong."""


def read_anchors(path: Path) -> Mapping[str, Anchors]:
    """The anchors of a file, by account.

    It is the output of ``verify --json``, on one line or on several, or it has one JSON object a line: such an output,
    or account, seq, hash and, if it is known, at. Lines of an export are read too. Raises UsageError, naming the line.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            found = _anchors_of(stream, path)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "the file is not text in UTF-8"
        raise UsageError(f"The anchor file {path} cannot be read ({why}).", _HINT) from None
    if not found:
        raise UsageError(
            f"The anchor file {path} names no ledger entry: no line has the number and the hash of one.",
            _HINT,
        )
    return found


def _anchors_of(stream: TextIO, path: Path) -> Mapping[str, Anchors]:
    found: defaultdict[str, Anchors] = defaultdict(Anchors)
    for number, text in _texts(stream):
        try:
            for account, anchor in _anchors_in(json.loads(text)):
                found[account].add(anchor)
        except (ValueError, RecursionError) as error:
            why = str(error) if isinstance(error, _NotAnAnchorError) else "the line is not JSON"
            raise UsageError(f"The anchor file {path}, line {number}: {why}.", _HINT) from None
    return dict(found)


def _texts(stream: TextIO) -> Iterator[tuple[int, str]]:
    """The JSON texts of a file, each with the number of its first line."""
    first = stream.readline(MOST_LINE_BYTES)
    # an answer that was written to a terminal is one value on many lines
    if first.strip() == "{":
        yield 1, first + stream.read(MOST_LINE_BYTES)
        return
    lines = iter(partial(stream.readline, MOST_LINE_BYTES), "")
    for number, line in enumerate(chain([first], lines), start=1):
        if line.strip():
            yield number, line


def _anchors_in(value: Any) -> Iterator[tuple[str, Anchor]]:
    if not isinstance(value, dict):
        raise _NotAnAnchorError("the line is not a JSON object")
    accounts = value.get("accounts")
    if isinstance(accounts, list):
        for item in accounts:
            head = item.get("head") if isinstance(item, dict) else None
            # an empty or a broken chain has no head
            if isinstance(head, dict):
                yield _anchor({**head, "account": item.get("account")})
        return
    is_head = "seq" in value and "hash" in value
    if is_head or _EXPORT_FIELD not in value:
        yield _anchor(value)


def _anchor(fields: Mapping[str, Any]) -> tuple[str, Anchor]:
    account, seq, digest = (fields.get(name) for name in ("account", "seq", "hash"))
    if not isinstance(account, str) or not isinstance(digest, str) or type(seq) is not int:
        raise _NotAnAnchorError(
            "the line needs an account and a hash as text, and a seq as a whole number"
        )
    at = fields.get("at")
    try:
        moment = None if at is None else datetime.fromisoformat(at)
        if moment is not None and moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        anchor = Anchor(seq, digest, moment)
        # to check the number and the hash with the line at which they are
        Anchors((anchor,))
    except (TypeError, ValueError, OverflowError):
        raise _NotAnAnchorError("the value of seq, hash or at in the line is not valid") from None
    return account, anchor
