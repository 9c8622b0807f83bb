"""What Stripe's search found. It says where to look and never what the money did: its index is behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FoundIntent:
    """An intent that a search shows. ``metadata`` holds the searched key and the configured keys."""

    id: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FoundIntents:
    """The answer to one search.

    ``values`` are the values that were searched for: the first of those requested, as many as fit one query.
    ``is_whole`` is whether every result was read. Even then the index may lack an intent of the last minute, in an
    outage of the last hour.
    """

    intents: tuple[FoundIntent, ...]
    values: tuple[str, ...]
    is_whole: bool
