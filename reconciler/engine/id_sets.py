"""Sets of PaymentIntent ids: those that one sweep has met, and the rechecks that the running sweeps have claimed."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable
from typing import Final

_BUCKET_BITS: Final = 11
_BUCKETS: Final = 1 << _BUCKET_BITS
_ENTRY_BYTES: Final = 5
_ENTRY_MASK: Final = (1 << (8 * _ENTRY_BYTES)) - 1
_SALT_BYTES: Final = 4


class IdSet:
    """A set of texts that keeps 51 bits of each text, in five bytes. A Python set of numbers needs seventy bytes each.

    Two texts of a million share their 51 bits in one of four thousand sets; the second of them then counts as
    contained. Each set has its own salt, so that the next set does not repeat the mistake. Not safe between threads.
    """

    def __init__(self) -> None:
        # 11 of the bits choose the bucket; the bucket holds the other 40 bits of its texts, one entry after the other.
        # It is bytes and not a bytearray, because a bytearray keeps an eighth in reserve.
        self._buckets = [b""] * _BUCKETS
        self._salt = secrets.token_hex(_SALT_BYTES)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, text: str) -> bool:
        number, entry = self._place(text)
        return _is_in(self._buckets[number], entry)

    def add(self, text: str) -> bool:
        """Add a text; whether it was new."""
        number, entry = self._place(text)
        bucket = self._buckets[number]
        if _is_in(bucket, entry):
            return False
        self._buckets[number] = bucket + entry
        self._count += 1
        return True

    def _place(self, text: str) -> tuple[int, bytes]:
        """The number of a text's bucket, and its entry there."""
        bits = hash(self._salt + text)
        entry = (bits >> _BUCKET_BITS) & _ENTRY_MASK
        return bits & (_BUCKETS - 1), entry.to_bytes(_ENTRY_BYTES, "little")


def _is_in(bucket: bytes, entry: bytes) -> bool:
    at = bucket.find(entry)
    while at % _ENTRY_BYTES and at >= 0:
        # the end of one entry and the beginning of the next can look like a third entry
        at = bucket.find(entry, at + 1)
    return at >= 0


class ClaimedRechecks:
    """The rechecks that sweeps of the service are reading now. One object serves all sweeps of an account.

    The tail and the due source both read the rechecks that are due. The first sweep claims them until it ends, and
    the other sweep takes the rest, so that neither waits for the other. Safe to share between threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claimed: set[str] = set()

    def claim(
        self, read_due: Callable[[int], tuple[str, ...]], most: int
    ) -> tuple[tuple[str, ...], bool]:
        """Claim up to ``most`` due intents that no other sweep has claimed; and whether there are more of them.

        ``read_due`` takes a number and returns at most so many intents with a due recheck.
        """
        # Read under the lock. A recheck that another sweep gives back before this read is settled by then.
        with self._lock:
            due = read_due(most + 1 + len(self._claimed))
            free = [intent for intent in due if intent not in self._claimed]
            claimed = tuple(free[:most])
            self._claimed.update(claimed)
            return claimed, len(free) > most

    def give_back(self, intents: Iterable[str]) -> None:
        """End the claim of a sweep that has ended. The next sweep can claim what this one did not settle."""
        with self._lock:
            self._claimed.difference_update(intents)

    def is_claimed(self, intent: str) -> bool:
        """Whether a sweep has claimed this intent."""
        with self._lock:
            return intent in self._claimed
