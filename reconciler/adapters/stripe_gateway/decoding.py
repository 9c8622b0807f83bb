"""From the bytes of an answer to the shapes of :mod:`wire`. What cannot be read is named, never quoted."""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec

from reconciler.adapters.stripe_gateway.answer import malformed
from reconciler.adapters.stripe_gateway.wire import WireErrorBody, WireHead

T = TypeVar("T")

HEAD: Final = msgspec.json.Decoder(WireHead)
ERROR_BODY: Final = msgspec.json.Decoder(WireErrorBody)

_ID: Final = re.compile(r"[A-Za-z0-9_]{1,255}")
_PATH: Final = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING: Final = re.compile(r"^Object missing required field `([^`]*)`")
_NUL: Final = re.compile(rb"\\u0000|\\.", re.DOTALL)
_HIGH: Final = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_LOW: Final = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF_PAIR: Final = re.compile(
    rb"(?P<pair>" + _HIGH + _LOW + rb")|(?P<half>" + _HIGH + rb"|" + _LOW + rb")|\\.", re.DOTALL
)
_REPLACEMENT: Final = rb"\ufffd"


def is_id(value: object) -> bool:
    """Whether this can be one of Stripe's ids: its prefix is not promised, its letters and length are."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


class FieldError(Exception):
    """An object is not what the API promises. ``field`` is where, a path such as ``latest_charge.amount``."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


def decode(body: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T:
    """The body as a shape.

    A NUL character, which PostgreSQL's text cannot hold, is read as U+FFFD; so is half of a surrogate pair, which is no
    text at all (a description that was cut in the middle of an emoji has one).

    Raises:
        FieldError: a field is missing or of another type, or a text is not UTF-8.
        AttemptError: this is not whole JSON.
    """
    data = bytes(body)
    if b"\\u0000" in data:
        data = _NUL.sub(_without_nul, data)
    try:
        return _decode(data, decoder)
    except msgspec.DecodeError:
        repaired = _HALF_PAIR.sub(_without_half, data)
    try:
        return _decode(repaired, decoder)
    except msgspec.DecodeError:
        pass
    raise malformed("the answer is cut short or no JSON")


def _decode(data: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode, with a FieldError for what is valid JSON. Errors are raised anew: msgspec's may quote the contents."""
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
    """Where msgspec found the fault. Its message may also hold the value at fault, which is left out."""
    path = _PATH.search(message)
    missing = _MISSING.match(message)
    parts = [path[1] if path else "", missing[1] if missing else ""]
    return ".".join(part for part in parts if part) or "(the whole)"


def _without_nul(found: re.Match[bytes]) -> bytes:
    return _REPLACEMENT if found[0] == rb"\u0000" else found[0]


def _without_half(found: re.Match[bytes]) -> bytes:
    return _REPLACEMENT if found["half"] else found[0]
