"""How the bytes of Stripe's answers become objects: within bounds, and with a FieldError for a wrong shape.

A FieldError names the field at fault and never quotes its value.
"""

from __future__ import annotations

import contextlib
import re
from typing import Final, TypeVar

import msgspec

from reconciler.adapters.stripe_gateway.transport import malformed_answer

T = TypeVar("T")

UNCOUNTED_BYTES: Final = 1024 * 1024
"""A body of this size cannot take much memory, and an ordinary page is smaller."""
MOST_VALUES: Final = 200_000
"""A page of a hundred expanded intents with all their metadata has about 40,000."""
MOST_ESCAPES: Final = 200_000
_TEXT_OR_VALUE: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[,\[{]', re.DOTALL)

_PATH: Final = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING_FIELD: Final = re.compile(r"^Object missing required field `([^`]*)`")
_NUL: Final = re.compile(rb"\\u0000|\\.", re.DOTALL)
_HIGH: Final = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_LOW: Final = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF_PAIR: Final = re.compile(
    rb"(?P<pair>" + _HIGH + _LOW + rb")|(?P<half>" + _HIGH + rb"|" + _LOW + rb")|\\.", re.DOTALL
)
_REPLACEMENT: Final = rb"\ufffd"


class FieldError(Exception):
    """An object is not what the API promises. ``field`` is a path such as ``latest_charge.amount``."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


def decode(body: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T:
    """The body as an object of the decoder's shape.

    A NUL character, which PostgreSQL's text cannot hold, becomes U+FFFD. So does half of a surrogate pair, which is no
    valid text: a description that was cut in the middle of an emoji has one.

    Raises:
        FieldError: a field is missing or of another type, or a text is not UTF-8.
        AttemptError: the body is not complete JSON.
    """
    data = bytes(body)
    if len(data) > UNCOUNTED_BYTES:
        _raise_if_too_many_values(data)
    is_repairable = b"\\" not in data or data.count(b"\\") <= MOST_ESCAPES
    if b"\\u0000" in data:
        if not is_repairable:
            raise malformed_answer("the answer has too many escaped characters")
        data = _NUL.sub(_without_nul, data)

    # almost no body has half of a pair, so the repair comes only after a failure
    with contextlib.suppress(msgspec.DecodeError):
        return _decode(data, decoder)
    if is_repairable:
        with contextlib.suppress(msgspec.DecodeError):
            return _decode(_HALF_PAIR.sub(_without_half, data), decoder)
    raise malformed_answer("the answer is cut short or not JSON")


def _raise_if_too_many_values(data: bytes) -> None:
    """Raise AttemptError for a large body that would become more objects than any page of Stripe's.

    A value takes up to a hundred times its bytes as an object: eight megabytes of empty lists would fill the memory.
    """
    if sum(map(data.count, (b",", b"[", b"{"))) <= MOST_VALUES:
        return

    # a text may itself be full of commas
    count = 0
    for found in _TEXT_OR_VALUE.finditer(data):
        count += found[0] in b",[{"
        if count > MOST_VALUES:
            raise malformed_answer("the answer has too many values")


def _decode(data: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode. Valid JSON of another shape raises a new FieldError, because msgspec's own error may quote the contents."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        field = _field_of(str(error))
    except UnicodeDecodeError:
        field = "(a text that is not UTF-8)"
    except RecursionError:
        field = "(nested too deep)"
    raise FieldError(field)


def _field_of(message: str) -> str:
    """The path of the field at fault. msgspec's message may also hold its value, which is left out."""
    path = _PATH.search(message)
    missing = _MISSING_FIELD.match(message)
    parts = [path[1] if path else "", missing[1] if missing else ""]
    return ".".join(part for part in parts if part) or "(the whole)"


def _without_nul(found: re.Match[bytes]) -> bytes:
    return _REPLACEMENT if found[0] == rb"\u0000" else found[0]


def _without_half(found: re.Match[bytes]) -> bytes:
    return _REPLACEMENT if found["half"] else found[0]
