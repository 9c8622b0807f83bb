"""Who reads a page: a person whom a reverse proxy names, or who gives a name and a password."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from reconciler.entrypoints.web.passwords import Passwords

LONGEST_NAME: Final = 200


class Role(StrEnum):
    """What a person may do on the pages."""

    VIEWER = "viewer"
    """Read everything."""
    REVIEWER = "reviewer"
    """Also write notes, assign, settle, and sign."""


@dataclass(frozen=True, slots=True)
class Reader:
    """The person at a page."""

    name: str
    role: Role

    @property
    def actor(self) -> str:
        """The name under which the ledger knows what this person does."""
        return f"web:{self.name}"

    @property
    def may_review(self) -> bool:
        """Whether the person may change something."""
        return self.role is Role.REVIEWER


@dataclass(frozen=True, slots=True)
class User:
    """A line of the users file. ``hash`` is None for a person whom only the reverse proxy logs in."""

    name: str
    role: Role
    hash: str | None


class NotLoggedInError(Exception):
    """No person has logged in, or with a wrong password."""


class TooManyTriesError(Exception):
    """Too many wrong passwords. ``seconds`` is how long to wait."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"wait {seconds} s")
        self.seconds = seconds


class ForgedHeaderError(Exception):
    """A request has the header of the reverse proxy, and comes from elsewhere."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request says about who sent it: the address of its peer, and both headers, each as often as it is there."""

    peer: str
    named: Sequence[str]
    authorization: str | None


class Identification:
    """Decides who a request is from. Safe to share between threads."""

    def __init__(
        self,
        users: Sequence[User],
        user_header: str | None,
        trusted_proxies: Sequence[str],
        passwords: Passwords,
    ) -> None:
        self.user_header = user_header
        self._users = {user.name: user for user in users}
        self._proxies = [ip_network(text) for text in trusted_proxies]
        self._passwords = passwords

    def reader(self, given: Credentials) -> Reader:
        """The person. Raises NotLoggedInError, TooManyTriesError or ForgedHeaderError."""
        if self.user_header is not None and given.named:
            # every program can send the header, so that only the proxy's word counts
            if not _is_in(given.peer, self._proxies):
                raise ForgedHeaderError
            # two of them: one is the proxy's, and it is not known which
            if len(given.named) > 1:
                raise ForgedHeaderError
            return self._named(given.named[0].strip())
        return self._logged_in(given)

    def _named(self, name: str) -> Reader:
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise NotLoggedInError
        user = self._users.get(name)
        return Reader(name, Role.VIEWER if user is None else user.role)

    def _logged_in(self, given: Credentials) -> Reader:
        login = _login(given.authorization)
        if login is None:
            raise NotLoggedInError
        name, password = login
        user = self._users.get(name)
        wait = self._passwords.seconds_to_wait(name, given.peer)
        hash_ = None if user is None else user.hash
        if self._passwords.is_known(name, password, hash_):
            wait = 0
        if wait > 0:
            raise TooManyTriesError(wait)
        if not self._passwords.check(name, password, hash_, given.peer) or user is None:
            raise NotLoggedInError
        return Reader(user.name, user.role)


def _is_in(peer: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    # a socket for both versions shows an IPv4 peer as ::ffff:a.b.c.d
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)


def _login(authorization: str | None) -> tuple[str, str] | None:
    """Name and password of HTTP basic authentication (RFC 7617); None if there are none."""
    if authorization is None:
        return None
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    name, colon, password = text.partition(":")
    return (name, password) if colon and name else None
