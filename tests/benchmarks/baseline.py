"""The loop as most teams write it: select what is open, retrieve one by one with the SDK, update row by row.

It is written as it would be, not as it could be: no retries, no pacing but one request after the other, a commit a row,
and it takes whatever Stripe says for granted.
"""

from __future__ import annotations

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
class Pace:
    """What the loop managed in its time."""

    intents: int
    seconds: float
    cpu: float
    refused: int

    @property
    def a_second(self) -> float:
        """Intents a second."""
        return self.intents / self.seconds

    @property
    def cpu_an_intent(self) -> float:
        """Microseconds of CPU an intent."""
        return self.cpu / self.intents * 1e6


def run(database: str, api_base: str, key: str, seconds: float, *, paced: bool) -> Pace:
    """Let it go for so many seconds. ``paced`` is whether Stripe's limits are on: then a refusal is slept over."""
    stripe.enable_telemetry = False
    client = stripe.StripeClient(key, base_addresses={"api": api_base})
    done = refused = 0
    with psycopg.connect(database) as connection:
        rows = connection.execute(OPEN).fetchall()
        began, used = time.perf_counter(), time.process_time()
        for number, ident in rows:
            if time.perf_counter() - began > seconds:
                break
            try:
                intent = client.v1.payment_intents.retrieve(ident, {"expand": ["latest_charge"]})
            except stripe.RateLimitError:
                refused += 1
                if paced:
                    time.sleep(1)
                continue
            status = STATUSES.get(intent.status)
            if status is not None:
                connection.execute(
                    "UPDATE payments SET status = %s WHERE id = %s", (status, number)
                )
                connection.commit()
            done += 1
        return Pace(done, time.perf_counter() - began, time.process_time() - used, refused)
