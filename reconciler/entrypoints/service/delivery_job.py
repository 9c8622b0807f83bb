"""The job ``deliver`` of one account: its runs, watched, counted and told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import structlog

from reconciler.adapters.postgres.database import Database
from reconciler.clock import Clock
from reconciler.engine.delivery.circuit_breaker import CircuitBreaker
from reconciler.engine.delivery.deliver import DeliveryReport
from reconciler.engine.health.watchdog import Pulse
from reconciler.entrypoints.service.metrics import Metrics
from reconciler.masking import redact
from reconciler.settings import Settings
from reconciler.wiring import open_delivery

DELIVER: Final = "deliver"

log = structlog.stdlib.get_logger()


def is_delivery(running: str) -> bool:
    """Whether what the pulse calls so is a run of this job, and no sweep."""
    return running.endswith(f":{DELIVER}")


class DeliveryJob:
    """Runs for one account. Every run opens its own connection to the endpoint; the circuit is shared by all."""

    def __init__(
        self,
        settings: Settings,
        account: str,
        clock: Clock,
        circuit: CircuitBreaker,
        pulse: Pulse,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._account = account
        self._clock = clock
        self._circuit = circuit
        self._pulse = pulse
        self._metrics = metrics

    def run(
        self, database: Database, epoch: int, check: Callable[[], None], stopping: threading.Event
    ) -> DeliveryReport:
        """Deliver what is due under the lease of this epoch. Raises ConfigurationError where no endpoint is configured."""
        opening = open_delivery(
            self._settings, self._account, self._clock, database, self._circuit, stopping
        )
        name = f"{self._account}:{DELIVER}"
        with opening as delivery, self._pulse.watching(name, lambda: 0) as pulse:
            report = delivery.run(epoch, check, pulse)
        self._metrics.delivered(report)
        told = {
            key: redact(value) if isinstance(value, str) else value
            for key, value in report.as_json().items()
        }
        level = log.info if report.delivered else log.debug
        if report.failed or report.error_met:
            level = log.warning
        level("delivery.finished", **told)
        return report
