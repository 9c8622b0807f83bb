"""The job ``deliver`` has no influence on the health of the account's sweeps."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.clock import ManualClock
from reconciler.engine.health.watchdog import Pulse
from reconciler.entrypoints.service.process_metrics import Metrics
from reconciler.entrypoints.service.service import LATE_INTERVALS, Service
from reconciler.settings import DeliverySection, load
from tests.unit.engine.doubles import NOW
from tests.unit.settings.configuration import ENVIRON, EXAMPLE

LIMIT_SECONDS = LATE_INTERVALS * 60 + 180
"""Three intervals of the tail, and ``stall``."""


@pytest.mark.parametrize(
    ("seconds", "running", "late"),
    [
        (LIMIT_SECONDS - 1, (), []),
        (LIMIT_SECONDS + 1, (), ["default"]),
        (LIMIT_SECONDS + 1, ("default:due",), []),
        (LIMIT_SECONDS + 1, ("default:deliver",), ["default"]),
    ],
)
def test_a_delivery_does_not_count_as_a_sweep(
    seconds: float, running: tuple[str, ...], late: list[str]
) -> None:
    """The service is healthy while sweeps are complete or running: a running delivery does not make it healthy."""
    clock = ManualClock(NOW)
    settings = load(
        EXAMPLE,
        {
            **ENVIRON,
            "STRIPE_API_KEY": "rk_live_abc",
            "RECONCILER_BUDGET__READS_PER_30_DAYS": "100000000",
        },
    )
    endpoint = DeliverySection(url="https://shop.example/reconciler")
    service = Service(
        replace(settings, delivery=endpoint), "replica", clock, Pulse(clock, 180), Metrics()
    )
    clock.advance(timedelta(seconds=seconds))
    _, facts = service.health(running, ())
    assert facts["late"] == late
