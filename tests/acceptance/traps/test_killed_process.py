"""A process killed in the middle of a sweep, as by the out-of-memory killer or a reboot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta

import pytest

from tests.acceptance.configured_shop import REPOSITORY
from tests.acceptance.installation import EVENTS, LIST, Installation


@pytest.mark.parametrize("killed_at", [LIST, pytest.param(EVENTS, marks=pytest.mark.long)])
def test_a_killed_process_leaves_nothing_half_done(
    installation: Installation, killed_at: str
) -> None:
    """After SIGKILL during a read nothing is half done. Its lease keeps others away until it expires, and the next
    sweep does everything from the start, because no cursor was ahead of the records."""
    for key in range(150):
        installation.add_payment(key, age=timedelta(days=2, seconds=key))
    before = installation.dump_results()
    started = threading.Event()
    processes: list[subprocess.Popen[str]] = []

    def kill(endpoint: str, target: str) -> None:
        if endpoint == killed_at and (killed_at != LIST or "starting_after" in target):
            started.wait(30)
            os.kill(processes[0].pid, signal.SIGKILL)

    installation.stripe.before_answer = kill
    with subprocess.Popen(
        [sys.executable, "-m", "reconciler", "sweep", "--kind", "window", "--apply"],
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", "HOME": str(installation.folder), **installation.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        processes.append(process)
        started.set()
        out, _ = process.communicate(timeout=60)
    installation.stripe.before_answer = None
    assert process.returncode == -signal.SIGKILL
    assert out == ""
    assert installation.dump_results() == before

    held = installation.sweep("--apply")
    assert held.code == 75
    assert f":{process.pid}:" in held.err

    installation.execute("UPDATE reconciler.leases SET expires_at = now() - '1 s'::interval")
    answer = installation.sweep("--kind", "window", "--apply")
    assert (answer.code, answer.json["corrected"]) == (0, 150)
    assert len(installation.query_dicts("SELECT * FROM reconciler.outbox")) == 150

    installation.check_ledger()
