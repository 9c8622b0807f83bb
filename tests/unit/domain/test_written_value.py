"""What the ledger keeps of a column's value before and after a write."""

from __future__ import annotations

import pytest

from reconciler.domain.audit.written_value import LARGEST_BYTES, written_value


@pytest.mark.parametrize("text", [None, "", "true", "12.50", "x" * LARGEST_BYTES])
def test_a_scalar_is_kept_whole(text: str | None) -> None:
    """A revert can put it back."""
    assert written_value(text, is_scalar=True) == text


@pytest.mark.parametrize(
    ("text", "is_scalar"),
    [('{"a": 1}', False), ("é" * LARGEST_BYTES, True), ("sk_live_4eC39HqLyjWDarjtT1zdp7dc", True)],
)
def test_anything_else_is_kept_as_its_hash(text: str, is_scalar: bool) -> None:
    """A document, a long text and a secret are not written anywhere, and can still be compared."""
    kept = written_value(text, is_scalar=is_scalar)
    assert isinstance(kept, dict)
    assert set(kept) == {"sha256"}
    assert kept == written_value(text, is_scalar=is_scalar)
