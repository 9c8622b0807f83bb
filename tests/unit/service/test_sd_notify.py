"""The messages that the daemon sends to systemd."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from reconciler.clock import ManualClock
from reconciler.entrypoints.service.sd_notify import Notifier
from tests.unit.engine.doubles import NOW


@pytest.mark.parametrize("abstract", [True, False])
def test_messages_reach_the_service_manager(tmp_path: Path, abstract: bool) -> None:
    """Both kinds of socket address work, an unchanged status is sent once, and the watchdog's interval is read."""
    name = f"reconciler-unit-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}" if abstract else name)
        manager.settimeout(5)
        address = f"@{name}" if abstract else name
        notify = Notifier(
            {
                "NOTIFY_SOCKET": address,
                "WATCHDOG_USEC": "3000000",
                "WATCHDOG_PID": str(os.getpid()),
            },
            ManualClock(NOW),
        )
        notify.ready()
        notify.status("busy")
        notify.status("busy")
        notify.feed_watchdog()
        notify.reloading()
        received = [manager.recv(100).decode() for _ in range(4)]
    assert received == ["READY=1", "STATUS=busy", "WATCHDOG=1", "RELOADING=1\nMONOTONIC_USEC=0"]
    assert notify.watchdog_seconds == 3.0


def test_a_missing_service_manager_is_no_failure(tmp_path: Path) -> None:
    """Without a socket, or with one that is gone, the daemon goes on; another process's watchdog is ignored."""
    for environ in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}):
        Notifier(environ, ManualClock(NOW)).ready()
    others = {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
    assert Notifier(others, ManualClock(NOW)).watchdog_seconds is None
    assert Notifier({"WATCHDOG_USEC": "x"}, ManualClock(NOW)).watchdog_seconds is None
