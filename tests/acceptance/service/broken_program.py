"""The program with an error in it that nothing expects: ``python -m tests.acceptance.service.broken_program NAME run``."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from reconciler.__main__ import main
from reconciler.engine.lease.lease import Lease
from reconciler.entrypoints.service.account_sweeps import AccountSweeps
from reconciler.entrypoints.service.account_worker import AccountWorker
from reconciler.entrypoints.service.daemon import Daemon
from reconciler.entrypoints.service.process_metrics import Metrics
from reconciler.entrypoints.service.replica_group import ReplicaGroup
from reconciler.entrypoints.service.scheduler import _Scheduler
from reconciler.entrypoints.service.startup_checks import StartupChecks

BROKEN: dict[str, tuple[type, str]] = {
    "start": (StartupChecks, "_round"),
    "replicas": (ReplicaGroup, "_attend"),
    "account": (AccountWorker, "_serve"),
    "lease": (Lease, "_renew_until_stopped"),
    "scheduler": (_Scheduler, "_main_loop"),
    "metrics": (Metrics, "text"),
    "main": (Daemon, "_status_line"),
    "job": (AccountSweeps, "_run_sweep_job"),
}
"""Where the error is raised, by the name of what it breaks."""


def fail(*_: Any) -> NoReturn:
    raise ZeroDivisionError("a bug")


if __name__ == "__main__":
    setattr(*BROKEN[sys.argv.pop(1)], fail)
    main()
