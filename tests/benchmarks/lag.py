"""The time from the event whose webhook was lost to the corrected row, with the tail at its shortest interval.

Payments are paid at random moments. The time counts from the event's ``created``, which Stripe rounds down to whole
seconds. No due or window sweep runs meanwhile: only the tail is measured.
"""

from __future__ import annotations

import random
import statistics
import threading
import time

from tests.benchmarks.databases import Databases
from tests.benchmarks.figures import Figure, load, print_line
from tests.benchmarks.options import Options
from tests.benchmarks.service_process import replicas
from tests.benchmarks.small_shop import SmallShop, small_shop

TICK_SECONDS = 10.0
GRACE_SECONDS = 3.0
MOST_SECONDS = 2 * TICK_SECONDS + GRACE_SECONDS
SEED = 20


def run(options: Options) -> list[Figure]:
    """The delay of the payments: median, p99 and longest."""
    payments = options.sized(tiny=6, usual=100, full=300)
    seconds = options.sized(tiny=2, usual=60, full=300)

    with (
        Databases(options.postgres) as databases,
        small_shop(
            databases,
            service__tail=f"{TICK_SECONDS:.0f}s",
            service__due="1h",
            corrections__grace=f"{GRACE_SECONDS:.0f}s",
        ) as shop,
        replicas(1, shop.environ) as (service,),
    ):
        shop.add_payments(payments, paid=False)
        service.start()
        for job in ("window", "due", "tail"):
            service.wait_for("sweep.finished", job=job)
        created = _pay(shop, seconds)
        written = shop.wait_for(range(payments))

    lags = sorted(written[key] - at for key, at in created.items())
    middle, longest = statistics.median(lags), lags[-1]
    high = lags[min(len(lags) - 1, int(0.99 * len(lags)))]
    print_line(
        f"  {payments} payments: median {middle:.1f} s, p99 {high:.1f} s, longest {longest:.1f} s"
    )
    name = f"lost webhook to corrected row, tail {TICK_SECONDS:.0f} s, grace {GRACE_SECONDS:.0f} s"
    remark = f"two ticks and grace; {payments} payments in {seconds} s, {load()}"

    return [
        Figure(
            name, "p99, s", f"<= {MOST_SECONDS:.0f}", f"{high:.1f}", high <= MOST_SECONDS, remark
        ),
        Figure(name, "median, s", "", f"{middle:.1f}", None),
        Figure(name, "longest, s", "", f"{longest:.1f}", None),
    ]


def _pay(shop: SmallShop, seconds: int) -> dict[int, float]:
    """Let every payment be paid at a random moment; returns when its event was created, by key."""
    chance, pause = random.Random(SEED), threading.Event()
    moments = sorted(chance.uniform(0, seconds) for _ in shop.intents)
    began = time.monotonic()
    created: dict[int, float] = {}
    for key, (moment, intent) in enumerate(zip(moments, shop.intents, strict=True)):
        pause.wait(max(0.0, began + moment - time.monotonic()))
        created[key] = float(int(time.time()))
        shop.sandbox.succeed(intent.id)
    return created
