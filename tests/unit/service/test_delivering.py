"""The job ``deliver`` among the others: it neither hurries nor hides a sweep."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.clock import ManualClock
from reconciler.engine.health.watchdog import Pulse
from reconciler.entrypoints.service.metrics import Metrics
from reconciler.entrypoints.service.service import LATE, Service
from reconciler.settings import DeliverySection, load
from tests.unit.engine.doubles import NOW
from tests.unit.settings.configuration import ENVIRON, EXAMPLE

LIMIT = LATE * 60 + 180
"""Seconds: three ticks of the tail, and ``stall``."""


@pytest.mark.parametrize(
    ("seconds", "running", "late"),
    [
        (LIMIT - 1, (), []),
        (LIMIT + 1, (), ["default"]),
        (LIMIT + 1, ("default:due",), []),
        (LIMIT + 1, ("default:deliver",), ["default"]),
    ],
)
def test_deliveries_say_nothing_about_passes(
    seconds: float, running: tuple[str, ...], late: list[str]
) -> None:
    """Being alive means that sweeps are complete: a delivery every ten seconds is no reason to miss one, nor a sweep."""
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
    _, facts = service.alive(running, ())
    assert facts["late"] == late
