"""The ledger in an export: the quick way over hundreds of entries writes what the usual way writes of each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.adapters.postgres.audit.ledger import StoredEntry
from reconciler.domain.audit.hash_chain import canonical_json
from reconciler.entrypoints.cli import ledger_export
from reconciler.entrypoints.cli.ledger_export import entry_lines, write_entries_csv
from reconciler.entrypoints.shown_text import csv_cells, json_text
from reconciler.errors import BrokenLedgerError
from reconciler.masking import map_texts, redact, visible_json

KEY = "sk_live_51HxQb2eZvKYlo2C"
RARE = [
        "", "=1", "-1", 'a"b', "a,b;c", "a\nb", "\x1b[31m", "\x7f", "\u202e", f"key {KEY}", "http://me:pw@x", "é", "basic x", "Basic dXNlcjpwYXNz",
        "bearer\tdXNlcjpwYXNz", "bearer\u00a0dXNlcjpwYXNz", "password=x1"]  # fmt: skip
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4)
TEXTS = TEXTS | st.sampled_from(RARE)
VALUES = st.none() | TEXTS | st.integers() | st.booleans() | st.lists(st.integers(), max_size=2)
ENTRIES = st.builds(
    lambda account, seq, second, action, body, digest, role: StoredEntry(
        account,
        seq,
        f"2026-11-02 10:00:0{second}",
        action,
        # PostgreSQL writes what a terminal would obey as it is
        json.dumps(body, ensure_ascii=False),
        digest,
        digest[::-1],
        role,
    ),
    TEXTS,
    st.integers(1, 10**12),
    st.sampled_from(["0", "1.5", "2.000001"]),
    st.sampled_from(["sweep", "correction", "=action"]),
    st.dictionaries(TEXTS, VALUES | st.dictionaries(TEXTS, TEXTS, max_size=2), max_size=4),
    st.sampled_from(["a" * 64, "0f" * 32, *RARE]),
    st.sampled_from([None, "reconciler", *RARE]),
)


def time_of(entry: StoredEntry) -> str:
    whole, _, part = entry.at.replace(" ", "T").partition(".")
    return f"{whole}.{part:0<6}Z"


def fields_of(entry: StoredEntry) -> Mapping[str, object]:
    version = {} if entry.role is None else {"v": 2, "role": entry.role}
    return {
        "type": "ledger",
        "account": entry.account,
        "seq": entry.seq,
        "at": time_of(entry),
        "action": entry.action,
        "body": json.loads(entry.body),
        "prev": entry.prev,
        "hash": entry.hash,
        **version,
    }


def cells_of(entry: StoredEntry) -> list[str]:
    version = "" if entry.role is None else "2"
    values = [entry.account, entry.seq, time_of(entry), entry.action, "", entry.prev, entry.hash]
    cells, _ = csv_cells([*values, version, entry.role or ""], whole=True)
    body = canonical_json(map_texts(json.loads(entry.body), redact))
    cells[4] = visible_json(body)
    return [str(cell) for cell in cells]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of three entries, so that one export has several."""
    monkeypatch.setattr(ledger_export, "_AT_ONCE", 3)


@given(st.lists(ENTRIES, max_size=7), st.booleans())
def test_entries_as_lines(entries: Sequence[StoredEntry], ascii_only: bool) -> None:
    """Each line is the entry as json_text writes it: without secrets, and without what a terminal would obey."""
    written = "".join(entry_lines(entries, ascii_only=ascii_only))
    assert written == "".join(
        json_text(fields_of(entry), ascii_only=ascii_only) + "\n" for entry in entries
    )


@given(st.lists(ENTRIES, max_size=7), st.booleans())
def test_entries_as_csv(entries: Sequence[StoredEntry], excel: bool) -> None:
    """A program reads back the cells as csv_cells makes them, and the canonical text of the body."""
    out = io.StringIO()
    assert write_entries_csv(entries, out, excel=excel) == len(entries)
    text = out.getvalue().removeprefix("\ufeff")
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=";" if excel else ","))
    assert rows[1:] == [cells_of(entry) for entry in entries]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (StoredEntry("a", 3, "infinity", "sweep", "{}", "f", "f", None), "time cannot be read"),
        (StoredEntry("a", 3, "2026-11-02 10:00:00", "sweep", '{"a": 1.5}', "f", "f", None), "not an integer"),
    ],
)  # fmt: skip
def test_an_entry_that_no_program_wrote(entry: StoredEntry, words: str) -> None:
    """The entry is named that cannot be exported, although many are looked at together."""
    before = entry._replace(seq=2, at="2026-11-02 10:00:00", body="{}")
    with pytest.raises(BrokenLedgerError, match=rf"Entry 3 of account a.*{words}"):
        write_entries_csv([before, entry], io.StringIO())
