"""A duration of the configuration or the command line, such as 90s or 30d."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from reconciler.settings import parse_duration


@given(st.integers(min_value=0, max_value=10_000), st.sampled_from("smhdw"))
def test_a_duration_is_its_number_times_its_unit(number: int, unit: str) -> None:
    """Every unit is understood: seconds, minutes, hours, days and weeks."""
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[unit]
    assert parse_duration(f"{number}{unit}") == timedelta(seconds=number * seconds)


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    """Any text is a duration, or a ValueError that shows the accepted notation."""
    try:
        span = parse_duration(text)
    except ValueError as error:
        said = str(error)
    else:
        said = "30d" if span >= timedelta(0) else ""
    assert "30d" in said or "too long" in said
