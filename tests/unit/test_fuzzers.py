"""The fuzzers still work, and some inputs of each are tried in every run: ``python -m tests.fuzz`` tries more."""

from __future__ import annotations

import pytest

from tests.fuzz.__main__ import fuzz
from tests.fuzz.targets import TARGETS

INPUTS = {"stripe": 1000, "ledger": 500, "cli": 15}


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_ends_in_an_unexpected_error(name: str) -> None:
    """Every answer is a result or one of Reconciler's own errors, and never another exception."""
    assert fuzz(name, seconds=60, inputs=INPUTS.get(name, 1), seed=1)
