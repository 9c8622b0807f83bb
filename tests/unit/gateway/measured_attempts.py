"""Reads from hostile servers in a process of its own; prints seconds and growth of each: scheme, port and deadline as arguments.

With ``together PORT``, sixteen threads read at the same time, and their growth together is printed.
"""

from __future__ import annotations

import json
import sys
import threading

from reconciler.adapters.stripe_gateway import Retries, StripeGateway, Timeouts
from reconciler.clock import SystemClock
from reconciler.engine.account import MOST_WORKERS
from reconciler.errors import StripeUnavailableError
from tests.unit.gateway.measured_reads import READS, forget_peak, memory

CLOCK = SystemClock()


def gateway_to(url: str, deadline: float) -> StripeGateway:
    return StripeGateway(
        "rk_test_x",
        account="shop",
        clock=CLOCK,
        acquire=lambda _: None,
        api_base=url,
        timeouts=Timeouts(connect=60, read=60, attempt=deadline),
        retries=Retries(attempts=1),
    )


def attempt(url: str, deadline: float) -> tuple[float, int]:
    with gateway_to(url, deadline) as gateway:
        before, began = memory("VmRSS"), CLOCK.monotonic()
        forget_peak()
        try:
            gateway.retrieve("pi_1")
        except StripeUnavailableError:
            return CLOCK.monotonic() - began, memory("VmHWM") - before
    raise AssertionError("this answer is not one")


def together(url: str) -> int:
    """The most memory of the whole process while as many threads read as a sweep has, each the answers in turn."""
    kinds = [*READS]

    def read_all(gateway: StripeGateway, first: int) -> None:
        for place in range(len(kinds)):
            try:
                READS[kinds[(first + place) % len(kinds)]](gateway)
            except StripeUnavailableError:
                continue

    with gateway_to(url, 60) as gateway:
        forget_peak()
        threads = [
            threading.Thread(target=read_all, args=(gateway, number))
            for number in range(MOST_WORKERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return memory("VmHWM")


def main(arguments: list[str]) -> None:
    if arguments[0] == "together":
        sys.stdout.write(f"{together(arguments[1])}\n")
        return
    deadline, *urls = arguments
    # the first attempt also loads what every attempt needs
    attempt(urls[0], float(deadline))
    for url in urls:
        sys.stdout.write(json.dumps(attempt(url, float(deadline))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
