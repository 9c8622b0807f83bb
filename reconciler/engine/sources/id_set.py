"""Remembering very many ids in very little memory."""

from __future__ import annotations

import secrets
from typing import Final

_BITS: Final = 11
_BUCKETS: Final = 1 << _BITS
_SIZE: Final = 5
_MASK: Final = (1 << (8 * _SIZE)) - 1
_SALT_BYTES: Final = 4


class IdSet:
    """A set of texts of which only 51 bits each are kept, in five bytes: a set of numbers needs seventy.

    Among a million texts two share their bits, so that one of them counts as there without being so, in one of four
    thousand such sets. Each set has a salt of its own: what is mistaken in one is not mistaken in the next. Not safe between
    threads.
    """

    def __init__(self) -> None:
        # a bucket is found by 11 of the bits, and holds the other 40 of its texts one after the other; as bytes and not
        # as a bytearray, which keeps an eighth in reserve
        self._buckets = [b""] * _BUCKETS
        self._salt = secrets.token_hex(_SALT_BYTES)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, text: str) -> bool:
        number, rest = self._place(text)
        return _is_in(self._buckets[number], rest)

    def add(self, text: str) -> bool:
        """Take it in; whether it was new."""
        number, rest = self._place(text)
        bucket = self._buckets[number]
        if _is_in(bucket, rest):
            return False
        self._buckets[number] = bucket + rest
        self._count += 1
        return True

    def _place(self, text: str) -> tuple[int, bytes]:
        bits = hash(self._salt + text)
        rest = (bits >> _BITS) & _MASK
        return bits & (_BUCKETS - 1), rest.to_bytes(_SIZE, "little")


def _is_in(bucket: bytes, rest: bytes) -> bool:
    at = bucket.find(rest)
    while at % _SIZE and at >= 0:
        # the end of one and the beginning of the next look alike
        at = bucket.find(rest, at + 1)
    return at >= 0
