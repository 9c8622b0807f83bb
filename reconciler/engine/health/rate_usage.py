"""The pace of the service as it stands in its row, for whoever looks at the status in another process."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from reconciler.engine.health.status import LanePace, Pace
from reconciler.engine.limits.endpoint_limit import LaneUsage
from reconciler.engine.limits.rate_limiter import Usage


def as_pace_form(usage: Usage) -> Mapping[str, object]:
    """As JSON can hold it."""
    return {
        "overall": _lane_form(usage.overall),
        "endpoints": {
            endpoint.value: _lane_form(lane)
            for endpoint, lane in usage.endpoints.items()
            if lane.busiest
        },
    }


def from_pace_form(form: Any, at: datetime | None) -> Pace | None:
    """What stands there; None where nothing does, or what another version wrote."""
    if form is None or at is None:
        return None
    try:
        endpoints = {str(name): _lane(lane) for name, lane in form["endpoints"].items()}
        return Pace(at, _lane(form["overall"]), endpoints)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _lane_form(lane: LaneUsage) -> Mapping[str, object]:
    return {"limit": lane.limit, "rate": round(lane.rate, 3), "busiest": lane.busiest}


def _lane(form: Any) -> LanePace:
    limit = float(form["limit"])
    if limit <= 0:
        raise ValueError("a limit is more than nothing")
    return LanePace(limit, float(form["rate"]), int(form["busiest"]))
