"""Large and packed bodies: the process that reads them stays small, and its answers end."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.adapters.stripe_gateway.reader import MOST_LARGE_BODIES, ORDINARY_BODY
from reconciler.adapters.stripe_gateway.transport import LARGEST_BODY
from reconciler.engine.account import MOST_WORKERS
from tests.benchmarks.service_process import unit_environment
from tests.unit.gateway.canned_server import CannedServer
from tests.unit.gateway.hostile_bodies import ANSWERS, ORDINARY

LARGEST_GROWTH = 64 * 1024 * 1024
REPOSITORY = Path(__file__).parents[3]


WORST = (
    "retrieve: metadata of a million keys",
    "list: items that are numbers",
    "events: an id of empty objects",
    "charge: an error's message",
    "retrieve: a bomb",
)
"""The answers that take the most memory, one of each read. The others are tried in the tests marked ``long``."""
OTHERS = tuple(name for name in ANSWERS if name not in WORST)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(WORST, id="worst"),
        pytest.param(OTHERS, id="others", marks=pytest.mark.long),
    ],
)
def measured(request: pytest.FixtureRequest) -> dict[str, tuple[str, int]]:
    """How each read ended, and by how many bytes the process grew during it. One process makes all of them."""
    names: tuple[str, ...] = request.param
    replies = [*ORDINARY.values(), *(lambda _, make=ANSWERS[name]: make() for name in names)]
    kinds = [name.partition(":")[0] for name in names]
    with CannedServer(*replies) as server:  # type: ignore[arg-type]
        run = subprocess.run(
            [sys.executable, "-m", "tests.unit.gateway.measured_reads", server.url, *kinds],
            cwd=REPOSITORY, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
    assert run.returncode == 0, run.stderr
    results = [json.loads(line) for line in run.stdout.splitlines()]
    return dict(zip(names, results, strict=True))


def test_no_answer_fills_the_memory(measured: dict[str, tuple[str, int]]) -> None:
    """The process grows by at most 64 MB while it is read."""
    assert {name: one for name, one in measured.items() if one[1] > LARGEST_GROWTH} == {}


def test_no_hostile_answer_is_a_verdict(measured: dict[str, tuple[str, int]]) -> None:
    """Such a body ends in an error and never in an answer about a payment. Only of an event the object may be odd, and a
    megabyte of metadata is read."""
    refused = {
        name: ended
        for name, (ended, _) in measured.items()
        if not name.startswith("events:") and not name.endswith("a megabyte")
    }
    assert set(refused.values()) <= {"MalformedAnswerError", "StripeRequestError"}, refused
    assert refused


MEMORY_MAX = 256 * 1024 * 1024
"""Bytes that the service's unit allows the process."""
IDLE_SERVICE = 100 * 1024 * 1024
"""Bytes: more than the service takes while it waits."""


def test_the_units_limit_is_the_one_that_is_meant() -> None:
    """The limit of this test is that of the unit."""
    unit = (REPOSITORY / "systemd" / "reconciler.service").read_text(encoding="utf-8")
    assert re.search(r"^MemoryMax=256M$", unit, re.MULTILINE)


@pytest.mark.long
def test_all_threads_together_stay_inside_the_units_memory() -> None:
    """Sixteen threads that read the worst bodies at the same time: few large bodies are in memory at once, and one is parsed
    at a time. Twice the bodies and the growth of one parsed answer fit beside the idle service."""
    bodies = MOST_LARGE_BODIES * LARGEST_BODY + MOST_WORKERS * ORDINARY_BODY
    assert IDLE_SERVICE + 2 * bodies + LARGEST_GROWTH <= MEMORY_MAX

    # the worst answer of each read, for whichever thread comes
    worst = ("retrieve: metadata of a million keys", "list: items that are numbers")
    replies = [ANSWERS[worst[number % 2]]() for number in range(2)]
    with CannedServer(lambda target: replies["limit" in target]) as server:
        run = subprocess.run(
            [sys.executable, "-m", "tests.unit.gateway.measured_attempts", "together", server.url],
            cwd=REPOSITORY, capture_output=True, text=True, timeout=100, check=False,
            env={"PATH": os.defpath, **unit_environment()},
        )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) <= MEMORY_MAX
