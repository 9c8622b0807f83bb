"""A machine with the service under a real systemd, booted once for each process of the test run.

If none can be booted the tests are skipped and say why. With ``RECONCILER_TEST_SYSTEMD=required`` they fail instead.
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


def skip_or_fail(error: CannotBootError) -> NoReturn:
    """Skip the test, or fail it if a real systemd is required."""
    if os.environ.get("RECONCILER_TEST_SYSTEMD") == "required":
        pytest.fail(f"a real systemd is required here: {error}", pytrace=False)
    pytest.skip(str(error))


@pytest.fixture(scope="session")
def attempted() -> Iterator[Machine | CannotBootError]:
    """The machine, or the error if it cannot be booted."""
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
    """The machine as it was installed: the service is stopped, and every payment is correct."""
    if isinstance(attempted, CannotBootError):
        skip_or_fail(attempted)
    attempted.execute("UPDATE payments SET status = 'paid'")
    attempted.execute("UPDATE reconciler.leases SET holder = NULL, expires_at = NULL")
    yield attempted
    # stopped at once: other tests need the processors
    attempted.systemctl("stop", UNIT)


@pytest.fixture
def machine(booted: Machine) -> Machine:
    """The machine with a running service that has nothing to do."""
    booted.restart()
    return booted
