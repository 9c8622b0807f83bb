"""Bodies of eight megabytes and more that would take many times that as objects, or after decoding."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

from tests.unit.gateway.canned_server import charge, event, intent, page, reply

SIZE = 8 * 1024 * 1024 - 20_000
"""Just within the limit of a body, the rest of an answer included."""


def filled(body: Any, filling: bytes, size: int = SIZE) -> bytes:
    """JSON whose text "FILL" is replaced by a filling, repeated up to the size."""
    before, _, after = json.dumps(body).encode().partition(b'"FILL"')
    return before + filling * (size // len(filling)) + after


def listed(body: Any, item: bytes, size: int = SIZE) -> bytes:
    """JSON whose text "FILL" becomes a list of the item, again and again."""
    before, _, after = json.dumps(body).encode().partition(b'"FILL"')
    return before + b"[" + (item + b",") * (size // (len(item) + 1)) + item + b"]" + after


def keyed(body: Any, value: bytes, size: int = SIZE) -> bytes:
    """JSON whose text "FILL" becomes an object of many short keys with this value."""
    before, _, after = json.dumps(body).encode().partition(b'"FILL"')
    count = size // (len(value) + 11)
    items = b",".join(b'"%07x":%b' % (number, value) for number in range(count))
    return before + b"{" + items + b"}" + after


def about(**changes: Any) -> dict[str, Any]:
    """A page with one event about an intent that is not what it should be."""
    return page([event(data={"object": intent(**changes)})])


ONE_MEGABYTE = 1024 * 1024 - 5000

RETRIEVED: dict[str, Callable[[], bytes]] = {
    "metadata of a million keys": lambda: keyed(intent(metadata="FILL"), b'""'),
    "metadata of a megabyte": lambda: keyed(intent(metadata="FILL"), b'""', ONE_MEGABYTE),
    "a long text": lambda: filled(intent(status="FILL"), b"a"),
    "a text of four bytes a character": lambda: json.dumps(
        intent(currency="A" * (SIZE - 5000) + "\U0001f600"), ensure_ascii=False
    ).encode(),
    "a text of escapes": lambda: json.dumps(intent(status="\0ab" * (SIZE // 8))).encode(),
    "a text of half characters": lambda: json.dumps(intent(status="\ud83dab" * (SIZE // 8))).encode(),
    "a next action of empty lists": lambda: listed(intent(next_action="FILL"), b"[]"),
    "a next action of a megabyte": lambda: listed(intent(next_action="FILL"), b"{}", ONE_MEGABYTE),
    "payment methods": lambda: listed(intent(payment_method_types="FILL"), b'"ab"'),
    "a number without end": lambda: filled(intent(amount="FILL"), b"1"),
    "a number where anything is read": lambda: filled({"object": "payment_intent", "id": "FILL"}, b"1"),
    "deep lists": lambda: b"[" * SIZE,
    "deep objects": lambda: b'{"id":' * (SIZE // 6),
}  # fmt: skip

LISTED: dict[str, Callable[[], bytes]] = {
    "items that are numbers": lambda: listed(page([]) | {"data": "FILL"}, b"0"),
    "items of a megabyte": lambda: listed(page([]) | {"data": "FILL"}, b"0", ONE_MEGABYTE),
    "intents without end": lambda: listed(page([]) | {"data": "FILL"}, json.dumps(intent()).encode()),
    "metadata of every intent": lambda: keyed(page([intent(metadata="FILL")]), b'""'),
}  # fmt: skip

EVENTS: dict[str, Callable[[], bytes]] = {
    "an id of empty objects": lambda: listed(about(id="FILL"), b"{}"),
    "an id of a megabyte": lambda: listed(about(id="FILL"), b"{}", ONE_MEGABYTE),
    "a currency of four bytes a character": lambda: json.dumps(
        about(currency="A" * (SIZE - 5000) + "\U0001f600"), ensure_ascii=False
    ).encode(),
    "metadata of numbers": lambda: keyed(about(metadata="FILL"), b"1.5"),
}

REFUSED: dict[str, Callable[[], bytes]] = {
    "an error's message": lambda: filled({"error": {"message": "FILL"}}, b"a"),
}


@cache
def bomb() -> bytes:
    """Two hundred megabytes of spaces as a gzip body of two hundred kilobytes: one packed megabyte again and again."""
    megabyte, count = b" " * 1_000_000, 200
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(megabyte) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(count):
        checksum = zlib.crc32(megabyte, checksum)
    trailer = struct.pack("<II", checksum, count * len(megabyte))
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + block * count + b"\x03\0" + trailer


def encoded(encoding: str, body: bytes) -> bytes:
    return reply(body).replace(
        b"Connection: close", b"Connection: close\r\nContent-Encoding: " + encoding.encode()
    )


ENCODED: dict[str, Callable[[], bytes]] = {
    "a bomb": lambda: encoded("gzip", bomb()),
    "a bomb in a bomb": lambda: encoded("gzip, gzip", gzip.compress(bomb())),
    "many streams": lambda: encoded("gzip", gzip.compress(b" " * 100_000) * 5000),
    "a body that is too large": lambda: reply(b" " * (SIZE + 100_000)),
}

ANSWERS: dict[str, Callable[[], bytes]] = {
    **{f"retrieve: {name}": lambda make=make: reply(make()) for name, make in RETRIEVED.items()},  # type: ignore[misc]
    **{f"list: {name}": lambda make=make: reply(make()) for name, make in LISTED.items()},  # type: ignore[misc]
    **{f"events: {name}": lambda make=make: reply(make()) for name, make in EVENTS.items()},  # type: ignore[misc]
    **{f"charge: {name}": lambda make=make: reply(make(), 400) for name, make in REFUSED.items()},  # type: ignore[misc]
    **{f"retrieve: {name}": make for name, make in ENCODED.items()},
}
"""Whole HTTP answers by the read that gets them and their name."""

ORDINARY = {
    "retrieve": reply(intent(id="pi_1")),
    "list": reply(page([intent(latest_charge=charge())])),
    "events": reply(page([event()])),
    "charge": reply(page([charge()])),
}
