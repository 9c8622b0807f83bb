"""What a benchmark over many payments needs: a sandbox in a process of its own, and tables that fit it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.clock import SystemClock
from tests.benchmarks.options import Options
from tests.benchmarks.shop import Databases, Row
from tests.benchmarks.stripe_process import StripeProcess, World
from tests.benchmarks.worlds import WRONG_SHARE

LATENCY = 0.060


@dataclass(frozen=True, slots=True)
class Stage:
    """A sandbox, a table that fits it, and how many of its rows are wrong."""

    stripe: StripeProcess
    databases: Databases
    template: str
    intents: int
    wrong: int


@contextmanager
def staged(
    options: Options, intents: int, *, wrong_share: float = WRONG_SHARE, all_open: bool = False
) -> Iterator[Stage]:
    """The world of so many payments on both sides."""
    now = int(SystemClock().now().timestamp())
    world = World(intents=intents, now=now, wrong_share=wrong_share, all_open=all_open)
    rows: list[Row] = []
    wrong = 0
    for number, pair in enumerate(world.pairs()):
        intent = pair.intent
        created = datetime.fromtimestamp(intent.created, UTC)
        wrong += pair.local == "pending" and intent.status == "succeeded"
        rows.append((number, intent.id, pair.local, intent.amount, intent.currency, created))
    with (
        Databases(options.postgres) as databases,
        databases.filled(rows) as template,
        StripeProcess(world, LATENCY) as stripe,
    ):
        del rows
        yield Stage(stripe, databases, template, intents, wrong)
