"""Proves that a POST comes from one of these pages: its origin, and a token that only this person's pages have."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

from reconciler.entrypoints.web.identity import Reader


class PageTokens:
    """The tokens of the pages of one process. After a restart a person has to load the page again."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes()

    def token(self, reader: Reader) -> str:
        """The token of a person's pages."""
        return hmac.new(self._secret, reader.actor.encode(), hashlib.sha256).hexdigest()

    def is_right(self, reader: Reader, given: str) -> bool:
        """Whether a POST has the token of this person."""
        return hmac.compare_digest(self.token(reader), given.encode("ascii", "replace").decode())


def is_same_origin(origin: str | None, host: str | None, fetch_site: str | None) -> bool:
    """Whether a browser says that the POST comes from a page of this host.

    Every browser sends Origin with a POST; "null" and a missing one count as foreign.
    """
    if origin is None or host is None:
        return False
    if fetch_site is not None and fetch_site not in {"same-origin", "none"}:
        return False
    parts = urlsplit(origin)
    return parts.scheme in {"http", "https"} and parts.netloc.lower() == host.lower()
