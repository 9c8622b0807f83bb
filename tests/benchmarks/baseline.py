"""The loop as most teams write it: select the open rows, retrieve intents one by one with the SDK, update row by row.

It has no retries and no rate limit: it sends one request after the other, commits each row, and trusts every answer.
"""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass

import psycopg
import stripe

STATUSES = {
    "succeeded": "paid",
    "canceled": "canceled",
    "processing": "processing",
}
OPEN = "SELECT id, pi FROM payments WHERE status IN ('pending', 'failed', 'processing') ORDER BY id"


@dataclass(frozen=True, slots=True)
class BaselineResult:
    """What the loop has done. ``refused`` counts the answers 429."""

    intents: int
    seconds: float
    cpu_seconds: float
    refused: int

    @property
    def intents_per_second(self) -> float:
        """Intents per second."""
        return self.intents / self.seconds

    @property
    def cpu_microseconds_per_intent(self) -> float:
        """Microseconds of CPU per intent."""
        return self.cpu_seconds / self.intents * 1e6


def run(database: str, api_base: str, key: str, seconds: float, *, limited: bool) -> BaselineResult:
    """Run the loop for so many seconds. ``limited`` is whether Stripe's limits are on: then it sleeps after a refusal."""
    stripe.enable_telemetry = False
    # as Python collects garbage by itself: a sweep of Reconciler in this process has set it otherwise
    gc.set_threshold(700, 10, 10)
    client = stripe.StripeClient(key, base_addresses={"api": api_base})
    done = refused = 0

    with psycopg.connect(database) as connection:
        rows = connection.execute(OPEN).fetchall()
        began, cpu_before = time.perf_counter(), time.process_time()

        for number, ident in rows:
            if time.perf_counter() - began > seconds:
                break

            try:
                intent = client.v1.payment_intents.retrieve(ident, {"expand": ["latest_charge"]})
            except stripe.RateLimitError:
                refused += 1
                if limited:
                    time.sleep(1)
                continue

            status = STATUSES.get(intent.status)
            if status is not None:
                connection.execute(
                    "UPDATE payments SET status = %s WHERE id = %s", (status, number)
                )
                connection.commit()
            done += 1

        return BaselineResult(
            done, time.perf_counter() - began, time.process_time() - cpu_before, refused
        )
