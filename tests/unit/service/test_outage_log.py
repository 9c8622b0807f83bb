"""A long outage is some lines of the log, not one for each try."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog

from reconciler.clock import ManualClock
from reconciler.engine.delivery.deliver import DeliveryReport
from reconciler.entrypoints.service.delivery_job import note_outage
from reconciler.entrypoints.service.outage_log import Outage, OutageLog


def test_lines_come_at_growing_intervals() -> None:
    """A day of failures, one every 10 s: the first, then after 1, 3, 7 … minutes, and hourly at last."""
    clock = ManualClock(datetime(2026, 11, 2, tzinfo=UTC))
    outages = OutageLog(clock)
    minutes = []
    for _ in range(24 * 360):
        found = outages.failed("sweep.failed tail")
        if found is not None:
            minutes.append(found.seconds / 60)
        clock.advance(timedelta(seconds=10))
    assert minutes[:6] == [0, 1, 3, 7, 15, 31]
    assert len(minutes) < 32
    assert outages.over("sweep.failed tail") == Outage(24 * 360, 86_400.0)


def test_each_name_has_its_own_outage() -> None:
    """Another job's failure is news, and so is the next failure after an end."""
    clock = ManualClock(datetime(2026, 11, 2, tzinfo=UTC))
    outages = OutageLog(clock)
    assert outages.failed("tail") == Outage(1, 0.0)
    assert outages.failed("tail") is None
    assert outages.failed("due") == Outage(1, 0.0)
    assert outages.over("window") is None
    clock.advance(timedelta(seconds=5))
    assert outages.over("tail") == Outage(2, 5.0)
    assert outages.failed("tail") == Outage(1, 0.0)


def test_the_end_of_an_outage_of_the_endpoint_is_logged() -> None:
    """Once, when a message is received again; a run without a message, or one refused message, says nothing."""
    clock = ManualClock(datetime(2026, 11, 2, tzinfo=UTC))
    outages = OutageLog(clock)
    with structlog.testing.capture_logs() as lines:
        note_outage(outages, DeliveryReport("shop", delivered=3, failed=1))
        note_outage(outages, DeliveryReport("shop", failed=3, endpoint_down=True))
        clock.advance(timedelta(seconds=90))
        note_outage(outages, DeliveryReport("shop"))
        assert lines == []
        note_outage(outages, DeliveryReport("shop", delivered=1))
        note_outage(outages, DeliveryReport("shop", delivered=1))
    assert lines == [
        {
            "event": "outage.over",
            "log_level": "info",
            "account": "shop",
            "of": "deliver",
            "times": 1,
            "seconds": 90.0,
        }
    ]
