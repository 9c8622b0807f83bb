"""Messages to systemd in its own protocol, sd_notify(3). Without a notify socket nothing is sent."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from typing import Final

from reconciler.clock import Clock

SOCKET_VARIABLE: Final = "NOTIFY_SOCKET"
WATCHDOG_VARIABLE: Final = "WATCHDOG_USEC"
WATCHDOG_PID_VARIABLE: Final = "WATCHDOG_PID"


class Notifier:
    """Sends to the service manager. A message that cannot be sent is dropped: it must never end the daemon."""

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        self._address = _socket_address(environ.get(SOCKET_VARIABLE, ""))
        self._clock = clock
        self._status = ""
        self.watchdog_seconds = _watchdog_seconds(environ)
        """The daemon must feed the watchdog at least this often; None if systemd has no watchdog for this process."""

    def ready(self) -> None:
        """The daemon is up, or has finished reloading."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """What the daemon is doing, for ``systemctl status``. Sent only if it has changed."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def reloading(self) -> None:
        """The daemon reads its configuration again; ``ready`` says that it has finished."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={int(self._clock.monotonic() * 1_000_000)}")

    def stopping(self) -> None:
        """The daemon is about to end."""
        self._send("STOPPING=1")

    def feed_watchdog(self) -> None:
        """The daemon works."""
        if self.watchdog_seconds is not None:
            self._send("WATCHDOG=1")

    def extend_timeout(self, seconds: float) -> None:
        """Starting or stopping may take so many seconds more from now on."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out,
        ):
            # a service manager that does not read must not block the daemon
            out.setblocking(False)
            out.sendto(message.encode(), self._address)


def _socket_address(text: str) -> str:
    """A path, or a name in the abstract namespace, which begins with "@" here and with a zero byte in the kernel."""
    return f"\0{text[1:]}" if text.startswith("@") else text


def _watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    """How often systemd expects a message; None if it expects none from this process: sd_watchdog_enabled(3)."""
    usec, pid = environ.get(WATCHDOG_VARIABLE, ""), environ.get(WATCHDOG_PID_VARIABLE, "")
    if not usec.isdecimal() or int(usec) == 0:
        return None
    # the variables are inherited: those of a parent are not for this process
    if pid and pid != str(os.getpid()):
        return None
    return int(usec) / 1_000_000
