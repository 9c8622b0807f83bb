"""Texts as Reconciler's own tables hold them: a secret that stood in a merchant's column is masked."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.domain.audit.hash_chain import canonical_json
from reconciler.masking import map_texts, may_hold_secret, storable


def stored_json(value: object) -> str:
    """The canonical JSON of a value, without secrets. Raises TypeError for a value that has no canonical form."""
    text = canonical_json(value)
    # a secret is rare, and to search each value for one is slow
    return canonical_json(map_texts(value, storable)) if may_hold_secret(text) else text


def stored_texts(texts: Iterable[str | None]) -> list[str | None]:
    """Each text without secrets."""
    return [None if text is None else storable(text) for text in texts]
