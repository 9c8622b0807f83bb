"""A machine with the service under a real systemd, booted once for each process of the test run.

Where none can be booted the tests are left out and say why; with ``RECONCILER_TEST_SYSTEMD=required`` they fail instead.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from reconciler.adapters.postgres.demo.embedded import EmbeddedPostgres
from reconciler.clock import SystemClock
from reconciler.sandbox import Sandbox, SandboxServer
from tests.acceptance.systemd.machine import UNIT, Machine
from tests.acceptance.systemd.private_systemd import CannotBootError


def leave_out(error: CannotBootError) -> NoReturn:
    """Skip the test, or fail where somebody counts on it."""
    if os.environ.get("RECONCILER_TEST_SYSTEMD") == "required":
        pytest.fail(f"a real systemd is required here: {error}", pytrace=False)
    pytest.skip(str(error))


@pytest.fixture(scope="session")
def attempted() -> Iterator[Machine | CannotBootError]:
    """The machine, or why there is none."""
    postgres = EmbeddedPostgres()
    with (
        tempfile.TemporaryDirectory(prefix="reconciler-systemd-") as folder,
        SandboxServer(Sandbox(SystemClock())) as server,
    ):
        try:
            try:
                machine = Machine(Path(folder), postgres, server)
            except CannotBootError as error:
                yield error
                return
            try:
                yield machine
            finally:
                machine.close()
        finally:
            postgres.stop()


@pytest.fixture
def booted(attempted: Machine | CannotBootError) -> Iterator[Machine]:
    """The machine as it was installed. The service is stopped, and right payments are all there is."""
    if isinstance(attempted, CannotBootError):
        leave_out(attempted)
    attempted.execute("UPDATE payments SET status = 'paid'")
    attempted.execute("UPDATE reconciler.leases SET holder = NULL, expires_at = NULL")
    yield attempted
    # not a moment longer than it is needed: other tests are to have the processors
    attempted.systemctl("stop", UNIT)


@pytest.fixture
def machine(booted: Machine) -> Machine:
    """The machine with the service running and nothing to do."""
    booted.restart()
    return booted
