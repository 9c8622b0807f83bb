"""The body of an answer, decoded, and never larger than the caller allows."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from reconciler.adapters.http.bounds import HttpError, HttpFailure

ACCEPTED: Final = "gzip, deflate"
_PLAIN: Final = ("", "identity")
_GZIP: Final = ("gzip", "x-gzip")
_GZIP_WINDOW: Final = 31
_ZLIB_WINDOW: Final = 15
_RAW_WINDOW: Final = -15


def decoded(pieces: Iterable[bytes], encoding: str, largest: int) -> Iterator[bytes]:
    """The decoded pieces of a body with this ``Content-Encoding``: none, gzip or deflate, one of them once.

    Raises HttpError for another encoding, for bytes that are not encoded so, and for more than ``largest`` bytes, be it
    before or after decoding: neither an endless header nor a small body that decodes to a large one gets far.
    """
    encoding = encoding.strip().lower()
    if encoding in _PLAIN:
        return _limited(pieces, largest)
    if encoding not in _GZIP and encoding != "deflate":
        raise HttpError(HttpFailure.WRONG_ENCODING)
    return _inflated(_limited(pieces, largest), largest, is_gzip=encoding in _GZIP)


def _limited(pieces: Iterable[bytes], largest: int) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > largest:
            raise HttpError(HttpFailure.BODY_TOO_LONG)
        yield piece


def _inflated(pieces: Iterable[bytes], largest: int, *, is_gzip: bool) -> Iterator[bytes]:
    decoder = None
    rest = b""
    size = 0
    for piece in pieces:
        rest += piece
        if decoder is None and len(rest) >= 2:
            decoder = zlib.decompressobj(_GZIP_WINDOW if is_gzip else _deflate_window(rest))
        while decoder is not None and rest:
            output, rest = _decompressed(decoder, rest, largest - size + 1)
            size += len(output)
            if size > largest:
                raise HttpError(HttpFailure.BODY_TOO_LONG)
            if output:
                yield output
    if decoder is None or not decoder.eof:
        raise HttpError(HttpFailure.WRONG_ENCODING)


def _decompressed(decoder: zlib._Decompress, data: bytes, most: int) -> tuple[bytes, bytes]:
    """Up to so many decoded bytes, and the bytes that are left. Raises HttpError for bytes after the end."""
    try:
        if not decoder.eof:
            output = decoder.decompress(data, most)
            return output, decoder.unconsumed_tail or decoder.unused_data
    except zlib.error:
        pass
    raise HttpError(HttpFailure.WRONG_ENCODING)


def _deflate_window(start: bytes) -> int:
    """Some servers send deflate without the two bytes of zlib's header, which are a multiple of 31."""
    has_header = start[0] & 0x0F == 8 and int.from_bytes(start[:2], "big") % 31 == 0
    return _ZLIB_WINDOW if has_header else _RAW_WINDOW
