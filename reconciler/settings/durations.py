"""Durations as the configuration and the command line write them: ``90s``, ``2m``, ``6h``, ``30d`` or ``2w``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator

from reconciler.settings.invalid_value import InvalidValueError

_DURATION: Final = re.compile(r"(\d{1,9})\s*([smhdw])", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST_DURATION: Final = timedelta(days=73_050)
"""Two hundred years: a time plus or minus a duration must stay within the calendar (years 1 to 9999)."""
_LONGEST_REQUEST: Final = timedelta(minutes=1)
NOT_A_DURATION: Final = "this is not a duration."
DURATION_HINT: Final = 'Write a whole number and a unit, such as "90s", "2m", "6h", "30d" or "2w".'


def parse_duration(text: str) -> timedelta:
    """A duration from its text, such as ``90s``, ``2m``, ``6h``, ``30d`` or ``2w``; ``0`` needs no unit.

    Raises InvalidValueError, with the accepted notation in its hint.
    """
    stripped = text.strip()
    if stripped == "0":
        return timedelta(0)

    match = _DURATION.fullmatch(stripped)
    if match is None:
        raise InvalidValueError(NOT_A_DURATION, DURATION_HINT)

    try:
        span = timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        # 999999999w is more than Python's timedelta can hold
        span = timedelta.max
    if span > _LONGEST_DURATION:
        raise InvalidValueError("the duration is too long.", "Write 200 years (73050d) or less.")
    return span


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value

    # TOML and JSON have numbers and booleans; only a text says its unit, and 0 needs none
    is_zero = value == 0 and isinstance(value, int) and not isinstance(value, bool)
    if not isinstance(value, str) and not is_zero:
        raise InvalidValueError(NOT_A_DURATION, DURATION_HINT)
    return parse_duration(str(value))


def _longer_than_zero(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise InvalidValueError("the duration must be longer than zero.", 'Write "1s" or more.')
    return value


def _short_enough_for_a_request(value: timedelta) -> timedelta:
    if value > _LONGEST_REQUEST:
        raise InvalidValueError("the duration is too long for one request.", 'Write "1m" or less.')
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
PositiveDuration = Annotated[
    timedelta, BeforeValidator(_duration), AfterValidator(_longer_than_zero)
]
RequestDuration = Annotated[PositiveDuration, AfterValidator(_short_enough_for_a_request)]
