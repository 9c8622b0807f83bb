"""When a person's sweep stops before it corrects more rows."""

from __future__ import annotations

import pytest

from reconciler.engine.page.brake import is_above_brake


@pytest.mark.parametrize(
    ("corrections", "examined", "stops"),
    [
        (500, 100_000, False),
        (501, 100_000, True),
        (50, 199, False),
        (50, 200, True),
        (49, 200, False),
        (50, 500, False),
        (51, 500, True),
        (100, 1000, False),
        (101, 1000, True),
    ],
)
def test_the_limits(corrections: int, examined: int, stops: bool) -> None:
    """More than 500 corrections, or more than a tenth once 200 are examined and 50 are to be corrected."""
    assert is_above_brake(corrections, examined) is stops
