"""From the event whose webhook was lost to the corrected row, with the tail at its fastest.

Payments are paid at random moments. Time counts from the event's ``created``, which Stripe gives in whole seconds, rounded
down. The other nets rest meanwhile: what is measured is the tail.
"""

from __future__ import annotations

import random
import statistics
import threading
import time

from tests.benchmarks.figures import Figure, load, say
from tests.benchmarks.options import Options
from tests.benchmarks.service import replicas
from tests.benchmarks.shop import Databases
from tests.benchmarks.town import Town, town

TICK = 10.0
GRACE = 3.0
MOST = 2 * TICK + GRACE
SEED = 20


def run(options: Options) -> list[Figure]:
    """The delay of each payment: middle, 99 of 100, and longest."""
    payments = options.sized(tiny=6, usual=100, full=300)
    seconds = options.sized(tiny=2, usual=60, full=300)
    with (
        Databases(options.postgres) as databases,
        town(
            databases,
            service__tail=f"{TICK:.0f}s",
            service__due="1h",
            corrections__grace=f"{GRACE:.0f}s",
        ) as made,
        replicas(1, made.environ) as (service,),
    ):
        made.make(payments, paid=False)
        service.start()
        for job in ("window", "due", "tail"):
            service.wait_for("pass.finished", job=job)
        created = _pay(made, seconds)
        written = made.wait_for(range(payments))
    lags = sorted(written[key] - at for key, at in created.items())
    middle, longest = statistics.median(lags), lags[-1]
    high = lags[min(len(lags) - 1, int(0.99 * len(lags)))]
    say(f"  {payments} payments: median {middle:.1f} s, p99 {high:.1f} s, longest {longest:.1f} s")
    name = f"lost webhook to corrected row, tail {TICK:.0f} s, grace {GRACE:.0f} s"
    remark = f"two ticks and grace; {payments} payments in {seconds} s, {load()}"
    return [
        Figure(name, "p99, s", f"<= {MOST:.0f}", f"{high:.1f}", high <= MOST, remark),
        Figure(name, "median, s", "", f"{middle:.1f}", None),
        Figure(name, "longest, s", "", f"{longest:.1f}", None),
    ]


def _pay(made: Town, seconds: int) -> dict[int, float]:
    """Let every payment be paid at a moment of its own; when its event was created, by key."""
    chance, pause = random.Random(SEED), threading.Event()
    moments = sorted(chance.uniform(0, seconds) for _ in made.intents)
    began = time.monotonic()
    created: dict[int, float] = {}
    for key, (moment, intent) in enumerate(zip(moments, made.intents, strict=True)):
        pause.wait(max(0.0, began + moment - time.monotonic()))
        created[key] = float(int(time.time()))
        made.sandbox.succeed(intent.id)
    return created
