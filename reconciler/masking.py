"""Makes text safe to be shown, stored and logged: masks secrets, and escapes what could control a terminal.

Text of Stripe, of the database and of the merchant's own columns is untrusted. A secret is an API key, a webhook's
signing secret, a client_secret, a password in a URL, or a bearer token. Only the full shape of a secret is masked, not a
mere prefix such as ``sk_live_``, so that messages can name the prefix.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

MASK: Final = "***"
QUICKEST_LENGTH: Final = 30_000
"""From here on Python looks for a text in another way, which is slower for these."""
_HASH_DIGITS: Final = 16
"""64 bits: enough to tell two masked values of one table apart."""
_BODY: Final = "[A-Za-z0-9_]"
_SECRETS: Final = (
    # the dashboard's keys: sk_live_…, rk_test_…, pk_live_…; then older ones without a mode
    (re.compile(rf"((?:sk|rk|pk)_(?:live|test)_){_BODY}{{16,}}"), rf"\1{MASK}"),
    (re.compile(r"((?<![A-Za-z0-9])(?:sk|rk|pk)_)[A-Za-z0-9]{16,}"), rf"\1{MASK}"),
    (re.compile(r"(whsec_)[A-Za-z0-9+/=_-]{16,}"), rf"\1{MASK}"),
    # pi_…_secret_…, seti_…_secret_…, cs_live_…_secret_…
    (
        re.compile(rf"((?:pi|seti|cs|src|sub|in)_{_BODY}{{1,255}}?_secret_)[A-Za-z0-9]+"),
        rf"\1{MASK}",
    ),
    # every repetition has a bound, so that a megabyte of hostile text takes no longer than another one
    (re.compile(r"(://[^\s:/@\"']{0,255}+:)[^\s@\"']{1,512}+(?=@)"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(password\s{0,9}=\s{0,9})('[^']{0,1024}'|[^\s'\"&]+)"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(bearer\s{1,9}|basic\s{1,9})[A-Za-z0-9+/=_.-]{8,}"), rf"\1{MASK}"),
)
_MASKED_END: Final = re.compile(rf"#[0-9a-f]{{{_HASH_DIGITS}}}")
_JSON_LEAVES: Final = re.compile(
    "[\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""C1, marks of direction and of format, separators of lines, and halves of characters: JSON does not escape these."""


def may_hold_secret(text: str) -> bool:
    """False if a text certainly holds no secret: no pattern of a secret matches without one of these signs.

    It is much faster than to mask the text. An export asks it of millions of texts, so each sign is searched for only
    if a part of it that is quicker to find is there. It is quickest for texts of up to ``QUICKEST_LENGTH`` characters.
    """
    if _may_hold_key(text):
        return True
    lower = text.lower()
    return ("=" in lower and "password" in lower) or "bearer" in lower or "basic" in lower


def may_lines_hold_secret(lines: str) -> bool:
    """As ``may_hold_secret``, of lines of JSON with a value each: some times as fast if no value of them has white space.

    Each line is JSON without a space between its parts. An export of a million lines asks it.
    """
    # white space stands before a token, and JSON writes that which is no space with a backslash
    if " " in lines or "\\" in lines or not lines.isascii():
        return may_hold_secret(lines)
    return _may_hold_key(lines) or ("=" in lines and "password" in lines.lower())


def _may_hold_key(text: str) -> bool:
    # a URL with a password has an @, and a password that is named has a =, which is found in no time
    if "_secret_" in text or "whsec_" in text or ("@" in text and "://" in text):
        return True
    return "k_" in text and ("sk_" in text or "rk_" in text or "pk_" in text)


def redact(text: str) -> str:
    """The text with every secret in it replaced by its prefix and ``***``. To redact it again changes nothing."""
    if not may_hold_secret(text):
        return text
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def storable(text: str) -> str:
    """The text as it may be stored. A masked one gets a part of its SHA-256, so that identities stay distinct.

    The same text always gives the same result, and so does the result itself.
    """
    masked = redact(text)
    if masked == text:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{masked}#{digest[:_HASH_DIGITS]}"


def storable_texts(texts: Iterable[str | None]) -> list[str | None]:
    """Each text as it may be stored."""
    return [None if text is None else storable(text) for text in texts]


def is_masked(text: str | None) -> bool:
    """The text is what ``storable`` makes of one with a secret, so it is not the value that it stands for."""
    if text is None or MASK not in text:
        return False
    return _MASKED_END.fullmatch(text[-_HASH_DIGITS - 1 :]) is not None


def map_texts(value: Any, change: Callable[[str], str]) -> Any:
    """A value with every text in it changed, at any depth. A member of an enum is no free text and stays."""
    match value:
        case str():
            return change(value) if type(value) is str else value
        case Mapping():
            return {map_texts(key, change): map_texts(item, change) for key, item in value.items()}
        case list() | tuple():
            return [map_texts(item, change) for item in value]
        case _:
            return value


def visible(text: str, *, keep: str = "") -> str:
    r"""The text with every character escaped that cannot be seen, such as ``\x1b`` or ``\u202e``.

    A terminal obeys C0 and C1, and marks of direction show text in another order than it has. ``keep`` are characters
    that stay, such as a line feed.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    number = ord(char)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def visible_json(text: str) -> str:
    r"""JSON text in which such characters are escaped as JSON does it (``\u202e``), so that it has the same values."""
    # of ASCII, JSON escapes all but this one
    if text.isascii() and "\x7f" not in text:
        return text
    return _JSON_LEAVES.sub(lambda found: json.dumps(found[0])[1:-1], text)
