"""The fuzzers still work, and some inputs of each are tried in every run: ``python -m tests.fuzz`` tries more."""

from __future__ import annotations

import pytest

from tests.conftest import Server
from tests.fuzz.__main__ import fuzz, tries
from tests.fuzz.merchant_rows import sweeps_over
from tests.fuzz.targets import TARGETS

INPUTS = {
    "config": 40,
    "environment": 40,
    "cli": 40,
    "cli-processes": 1,
    "stripe": 1000,
    "ledger": 500,
    "metrics": 200,
    "delivery": 200,
}
ROWS = 120


@pytest.mark.parametrize(
    "name",
    [
        # the same command lines as "cli", each in a process
        pytest.param(name, marks=[pytest.mark.long] if name == "cli-processes" else [])
        for name in INPUTS
    ],
)
def test_no_input_ends_in_an_unexpected_error(name: str, original_logging: None) -> None:
    """Every answer is a result or one of Reconciler's own errors, and never another exception."""
    assert fuzz(name, seconds=60, inputs=INPUTS[name], seed=1) >= INPUTS[name]


def test_rows_of_any_value_end_no_sweep(server: Server, original_logging: None) -> None:
    """What the columns hold ends no sweep, changes no other row, and is written nowhere as a secret."""
    with sweeps_over(server, ROWS) as attempt:
        assert tries(attempt, seconds=60, inputs=ROWS, seed=1) == ROWS


def test_every_fuzzer_is_tried() -> None:
    """A new target gets a number of inputs here."""
    assert {*INPUTS, "rows"} == set(TARGETS)
