"""Serves the HTTP endpoints in a process of its own: prints the port, waits for a line, and prints how the process grew."""

from __future__ import annotations

import sys

from reconciler.clock import SystemClock
from reconciler.entrypoints.service.http_endpoints import HttpEndpoints
from tests.unit.gateway.measured_reads import forget_peak, memory


def main() -> None:
    endpoints = HttpEndpoints(
        "127.0.0.1:0", (), lambda: b"m 1\n", lambda: (True, {}), lambda: (True, {}), SystemClock()
    )
    sys.stdout.write(f"{endpoints.port}\n")
    sys.stdout.flush()
    sys.stdin.readline()
    before = memory("VmRSS")
    forget_peak()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(f"{memory('VmHWM') - before}\n")


if __name__ == "__main__":
    main()
