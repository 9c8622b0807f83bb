"""Findings word for word: what stands in the ledger, makes the fingerprint, and is shown to a person."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.domain.worked_findings import FILE, MATCHES, worked

KEPT: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", KEPT)
def test_a_finding_says_the_same_in_every_version(name: str) -> None:
    """Values, evidence, reason, money and fingerprint of each situation are those that were kept.

    What a person has settled stays settled only while the fingerprint of its finding is the same.
    """
    assert worked(name) == KEPT[name]


def test_every_situation_is_kept() -> None:
    """A new situation is added to the file with ``python -m tests.unit.domain.worked_findings``."""
    assert MATCHES.keys() == KEPT.keys()
