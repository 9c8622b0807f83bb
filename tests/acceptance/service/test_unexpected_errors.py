"""An error that nothing expects leaves no thread dead behind a process that seems to work."""

from __future__ import annotations

import json
import urllib.request
from http.client import RemoteDisconnected

import pytest

from tests.acceptance.service.conftest import ServiceInstallation

PROGRAM = "tests.acceptance.service.broken_program"
THREADS = {
    "start": "startup-checks",
    "replicas": "replicas",
    "account": "account-default",
    "lease": "lease",
    "scheduler": "APScheduler",
    "main": "main",
}


@pytest.mark.parametrize("broken", THREADS)
def test_a_thread_that_dies_ends_the_process(
    installation: ServiceInstallation, broken: str
) -> None:
    """Whichever thread it is: the log says which thread and which error, and the process ends with 75, after which systemd
    starts it again."""
    installation.configure_service(lease="1s")
    daemon = installation.start(broken, module=PROGRAM)
    died = daemon.wait_for("thread.died")
    assert died["thread"] == THREADS[broken]
    assert "ZeroDivisionError: a bug" in died["exception"]
    assert "report it" in died["hint"]
    assert daemon.wait() == 75


def test_an_error_behind_the_metrics_ends_the_process(installation: ServiceInstallation) -> None:
    """A scrape that meets a bug does not fail silently again and again."""
    daemon = installation.start("metrics", module=PROGRAM)
    port = daemon.wait_for("metrics.listening")["port"]
    daemon.wait_for("sweep.finished", job="due", complete=True)
    with pytest.raises((RemoteDisconnected, ConnectionError)):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10)
    assert daemon.wait_for("service.died")["why"].startswith("the thread http connection")
    assert daemon.wait() == 75


def test_a_job_that_fails_is_reported(installation: ServiceInstallation) -> None:
    """A bug in a job does not end the other jobs: the log has its traceback, and the status its error, until it succeeds."""
    daemon = installation.start("job", module=PROGRAM)
    port = daemon.wait_for("metrics.listening")["port"]
    failed = daemon.wait_for("job.failed", account="default", job="due")
    assert "ZeroDivisionError: a bug" in failed["exception"]
    daemon.wait_for("housekeeping.finished")

    code, out, _ = installation.run("status", "--json")
    assert code == 0
    error = json.loads(out)[0]["error"]
    assert "unexpected ZeroDivisionError" in error
    assert installation.run("status", "--format", "nagios")[0] != 0
    assert installation.get(port, "/healthz")[0] == 200
    assert installation.get(port, "/readyz")[0] == 503
    assert not any("raised an exception" in line for line in daemon.lines)
    assert daemon.end() == 0
