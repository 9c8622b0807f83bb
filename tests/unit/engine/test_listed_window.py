"""A window sweep stores the range of creation that it listed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.domain.model.time_range import TimeRange
from reconciler.engine.sweep.listed_window import ListedWindow

SINCE, UNTIL, LISTED_FROM = (datetime(2026, 3, day, tzinfo=UTC) for day in (1, 20, 25))


@pytest.mark.parametrize(
    ("listed", "stored"),
    [
        (TimeRange(SINCE, UNTIL), (SINCE.isoformat(), UNTIL.isoformat())),
        # a range without an end ends when its list began
        (TimeRange(SINCE), (SINCE.isoformat(), LISTED_FROM.isoformat())),
        (TimeRange(), (None, LISTED_FROM.isoformat())),
    ],
)
def test_a_range_is_stored(listed: TimeRange, stored: tuple[str | None, str]) -> None:
    """From its beginning to its end, so that the pages can say what the sweep examined."""
    body = ListedWindow(UTC, writes_rows=False).as_body(listed, LISTED_FROM)
    assert (body["created_from"], body["created_until"]) == stored


def test_nothing_was_listed() -> None:
    """Then there is no range."""
    body = ListedWindow(UTC, writes_rows=False).as_body(None, None)
    assert (body["created_from"], body["created_until"]) == (None, None)
