"""Messages with any text to an endpoint that answers with bent HTTP: each attempt ends in time, with a true receipt."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from random import Random
from typing import Final, Self

import stripe

from reconciler.adapters.webhook_sender import HttpWebhookSender
from reconciler.clock import SystemClock
from reconciler.domain.delivery_signature import SIGNATURE_HEADER, signature
from reconciler.domain.outbox_message import MessageType, OutboxMessage, Receipt, message_body
from tests.fuzz.attempt import Attempt
from tests.fuzz.bending import RAW
from tests.unit.settings.test_random_configurations import ODD_TEXTS

SECRET: Final = "whsec_" + "f" * 32
PLANTED: Final = b"whsec_0123456789planted"
"""An answer may contain it, and no receipt may repeat it."""
TIMEOUT: Final = 0.2
MOST_SECONDS: Final = 15.0
"""On a busy machine; a request that hangs would not end at all."""
HANGS: Final = 0.0005
"""How many of the answers leave the connection open: each costs the whole timeout."""
AT: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
_ANSWERS: Final = tuple(
    text.replace(b"\n", b"\r\n")
    for text in (
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nok\n0\n\n",
        b"HTTP/1.1 204 No Content\n\n",
        b"HTTP/1.0 200 OK\n\nok",
        b"HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 103 Early Hints\nLink: <x>\n\nHTTP/1.1 500 Error\nContent-Length: 0\n\n",
        b"HTTP/1.1 302 Found\nLocation: http://169.254.169.254/\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: 4\n\n\x1f\x8b\x08\x00",
        b"HTTP/1.1 400 " + PLANTED + b"\nContent-Length: 30\nX: " + PLANTED + b"\n\n" + PLANTED,
        b"HTTP/1.1 429 Slow\nRetry-After: 99999999999999999999\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\nContent-Length: 100000\n\n" + b"x" * 20_000,
        b"HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nConnection: upgrade\n\n",
        b"HTTP/1.1 999 Odd\nContent-Length: 0\n\n",
        b"SSH-2.0-OpenSSH\n",
        b"",
    )
)


@contextmanager
def delivery_answers() -> Iterator[Attempt]:
    """A sender and its endpoint on loopback."""
    with _Endpoint() as endpoint, contextlib.ExitStack() as stack:
        sender = HttpWebhookSender(endpoint.url, TIMEOUT, SystemClock(), threading.Event())
        stack.callback(sender.close)
        threads = threading.active_count()

        def attempt(random: Random) -> int:
            endpoint.answer, endpoint.hangs = _answer(random), random.random() < HANGS
            body = message_body(_message(random))
            json.loads(body)
            began = time.monotonic()
            receipt = sender.post(body, {SIGNATURE_HEADER: signature(body, SECRET, AT)})
            assert time.monotonic() - began < MOST_SECONDS, endpoint.answer
            _check(receipt, endpoint.answer)
            endpoint.check_request(body)
            assert threading.active_count() <= threads + 2
            return 1

        yield attempt


def _check(receipt: Receipt, answer: bytes) -> None:
    """A receipt says what came: delivered only after a status of 2xx, and nothing of the answer's text."""
    if receipt.fault is None:
        assert receipt.status is not None, answer
        assert re.search(rb"HTTP/1\.[01] +2\d\d", answer), (receipt, answer)
        return
    assert receipt.fault.isprintable(), (receipt, answer)
    assert len(receipt.fault) < 300, (receipt, answer)
    assert PLANTED.decode() not in receipt.fault, (receipt, answer)


def _answer(random: Random) -> bytes:
    answer = random.choice(_ANSWERS)
    for _ in range(random.randrange(4)):
        at = random.randrange(len(answer) + 1)
        answer = answer[:at] + random.choice(RAW) + answer[at + random.randrange(4) :]
    if random.random() < 0.15:
        answer = answer[: random.randrange(len(answer) + 1)]
    return answer


def _message(random: Random) -> OutboxMessage:
    return OutboxMessage(
        random.choice(("default", *ODD_TEXTS)),
        random.choice((1, 2**63 - 1)),
        random.choice(list(MessageType)),
        AT,
        random.choice(ODD_TEXTS),
        random.choice((None, *ODD_TEXTS)),
        random.choice((None, *ODD_TEXTS)),
        random.choice((None, *ODD_TEXTS)),
        "succeeded",
        1,
    )


class _Endpoint:
    """Reads one request on each connection, sends ``answer``, and closes the connection unless it ``hangs``."""

    def __init__(self) -> None:
        self.answer = b""
        self.hangs = False
        self._received = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._open: list[socket.socket] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/reconciler"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        self._close_all()

    def check_request(self, body: bytes) -> None:
        """The request arrived whole, with a signature that Stripe's SDK accepts; then it is forgotten."""
        head, _, received = self._received.partition(b"\r\n\r\n")
        if not received:
            return
        assert received == body, (received, body)
        header = re.search(rb"(?i)\r\nreconciler-signature: ([^\r]+)", head)
        assert header is not None, head
        assert stripe.WebhookSignature.verify_header(body.decode(), header[1].decode(), SECRET)
        self._received = b""

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._close_all()
            with contextlib.suppress(OSError):
                connection.settimeout(MOST_SECONDS)
                self._received = _whole_request(connection)
                connection.sendall(self.answer)
            if self.hangs:
                self._open.append(connection)
            else:
                connection.close()

    def _close_all(self) -> None:
        while self._open:
            self._open.pop().close()


def _whole_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65_536)
        if not piece:
            return b""
        data += piece
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", data)
    left = int(length[1]) - len(data.partition(b"\r\n\r\n")[2]) if length else 0
    while left > 0:
        piece = connection.recv(65_536)
        if not piece:
            return b""
        data += piece
        left -= len(piece)
    return data
