"""A short run of tests/benchmarks/chaos.py."""

from __future__ import annotations

import pytest

from tests.benchmarks.chaos import chaos


@pytest.mark.timeout(170)
@pytest.mark.parametrize("replicas", [1, 2])
def test_nothing_is_wrong_after_kills(replicas: int) -> None:
    """Killed at random moments while a handler writes the same rows: in the end each row is right and written once."""
    counts = chaos(kills=5, payments=150, replicas=replicas, seed=20 + replicas)
    assert counts["ok"], counts
    assert counts["ended_well"], counts
    assert counts["kills"] == 5
