"""The files of a bundle: a check makes them again in pieces, and compares their hashes."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.entrypoints.shown_text import json_text
from reconciler.entrypoints.statement_files import bundle
from reconciler.entrypoints.statement_files.bundle import json_file_hash

TEXTS = st.text(max_size=4) | st.sampled_from(
    ["\u202e", "\x7f", "é", "key sk_live_51HxQb2eZvKYlo2C"]
)
LEAVES = (
    st.none() | st.booleans() | st.integers() | TEXTS | st.just(datetime(2026, 11, 2, tzinfo=UTC))
)
VALUES = st.recursive(LEAVES, lambda of: st.lists(of, max_size=3) | st.dictionaries(TEXTS, of, max_size=3))  # fmt: skip


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of two parts, so that one file has several."""
    monkeypatch.setattr(bundle, "_PARTS_AT_ONCE", 2)


@given(VALUES)
def test_the_hash_of_a_file_of_json(value: object) -> None:
    """It is that of the text that the bundle has: without secrets, and without what a terminal would obey."""
    text = json_text(value, indent=2) + "\n"
    assert json_file_hash(value) == hashlib.sha256(text.encode()).hexdigest()
