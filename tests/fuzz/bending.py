"""Bends a valid JSON value: a value of another type, a field too many or missing, an extreme, or raw bytes changed."""

from __future__ import annotations

import json
from random import Random
from typing import Any, Final

ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**30, 0.5, 1e308, "", "0", "null", " ",
    "\x00", "\u202e", "pi_1", "x" * 300, "2026-01-01", [], {}, [[]], {"id": None}, ["pi_1"], {"object": "list", "data": []},
)  # fmt: skip
RAW: Final = (
    b"NaN",
    b"1e999",
    b"\\ud800",
    b"\xff",
    b"\x00",
    b"}",
    b"]",
    b'"',
    b"[" * 200,
    b"9" * 400,
    b",",
)


def bent(value: Any, random: Random, times: int) -> bytes:
    """The JSON of a value with so many random changes."""
    changed = json.loads(json.dumps(value))
    for _ in range(times):
        changed = _changed(changed, random)
    body = json.dumps(changed).encode()
    if random.random() < 0.3:
        at = random.randrange(len(body) + 1)
        body = body[:at] + random.choice(RAW) + body[at + random.randrange(3) :]
    if random.random() < 0.1:
        body = body[: random.randrange(len(body) + 1)]
    return body


def _changed(value: Any, random: Random) -> Any:
    """The value with one change somewhere in it."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        name = random.choice(list(value))
        what = random.random()
        if what < 0.15:
            return {key: item for key, item in value.items() if key != name}
        if what < 0.2:
            return {**value, random.choice(("extra", "id", "object", "")): random.choice(ODD)}
        return {**value, name: _changed(value[name], random)}
    if isinstance(value, list) and value and random.random() < 0.85:
        at = random.randrange(len(value))
        if random.random() < 0.15:
            return value[:at] + value[at + 1 :] + [value[at]] * random.randrange(3)
        return [_changed(item, random) if place == at else item for place, item in enumerate(value)]
    return random.choice(ODD)
