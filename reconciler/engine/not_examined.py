"""What a sweep could not examine, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MOST_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Unexamined:
    """Something that a sweep could not examine, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class NotExamined:
    """What a sweep could not examine for one reason: how many, and the first of them by name."""

    count: int
    what: tuple[str, ...]
    why: str


def by_reason(unexamined: Sequence[Unexamined]) -> tuple[NotExamined, ...]:
    """What was not examined, by reason, the most frequent reason first."""
    # one outage makes hundreds of lines with one reason
    found: dict[str, list[str]] = {}
    for item in unexamined:
        found.setdefault(item.why, []).append(item.what)
    ordered = sorted(found.items(), key=lambda reason: -len(reason[1]))
    return tuple(NotExamined(len(what), tuple(what[:MOST_NAMED]), why) for why, what in ordered)
