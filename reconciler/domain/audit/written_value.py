"""A column's value before or after a write, as the ledger keeps it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from reconciler.masking import redact

LARGEST_BYTES: Final = 2048
"""A longer text is kept as its SHA-256 alone."""

WrittenValue = str | None | Mapping[str, str]
"""The text that PostgreSQL prints, None for NULL, or ``{"sha256": …}`` of a text that the ledger does not keep."""


def written_value(text: str | None, *, is_scalar: bool) -> WrittenValue:
    """The value for the ledger. A document, a list, a long text and one with a secret are kept as their SHA-256."""
    if text is None:
        return None
    data = text.encode("utf-8", "surrogatepass")
    if is_scalar and len(data) <= LARGEST_BYTES and redact(text) == text:
        return text
    return {"sha256": hashlib.sha256(data).hexdigest()}
