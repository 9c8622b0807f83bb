"""Checks passwords against their hashes, and slows down who tries many."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from reconciler.clock import Clock

FREE_TRIES: Final = 5
"""How many wrong passwords cost nothing: people mistype."""
LONGEST_WAIT_SECONDS: Final = 300
REMEMBERED_SECONDS: Final = 600
"""How long a right password is remembered. A browser sends it with each request, and a check takes long on purpose."""
MOST_REMEMBERED: Final = 1_000
LONGEST_PASSWORD: Final = 1_000


def new_hash(password: str) -> str:
    """The hash of a password for the users file: argon2id, as RFC 9106 recommends for little memory."""
    return PasswordHasher().hash(password)


def is_hash(text: str) -> bool:
    """Whether a text is a hash that can be checked."""
    try:
        PasswordHasher().check_needs_rehash(text)
    except InvalidHashError:
        return False
    return True


@dataclass(slots=True)
class _Failures:
    """Wrong passwords in a row, and the time until which no other is checked."""

    count: int = 0
    until: float = 0.0


class Passwords:
    """Checks passwords. Safe to share between threads.

    Wrong ones are counted for each name and for each address. After some, the next one has to wait, longer each time.
    """

    def __init__(self, clock: Clock, hasher: PasswordHasher | None = None) -> None:
        """``hasher`` is for tests, which want a check that costs little."""
        self._clock = clock
        self._hasher = hasher or PasswordHasher()
        # a name that does not exist costs as much time as one that does
        self._no_one_hash = self._hasher.hash(secrets.token_urlsafe())
        self._secret = secrets.token_bytes()
        self._known: dict[bytes, float] = {}
        self._failures: dict[str, _Failures] = {}
        self._lock = threading.Lock()
        # each check takes 64 MB: one at a time
        self._checking = threading.Lock()

    def is_known(self, name: str, password: str, hash_: str | None) -> bool:
        """Whether this password was right a moment ago."""
        if hash_ is None:
            return False
        with self._lock:
            return self._known.get(self._mark(name, password, hash_), 0.0) > self._clock.monotonic()

    def seconds_to_wait(self, name: str, peer: str) -> int:
        """How long the next password has to wait; 0 if it is checked at once."""
        now = self._clock.monotonic()
        with self._lock:
            until = max(
                (self._failures[key].until for key in _keys(name, peer) if key in self._failures),
                default=0.0,
            )
        return max(0, int(until - now + 0.999))

    def check(self, name: str, password: str, hash_: str | None, peer: str) -> bool:
        """Whether the password is that of the hash. A wrong one is counted."""
        if hash_ is not None and self.is_known(name, password, hash_):
            return True
        is_right = self._is_right(password, hash_)
        with self._lock:
            if is_right and hash_ is not None:
                self._remember(self._mark(name, password, hash_))
                for key in _keys(name, peer):
                    self._failures.pop(key, None)
            else:
                for key in _keys(name, peer):
                    self._count_failure(key)
        return is_right

    def _is_right(self, password: str, hash_: str | None) -> bool:
        if len(password) > LONGEST_PASSWORD:
            return False
        with self._checking:
            try:
                self._hasher.verify(hash_ or self._no_one_hash, password)
            except (VerificationError, InvalidHashError):
                return False
        return hash_ is not None

    def _mark(self, name: str, password: str, hash_: str) -> bytes:
        text = f"{name}\0{password}\0{hash_}".encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, text, hashlib.sha256).digest()

    def _remember(self, mark: bytes) -> None:
        now = self._clock.monotonic()
        if len(self._known) >= MOST_REMEMBERED:
            self._known = {key: until for key, until in self._known.items() if until > now}
        if len(self._known) < MOST_REMEMBERED:
            self._known[mark] = now + REMEMBERED_SECONDS

    def _count_failure(self, key: str) -> None:
        now = self._clock.monotonic()
        if len(self._failures) >= MOST_REMEMBERED and key not in self._failures:
            # the oldest waits are over soonest
            oldest = min(self._failures, key=lambda one: self._failures[one].until)
            del self._failures[oldest]
        found = self._failures.setdefault(key, _Failures())
        found.count += 1
        over = found.count - FREE_TRIES
        if over >= 0:
            found.until = now + min(LONGEST_WAIT_SECONDS, 2.0 ** min(over, 16))


def _keys(name: str, peer: str) -> tuple[str, str]:
    return f"name {name}", f"peer {peer}"
