"""The quick encoder writes the very text of the reference, so that a hash that it confirms is right."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.adapters.postgres.audit.quick_json import canonical_text, quick_hash
from reconciler.domain.audit.hash_chain import canonical_json, entry_hash
from reconciler.domain.audit.ledger_entry import Entry
from reconciler.domain.audit.read_entry import read_object

TEXT = st.text(st.characters(exclude_categories=("Cs",)))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)


# values inside values take long to make
@settings(max_examples=10 if settings.default.max_examples == 30 else 100)
@given(body=st.dictionaries(TEXT, VALUES), account=TEXT, role=st.none() | TEXT)
def test_it_is_the_reference(body: dict[str, object], account: str, role: str | None) -> None:
    """For every body that an entry may have."""
    text = canonical_json(body)
    assert canonical_text(text) == text
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    digest = entry_hash(account, 7, at, "note", body, "a" * 64, role)
    entry = Entry(account, 7, at, "note", read_object(text), "a" * 64, digest, role)
    assert quick_hash(entry) == digest


def test_what_no_entry_may_hold_is_refused() -> None:
    """A float has no canonical text."""
    with pytest.raises(ValueError, match="integer"):
        canonical_text('{"a": 1.5}')


def test_what_it_cannot_encode_is_left_to_the_reference() -> None:
    """Half of a character."""
    entry = Entry("a", 1, datetime(2026, 1, 1, tzinfo=UTC), "note", {"a": "\ud800"}, "", "", None)
    assert quick_hash(entry) is None
