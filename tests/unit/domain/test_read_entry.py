"""Entries are read from the texts of the database, and one that no program wrote is named."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.domain.audit.hash_chain import GENESIS, canonical_json, first_break
from reconciler.domain.audit.ledger_entry import Entry
from reconciler.domain.audit.read_entry import (
    UnreadableEntryError,
    are_readable,
    ensure_readable,
    read_entry,
)

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
        ("infinity", "{}", "the entry's time"),
        ("0044-03-15 00:00:00 BC", "{}", "the entry's time"),
        ("10000-01-01 00:00:00", "{}", "the entry's time"),
        ("2026-06-10 12:00:00", None, "too large"),
        ("2026-06-10 12:00:00", '{"amount": 1.5}', "not an integer"),
        ("2026-06-10 12:00:00", '{"amount": [[1.0]]}', "not an integer"),
        ("2026-06-10 12:00:00", '{"amount": NaN}', "not an integer"),
        ("2026-06-10 12:00:00", '{"amount": ' + "9" * 5000 + "}", "too many digits"),
        ("2026-06-10 12:00:00", '{"a": ' + "[" * 100_000, "nested too deep"),
        ("2026-06-10 12:00:00", "[]", "not a JSON object"),
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


@pytest.mark.parametrize(
    "body",
    [
        '{"a": [1, {"b": "1.5"}], "at": "2026-06-10T12:00:00.5Z"}',
        '{"a": "a text that looks like a number: 1.5}"}',
        '{"a": "' + "long " * 2_000 + '"}',
        '{"a": ' + "9" * 4_000 + "}",
        '{"a": [' + ", ".join(["{}"] * 500) + "]}",
    ],
)
def test_a_body_that_can_be_read_is_exported(body: str) -> None:
    """What the quick look at a body suspects is read, and only that decides."""
    ensure_readable(3, body)
    assert read(body=body).seq == 3


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"amount": 42.5}', "not an integer"),
        ('{"amount": [-1.0, 2]}', "not an integer"),
        ('{"amount": 1.50, "b": 1}', "not an integer"),
        ('{"amount": ' + "9" * 4_301 + "}", "too many digits"),
        ('{"a": ' + "[" * 2_000 + "]" * 2_000 + "}", "nested too deep"),
        ('{"a": ' + '{"a":' * 100_000, "nested too deep"),
        ("[]", "not a JSON object"),
        ('"text"', "not a JSON object"),
    ],
)
def test_a_body_that_cannot_be_read_is_not_exported(body: str, words: str) -> None:
    """An export ends at the same entry as reading does, with the same words."""
    with pytest.raises(UnreadableEntryError, match=words) as exported:
        ensure_readable(3, body)
    assert not are_readable(['{"a": 1}', body, "{}"])
    with pytest.raises(UnreadableEntryError) as raised:
        read(body=body)
    assert str(exported.value) == str(raised.value)


def test_bodies_that_are_readable_together() -> None:
    """An export asks about many bodies at once, so that usual ones cost no time."""
    assert are_readable(
        ['{"a": 1}', '{"at": "2026-06-10T12:00:00.5Z"}', '{"a": "' + "b" * 900 + '"}']
    )
    assert are_readable([])
