"""Remembering very many ids in very little memory."""

from __future__ import annotations

from typing import Final

_BITS: Final = 12
_BUCKETS: Final = 1 << _BITS
_SIZE: Final = 6
_MASK: Final = (1 << (8 * _SIZE)) - 1


class Fingerprints:
    """A set of texts of which only 60 bits each are kept, in about nine bytes: a set of numbers needs seventy.

    Two of a million texts share their bits, so that one of them counts as there without being so, once in two million
    such sets. Not safe between threads.
    """

    def __init__(self) -> None:
        # a bucket is found by 12 of the bits, and holds the other 48 of its texts one after the other
        self._buckets = [bytearray() for _ in range(_BUCKETS)]
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, text: str) -> bool:
        bucket, rest = self._place(text)
        return _is_in(bucket, rest)

    def add(self, text: str) -> bool:
        """Take it in; whether it was new."""
        bucket, rest = self._place(text)
        if _is_in(bucket, rest):
            return False
        bucket += rest
        self._count += 1
        return True

    def _place(self, text: str) -> tuple[bytearray, bytes]:
        bits = hash(text)
        rest = (bits >> _BITS) & _MASK
        return self._buckets[bits & (_BUCKETS - 1)], rest.to_bytes(_SIZE, "little")


def _is_in(bucket: bytearray, rest: bytes) -> bool:
    at = bucket.find(rest)
    while at % _SIZE and at >= 0:
        # the end of one and the beginning of the next look alike
        at = bucket.find(rest, at + 1)
    return at >= 0
