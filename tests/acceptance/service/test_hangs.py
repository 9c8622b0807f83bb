"""What hangs beside the sweeps is seen as well: a silent stop is worse than a crash."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.acceptance.service.conftest import Town

Manager = tuple[str, Callable[[str], None]]
FROZEN = (
    "SELECT pid FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'reconciler'"
)


@contextmanager
def frozen(town: Town) -> Iterator[None]:
    """No connection that the service has now is answered, for the length of the block."""
    backends = [pid for (pid,) in town.ask(FROZEN)]
    assert backends
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in backends:
            os.kill(pid, signal.SIGCONT)


def test_a_hang_while_no_pass_runs_is_told(town: Town, manager: Manager) -> None:
    """A database that answers no more while nothing is examined: the account's thread and the team's are both named, every
    stack is in the log, /healthz says so, no sweep is said to run, and when it answers again the work goes on."""
    town.configure(stall="2s", lease="60s", due="1h")
    town.window_was_read()
    address, _ = manager
    daemon = town.start(NOTIFY_SOCKET=address, WATCHDOG_USEC="600000")
    port = daemon.event("metrics.listening")["port"]
    for _job in ("tail", "due"):
        daemon.event("pass.finished", complete=True)
    with frozen(town):
        named: set[str] = set()
        while not named >= {"account default", "team"}:
            named |= set(daemon.event("pass.stuck", seconds=25)["passes"])
        daemon.line(lambda line: "most recent call first" in line)
        status, shown = town.get(port, "/healthz")
        assert status == 503
        assert '"running": []' in shown
    town.pay(1)
    assert town.run("sweep", "--apply", "--kind", "due")[0] == 0
    assert town.statuses() == {"paid": 1}
    assert daemon.end() == 0
