"""Content encodings: none, gzip or deflate, each once, and nothing larger than allowed."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator

import pytest

from reconciler.adapters.http.connections import HttpError, HttpFailure
from reconciler.adapters.http.http_client import decoded

TEXT = b"The money went back. " * 500
RAW_DEFLATE = zlib.compressobj(9, zlib.DEFLATED, -15)
ENCODED = {
    "": TEXT,
    "identity": TEXT,
    "gzip": gzip.compress(TEXT),
    "x-gzip": gzip.compress(TEXT),
    "GZIP": gzip.compress(TEXT),
    "deflate": zlib.compress(TEXT),
    "deflate without its header": RAW_DEFLATE.compress(TEXT) + RAW_DEFLATE.flush(),
}


def pieces(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("name", ENCODED)
def test_a_body_is_decoded(name: str, size: int) -> None:
    """Each encoding gives the same text, in pieces of any size."""
    encoding = name.partition(" ")[0]
    assert b"".join(decoded(pieces(ENCODED[name], size), encoding, len(TEXT))) == TEXT


@pytest.mark.parametrize(
    "encoding", ["gzip, gzip", "gzip,deflate", "br", "zstd", "compress", "gzip;q=1"]
)
def test_other_encodings_are_refused(encoding: str) -> None:
    """Reconciler asks for gzip or deflate, and takes no answer that is encoded twice."""
    with pytest.raises(HttpError) as caught:
        list(decoded([gzip.compress(TEXT)], encoding, 10**6))
    assert caught.value.failure is HttpFailure.WRONG_ENCODING


@pytest.mark.parametrize("name", [name for name in ENCODED if name not in ("", "identity")])
@pytest.mark.parametrize("damage", ["cut", "changed", "continued", "empty"])
def test_a_damaged_body_is_refused(name: str, damage: str) -> None:
    """A body that is cut short, that is not encoded so, or that goes on after its end is not read as a shorter text."""
    body = ENCODED[name]
    damaged = {
        "cut": body[:-5],
        "changed": b"<html>" + body[6:],
        "continued": body + body,
        "empty": b"",
    }[damage]
    with pytest.raises(HttpError) as caught:
        list(decoded(pieces(damaged, 50), name.partition(" ")[0], 10**6))
    assert caught.value.failure is HttpFailure.WRONG_ENCODING


@pytest.mark.parametrize("name", ENCODED)
def test_a_large_body_is_cut_off(name: str) -> None:
    """The bound is for the decoded text, and the decoder makes no more than that."""
    with pytest.raises(HttpError) as caught:
        list(decoded([ENCODED[name]], name.partition(" ")[0], len(TEXT) - 1))
    assert caught.value.failure is HttpFailure.BODY_TOO_LONG


def test_an_encoded_body_is_bounded_too() -> None:
    """A header without end decodes to nothing, and is cut off all the same."""
    endless = [b"\x1f\x8b\x08\x08\0\0\0\0\0\xff", *[b"a" * 1000] * 20]
    with pytest.raises(HttpError) as caught:
        list(decoded(endless, "gzip", 10_000))
    assert caught.value.failure is HttpFailure.BODY_TOO_LONG
