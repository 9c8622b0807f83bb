"""Large and packed bodies: the process that reads them stays small, and its answers end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.gateway.canned_server import CannedServer
from tests.unit.gateway.hostile_bodies import ANSWERS, ORDINARY

LARGEST_GROWTH = 64 * 1024 * 1024
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def measured() -> dict[str, tuple[str, int]]:
    """How each read ended, and by how many bytes the process grew during it. One process makes all of them."""
    replies = [*ORDINARY.values(), *(lambda _, make=make: make() for make in ANSWERS.values())]
    kinds = [name.partition(":")[0] for name in ANSWERS]
    with CannedServer(*replies) as server:  # type: ignore[arg-type]
        run = subprocess.run(
            [sys.executable, "-m", "tests.unit.gateway.measured_reads", server.url, *kinds],
            cwd=REPOSITORY, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
    assert run.returncode == 0, run.stderr
    results = [json.loads(line) for line in run.stdout.splitlines()]
    return dict(zip(ANSWERS, results, strict=True))


@pytest.mark.parametrize("name", ANSWERS)
def test_no_answer_fills_the_memory(measured: dict[str, tuple[str, int]], name: str) -> None:
    """The process grows by at most 64 MB while it is read."""
    ended, growth = measured[name]
    assert growth <= LARGEST_GROWTH, f"{growth / 2**20:.0f} MB, {ended}"


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in ANSWERS
        if not name.startswith("events:") and not name.endswith("a megabyte")
    ],
)
def test_no_hostile_answer_is_a_verdict(measured: dict[str, tuple[str, int]], name: str) -> None:
    """Such a body ends in an error and never in an answer about a payment. Only of an event the object may be odd."""
    assert measured[name][0] in {"MalformedAnswerError", "StripeRequestError"}
