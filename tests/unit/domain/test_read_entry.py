"""Entries are read from the texts of the database, and one that no program wrote is named."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.domain.audit.hash_chain import GENESIS, canonical_json, first_break
from reconciler.domain.audit.ledger_entry import Entry
from reconciler.domain.audit.read_entry import UnreadableEntryError, read_entry

AT = datetime(2026, 6, 10, 12, 0, 0, 500_000, tzinfo=UTC)


def read(at: str = "2026-06-10 12:00:00.5", body: str | None = '{"a": 1}') -> Entry:
    return read_entry("default", 3, at, "note", body, GENESIS, "f" * 64)


def test_an_entry_is_read() -> None:
    """Time, numbers and nested values are what the database has."""
    entry = read(body='{"b": [1, {"c": null}], "a": "é", "n": 1000000000000000000000000000000}')
    assert (entry.seq, entry.at) == (3, AT)
    assert entry.body == {"b": [1, {"c": None}], "a": "é", "n": 10**30}
    assert canonical_json(entry.body) == canonical_json(dict(entry.body))


@pytest.mark.parametrize(
    ("at", "body", "words"),
    [
        ("infinity", "{}", "its time"),
        ("0044-03-15 00:00:00 BC", "{}", "its time"),
        ("10000-01-01 00:00:00", "{}", "its time"),
        ("2026-06-10 12:00:00", None, "too large"),
        ("2026-06-10 12:00:00", '{"amount": 1.5}', "not an integer"),
        ("2026-06-10 12:00:00", '{"amount": [[1.0]]}', "not an integer"),
        ("2026-06-10 12:00:00", '{"amount": NaN}', "not an integer"),
        ("2026-06-10 12:00:00", '{"amount": ' + "9" * 5000 + "}", "too many digits"),
        ("2026-06-10 12:00:00", '{"a": ' + "[" * 100_000, "nested too deep"),
        ("2026-06-10 12:00:00", "[]", "not an object"),
    ],
)
def test_what_no_program_wrote_is_named(at: str, body: str | None, words: str) -> None:
    """The error has the entry's number and the reason, and not the content."""
    with pytest.raises(UnreadableEntryError, match=words) as raised:
        read(at, body)
    assert raised.value.seq == 3
    assert len(str(raised.value)) < 120


def test_text_without_canonical_json_is_a_break() -> None:
    """Text that is not UTF-8 fits no hash, and is the first bad entry instead of an error."""
    entry = Entry("default", 1, AT, "note\udcff", {}, GENESIS, "f" * 64)
    found = first_break([entry], (1, "f" * 64), "default")
    assert found is not None
    assert found.seq == 1
