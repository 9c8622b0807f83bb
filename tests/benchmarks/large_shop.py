"""A shop with many payments: a sandbox Stripe in a process of its own, and a table with the same payments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.clock import SystemClock
from tests.benchmarks.databases import Databases, Row
from tests.benchmarks.options import Options
from tests.benchmarks.payment_sets import WRONG_SHARE
from tests.benchmarks.stripe_process import PaymentSet, StripeProcess

LATENCY_SECONDS = 0.060


@dataclass(frozen=True, slots=True)
class LargeShop:
    """``template`` names the database to copy, ``intents`` counts the payments, ``wrong`` the rows to be corrected."""

    stripe: StripeProcess
    databases: Databases
    template: str
    intents: int
    wrong: int


@contextmanager
def large_shop(
    options: Options,
    intents: int,
    *,
    wrong_share: float = WRONG_SHARE,
    all_open: bool = False,
    older: str | None = None,
) -> Iterator[LargeShop]:
    """A shop with so many payments, the same at Stripe and in the table. The arguments are those of PaymentSet.

    ``older`` is a SELECT of more rows, which Stripe does not show; with it the template has no indexes yet.
    """
    now = int(SystemClock().now().timestamp())
    payment_set = PaymentSet(intents=intents, now=now, wrong_share=wrong_share, all_open=all_open)
    rows: list[Row] = []
    wrong = 0

    for number, pair in enumerate(payment_set.pairs()):
        intent = pair.intent
        created = datetime.fromtimestamp(intent.created, UTC)
        wrong += pair.local == "pending" and intent.status == "succeeded"
        rows.append(
            (number, intent.id, pair.local, intent.amount, intent.currency, created, str(number))
        )

    with (
        Databases(options.postgres) as databases,
        databases.filled(rows, older, *(() if older is None else ((),))) as template,
        StripeProcess(payment_set, LATENCY_SECONDS) as stripe,
    ):
        del rows  # they are in the table: the benchmark measures memory, too
        yield LargeShop(stripe, databases, template, intents, wrong)
