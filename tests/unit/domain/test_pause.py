"""The sentence about a pause."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.domain.model.pause import Pause

SINCE = datetime(2026, 3, 1, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("until", "end"),
    [
        (datetime(2026, 3, 1, 5, tzinfo=UTC), "until 2026-03-01 05:00 UTC"),
        (None, "until a person runs reconciler resume"),
    ],
)
def test_the_text_says_who_and_how_long(until: datetime | None, end: str) -> None:
    """It names the person, the beginning and the end."""
    pause = Pause(SINCE, until, "ops@host")
    assert pause.text == f"paused by ops@host since 2026-03-01 03:00 UTC, {end}"
    named = Pause(SINCE, until, "ops@host", "Ada")
    assert named.text == f"paused by Ada (ops@host) since 2026-03-01 03:00 UTC, {end}"
