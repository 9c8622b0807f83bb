"""A rule of ``[review.people]``: a user name belongs to one person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from reconciler.errors import ConfigurationFault
from reconciler.settings.values import LONGEST_SHOWN


def people_faults(raw: Mapping[str, Any]) -> list[ConfigurationFault]:
    """The user names that two people have: one of them could sign what the other prepared, and be one person."""
    review = raw.get("review")
    people = review.get("people") if isinstance(review, Mapping) else None
    if not isinstance(people, Mapping):
        return []
    # a value of a wrong type is a fault of its own
    held = Counter(
        identity
        for identities in people.values()
        if isinstance(identities, list | tuple)
        for identity in {one for one in identities if isinstance(one, str)}
    )
    return [
        ConfigurationFault(
            f'review.people: {times} people have the user name "{identity[:LONGEST_SHOWN]}".',
            "Give it to one of them.",
        )
        for identity, times in held.items()
        if times > 1
    ]
