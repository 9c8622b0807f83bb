"""The log and metrics of a running sweep: a log line for each page, and the fields of the line at its end."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from reconciler.clock import Clock
from reconciler.engine.account import OpenAccount
from reconciler.engine.health.watchdog import SweepPulse
from reconciler.engine.report import SweepReport
from reconciler.entrypoints.service.process_metrics import Metrics
from reconciler.masking import redact

log = structlog.stdlib.get_logger()


class LoggedProgress:
    """The progress of one sweep, passed on to the watchdog, the metrics and the log."""

    def __init__(
        self, pulse: SweepPulse, metrics: Metrics, opened: OpenAccount, job: str, clock: Clock
    ) -> None:
        self._pulse = pulse
        self._metrics = metrics
        self._opened = opened
        self._job = job
        self._clock = clock
        self._page_began_at = clock.monotonic()
        self._reads = opened.ports.stripe.reads
        self._examined = 0

    def advance(self, examined: int, total: int | None) -> None:
        """A page was examined; ``examined`` counts the intents of the whole sweep so far."""
        self._pulse.advance(examined, total)
        self._metrics.page_examined(self._opened.name, self._job)

        # the log has the page's own figures: a slow page is seen without subtracting lines
        now, reads = self._clock.monotonic(), self._opened.ports.stripe.reads
        log.info(
            "page.examined",
            account=self._opened.name,
            job=self._job,
            examined=examined - self._examined,
            examined_in_all=examined,
            reads=reads - self._reads,
            seconds=round(now - self._page_began_at, 3),
        )
        self._page_began_at, self._reads, self._examined = now, reads, examined


def report_fields(report: SweepReport) -> Mapping[str, object]:
    """The fields of the log line of a finished sweep, secrets masked."""
    return {
        name: redact(value) if isinstance(value, str) else value
        for name, value in report.as_json().items()
    }
