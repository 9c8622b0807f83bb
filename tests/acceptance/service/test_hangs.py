"""A thread that hangs while no sweep runs is noticed as well: a silent stop is worse than a crash."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.acceptance.service.conftest import ServiceInstallation, ServiceManager

BACKENDS = (
    "SELECT pid FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'reconciler'"
)


@contextmanager
def frozen(installation: ServiceInstallation) -> Iterator[None]:
    """For the length of the block, the database answers on none of the connections that the service has now."""
    backends = [pid for (pid,) in installation.query(BACKENDS)]
    assert backends
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in backends:
            os.kill(pid, signal.SIGCONT)


def test_a_hang_while_no_sweep_runs_is_noticed(
    installation: ServiceInstallation, manager: ServiceManager
) -> None:
    """If the database stops answering between sweeps, the account's thread and the replicas' thread are both named, every
    stack is logged, /healthz is 503, and no sweep is said to run; when it answers again the work goes on."""
    installation.configure_service(stall="2s", lease="60s", due="1h")
    installation.note_window_sweep()
    address, _ = manager
    daemon = installation.start(NOTIFY_SOCKET=address, WATCHDOG_USEC="600000")
    port = daemon.wait_for("metrics.listening")["port"]
    for _job in ("tail", "due"):
        daemon.wait_for("sweep.finished", complete=True)
    with frozen(installation):
        named: set[str] = set()
        while not named >= {"account default", "replicas"}:
            named |= set(daemon.wait_for("sweep.stuck", seconds=25)["sweeps"])
        daemon.wait_for_line(lambda line: "most recent call first" in line)
        status, shown = installation.get(port, "/healthz")
        assert status == 503
        assert '"running": []' in shown
    installation.add_payments(1)
    assert installation.run("sweep", "--apply", "--kind", "due")[0] == 0
    assert installation.count_by_status() == {"paid": 1}
    assert daemon.end() == 0
