"""The body of an answer, decoded, and never larger than the caller allows."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from reconciler.adapters.http.bounds import HttpError, HttpFailure

ACCEPTED: Final = "gzip, deflate"
_PLAIN: Final = ("", "identity")
_WINDOWS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_RAW_DEFLATE: Final = -15


def decoded(pieces: Iterable[bytes], encoding: str, largest: int) -> Iterator[bytes]:
    """The decoded pieces of a body with this ``Content-Encoding``: none, gzip or deflate, one of them once.

    Raises HttpError for another encoding, for bytes that are not encoded so, and for more than ``largest`` bytes, be it
    before or after decoding: neither an endless header nor a small body that decodes to a large one gets far.
    """
    encoding = encoding.strip().lower()
    if encoding in _PLAIN:
        return _limited(pieces, largest)
    window = _WINDOWS.get(encoding)
    if window is None:
        raise HttpError(HttpFailure.WRONG_ENCODING)
    return _inflated(_limited(pieces, largest), window, largest)


def _limited(pieces: Iterable[bytes], largest: int) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > largest:
            raise HttpError(HttpFailure.BODY_TOO_LONG)
        yield piece


def _inflated(pieces: Iterable[bytes], window: int, largest: int) -> Iterator[bytes]:
    decoder = zlib.decompressobj(window)
    is_first = True
    size = 0
    for piece in pieces:
        rest = piece
        while rest:
            if decoder.eof:
                # a second stream after the first is no part of this body
                raise HttpError(HttpFailure.WRONG_ENCODING)
            output = None
            try:
                output = decoder.decompress(rest, largest - size + 1)
            except zlib.error:
                # some servers send deflate without its header
                is_raw = is_first and window == _WINDOWS["deflate"]
            if output is None and not is_raw:
                raise HttpError(HttpFailure.WRONG_ENCODING)
            if output is None:
                window, decoder = _RAW_DEFLATE, zlib.decompressobj(_RAW_DEFLATE)
                continue

            is_first = False
            size += len(output)
            if size > largest:
                raise HttpError(HttpFailure.BODY_TOO_LONG)
            rest = decoder.unconsumed_tail or decoder.unused_data
            if output:
                yield output
    if not decoder.eof:
        raise HttpError(HttpFailure.WRONG_ENCODING)
