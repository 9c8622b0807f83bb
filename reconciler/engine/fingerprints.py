"""Remembering very many ids in very little memory."""

from __future__ import annotations

import secrets
from typing import Final

_BUCKET_BITS: Final = 11
_BUCKETS: Final = 1 << _BUCKET_BITS
_SIZE: Final = 5
_REST: Final = (1 << (8 * _SIZE)) - 1
_BLOCK: Final = 95 * _SIZE
"""Bytes of a full block: with its header it fills what Python's allocator gives out as one piece. Blocks that grow without a
bound leave holes behind them, half as large again as what they hold."""


class Fingerprints:
    """A set of texts of which only 51 bits each are kept, in about six bytes: a set of numbers needs seventy.

    One of a million texts counts as there without being so in one of four thousand such sets, and another one each time:
    every set has a salt of its own. Not safe between threads.
    """

    def __init__(self) -> None:
        self._salt = secrets.randbits(62)
        # a bucket is found by 11 of the bits, and holds the other 40 of its texts in full blocks and a last one
        self._full: list[tuple[bytes, ...]] = [()] * _BUCKETS
        self._last: list[bytes] = [b""] * _BUCKETS
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, text: str) -> bool:
        return self._holds(*self._place(text))

    def add(self, text: str) -> bool:
        """Take it in; whether it was new."""
        bucket, rest = self._place(text)
        if self._holds(bucket, rest):
            return False
        last = self._last[bucket] + rest
        if len(last) == _BLOCK:
            self._full[bucket] += (last,)
            last = b""
        self._last[bucket] = last
        self._count += 1
        return True

    def _holds(self, bucket: int, rest: bytes) -> bool:
        if _is_in(self._last[bucket], rest):
            return True
        for block in self._full[bucket]:  # noqa: SIM110 - a generator costs as much again as the search
            if _is_in(block, rest):
                return True
        return False

    def _place(self, text: str) -> tuple[int, bytes]:
        bits = hash((self._salt, text))
        rest = (bits >> _BUCKET_BITS) & _REST
        return bits & (_BUCKETS - 1), rest.to_bytes(_SIZE, "little")


def _is_in(block: bytes, rest: bytes) -> bool:
    at = block.find(rest)
    while at % _SIZE and at >= 0:
        # the end of one and the beginning of the next look alike
        at = block.find(rest, at + 1)
    return at >= 0
