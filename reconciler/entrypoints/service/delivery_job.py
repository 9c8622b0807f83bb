"""The job ``deliver`` of one account: each run is watched, counted and logged."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import structlog

from reconciler.adapters.postgres.database import Database
from reconciler.engine.delivery.circuit_breaker import CircuitBreaker
from reconciler.engine.delivery.deliver import DeliveryReport
from reconciler.entrypoints.service.outage_log import OutageLog, log_end_of_outage
from reconciler.entrypoints.service.service_context import ServiceContext
from reconciler.masking import redact
from reconciler.wiring.delivery import open_delivery

DELIVER: Final = "deliver"

log = structlog.stdlib.get_logger()


def is_delivery(running: str) -> bool:
    """Whether this name in the list of running work is a run of deliveries, and no sweep."""
    return running.endswith(f":{DELIVER}")


class DeliveryJob:
    """Sends one account's outbox rows to the merchant's endpoint. All accounts share one circuit breaker."""

    def __init__(self, service: ServiceContext, account: str, circuit: CircuitBreaker) -> None:
        self._service = service
        self._account = account
        self._circuit = circuit
        self._outages = OutageLog(service.clock)

    def run(
        self,
        database: Database,
        epoch: int,
        raise_if_stopped: Callable[[], None],
        stopping: threading.Event,
    ) -> DeliveryReport:
        """Deliver what is due, under the lease of this epoch.

        Raises ConfigurationError if no endpoint is configured.
        """
        # every run opens its own connection to the endpoint, so that a changed address is noticed
        service = self._service
        opening = open_delivery(
            service.settings, self._account, service.clock, database, self._circuit, stopping
        )
        # a delivery sends no read to Stripe: only its own steps count as progress
        name = f"{self._account}:{DELIVER}"
        with opening as delivery, service.pulse.watching(name, lambda: 0) as pulse:
            report = delivery.run(epoch, raise_if_stopped, pulse)

        service.metrics.deliveries_ended(report)
        _log(report)
        note_outage(self._outages, report)
        return report


def note_outage(outages: OutageLog, report: DeliveryReport) -> None:
    """Count a failure while the endpoint is down, and log the end of that when a message was received again."""
    if report.endpoint_down and report.failed:
        outages.failed(DELIVER)
    elif report.delivered and not report.endpoint_down:
        log_end_of_outage(outages, DELIVER, report.account)


def _log(report: DeliveryReport) -> None:
    fields = {
        key: redact(value) if isinstance(value, str) else value
        for key, value in report.as_json().items()
    }
    # most runs find an empty outbox: they are not worth a line at the usual level
    level = log.info if report.delivered else log.debug
    if report.failed or report.error_met:
        level = log.warning
    level("delivery.finished", **fields)
