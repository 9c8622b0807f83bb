"""What a person is told who writes a row while the application cannot hear of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from reconciler.engine.health.status import LeaseStatus, OutboxStatus
from reconciler.entrypoints.cli.delivery_notice import notice_text

HELD = LeaseStatus("host-1", 20.0, True, "update", None, None, None, False)
FREE = replace(HELD, holder=None, seconds_left=None, service=False)
FRESH = OutboxStatus(waiting=1, oldest_age=1.0)
DOWN = OutboxStatus(
    waiting=3,
    oldest_age=90.0,
    last_error="HTTP 503",
    failures=3,
    failing_since=datetime(2026, 11, 28, 3, 12, tzinfo=UTC),
)


@pytest.mark.parametrize("outbox", [OutboxStatus(), FRESH])
def test_a_service_that_delivers_needs_no_word(outbox: OutboxStatus) -> None:
    """If the service delivers, or nothing waits, there is nothing to say."""
    assert notice_text("eu", HELD, outbox, "shop.example") is None


def test_the_endpoint_is_down() -> None:
    """It names endpoint, time and error; the write stands, the row waits; when it is tried, and how to look."""
    assert notice_text("eu", HELD, DOWN, "shop.example") == (
        "Your application does not know of the change yet. Deliveries to your endpoint at shop.example have failed since"
        " 2026-11-28 03:12:00 UTC (HTTP 503). Your table keeps the change, and 3 outbox rows wait. The service tries the"
        " endpoint again within 5 min, and delivers the rows when the endpoint answers. To see"
        " whether it answers again, run: reconciler status --check health"
    )


def test_no_service_delivers() -> None:
    """Without a service nothing is delivered: it says so, and how to start one, also if the endpoint failed before."""
    assert notice_text("eu", FREE, FRESH, "shop.example") == (
        "Your application does not know of the change yet. No service works on account eu, and only the service"
        " delivers. Your table keeps the change, and 1 outbox row waits. To start the service, run: reconciler run"
    )
    both = notice_text("eu", FREE, DOWN, None) or ""
    assert both.startswith(
        "Your application does not know of the change yet. Deliveries to your endpoint have failed since"
    )
    assert both.endswith(
        "No service works on account eu, so no delivery is tried. To start the service, run: reconciler run"
    )


def test_a_sweep_by_a_person_is_no_service() -> None:
    """A single sweep holds the account while it runs, and delivers nothing."""
    assert "No service" in (notice_text("eu", replace(HELD, service=False), FRESH, None) or "")
