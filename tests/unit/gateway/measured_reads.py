"""Makes reads in a process of its own, and prints by how much the process grew during each: url and names as arguments."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from reconciler.adapters.stripe_gateway import Retries, StripeGateway
from reconciler.clock import SystemClock
from reconciler.domain.model.time_range import TimeRange
from reconciler.errors import ReconcilerError

READS: dict[str, Callable[[StripeGateway], object]] = {
    "retrieve": lambda gateway: gateway.retrieve("pi_1"),
    "list": lambda gateway: gateway.list_intents(TimeRange()),
    "events": lambda gateway: gateway.list_events(TimeRange(), ["charge.failed"]),
    "charge": lambda gateway: gateway.list_charges("pi_1"),
}


def memory(field: str) -> int:
    """A figure of this process's memory in bytes: VmRSS is the present size, VmHWM the largest since ``forget_peak``."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def main(url: str, kinds: list[str]) -> None:
    """Make an ordinary read of each kind, and then each read in turn."""
    with StripeGateway(
        "rk_test_x",
        account="shop",
        clock=SystemClock(),
        acquire=lambda _: None,
        api_base=url,
        retries=Retries(attempts=1),
    ) as gateway:
        for read in READS.values():
            read(gateway)
        for kind in kinds:
            before = memory("VmRSS")
            forget_peak()
            try:
                READS[kind](gateway)
                ended = "answer"
            except ReconcilerError as error:
                ended = type(error).__name__
            sys.stdout.write(json.dumps([ended, memory("VmHWM") - before]) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
