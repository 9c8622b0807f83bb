"""Reads an entry from the text that the database holds, and says what is wrong with an entry that cannot be read.

A person with every right on the database can store what no program wrote: an infinite time, a float, a number of
thousands of digits, an object that is nested too deep. Such an entry is a finding about the ledger, not an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NoReturn

from reconciler.domain.audit.ledger_entry import Entry


class UnreadableEntryError(ValueError):
    """Entry ``seq`` of an account cannot be read. ``what`` says why, without the entry's content."""

    def __init__(self, seq: int, what: str) -> None:
        super().__init__(f"entry {seq}: {what}")
        self.seq = seq
        self.what = what


class PlainObject(dict[str, object]):
    """A JSON object that was read from text. It has no float and no time, so it is canonical without a conversion."""


def read_entry(
    account: str,
    seq: int,
    at: str,
    action: str,
    body: str | None,
    prev: str,
    hash: str,  # noqa: A002 - the name of the field in the recipe
    role: str | None = None,
) -> Entry:
    """The entry that these texts hold. ``at`` is in UTC, without a zone; ``body`` is None if it is too large to read.

    Raises UnreadableEntryError.
    """
    try:
        moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    except ValueError:
        raise UnreadableEntryError(seq, "the entry's time cannot be read") from None
    if body is None:
        raise UnreadableEntryError(seq, "the entry is too large to be read")
    return Entry(account, seq, moment, action, _body(seq, body), prev, hash, role)


def ensure_readable(seq: int, body: str) -> None:
    """Raise UnreadableEntryError if ``read_entry`` cannot read a body, which is text as PostgreSQL writes ``jsonb``.

    It is quicker than reading: only a body that may be unreadable is read.
    """
    if not _is_small_object(body) or _FLOAT.search(body):
        _body(seq, body)


def are_readable(bodies: Sequence[str]) -> bool:
    """Whether one look at all of these bodies shows that ``ensure_readable`` refuses none of them.

    False says nothing: then each of them is to be asked about.
    """
    # PostgreSQL writes each body on one line
    together = "\n".join(bodies)
    if max(map(len, bodies), default=0) <= _SAFE_LENGTH and _brackets(together) <= _SAFE_DEPTH:
        # all of them have fewer brackets than one may have
        are_small = all(body.startswith("{") for body in bodies)
    else:
        are_small = all(map(_is_small_object, bodies))
    return are_small and not _FLOAT.search(together)


def _is_small_object(body: str) -> bool:
    """Whether a body is an object that is not nested too deep, and has no room for a number of too many digits."""
    return body.startswith("{") and (
        len(body) <= 2 * _SAFE_DEPTH
        or (len(body) <= _SAFE_LENGTH and _brackets(body) <= _SAFE_DEPTH)
    )


def _brackets(text: str) -> int:
    return text.count("{") + text.count("[")


def _body(seq: int, text: str) -> PlainObject:
    try:
        return read_object(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableEntryError(
            seq, f"the entry's content cannot be read: {_why(error)}"
        ) from None


def read_object(text: str) -> PlainObject:
    """A JSON object without floats. Raises ValueError, or RecursionError if it is nested too deep."""
    found = _DECODER.decode(text)
    if not isinstance(found, dict):
        raise ValueError("the content is not a JSON object")  # noqa: TRY004 - one error for all that cannot be read
    return PlainObject(found)


def _refuse_float(_text: str) -> NoReturn:
    raise ValueError("the content has a number that is not an integer")


_DECODER: Final = json.JSONDecoder(parse_float=_refuse_float, parse_constant=_refuse_float)


_SAFE_DEPTH: Final = 400
_SAFE_LENGTH: Final = 4_300
# PostgreSQL writes no exponents. A text may look the same, which costs the time of reading it.
_FLOAT: Final = re.compile(r"\.[0-9]+[],}]")


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "the entry is nested too deep"
    # Python's own message about digits names a function that a reader does not know
    return "the entry has a number with too many digits" if "digits" in str(error) else str(error)
