"""The account's row about its service, which ``reconciler status`` shows. A failure to write it ends no sweep."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from reconciler.adapters.postgres.coordination.service_record import PostgresServiceRecord
from reconciler.engine.health.rate_usage import to_dict
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.engine.report import SweepReport
from reconciler.entrypoints.service.account_errors import AccountErrors
from reconciler.entrypoints.service.outage_log import OutageLog, log_end_of_outage
from reconciler.errors import ReconcilerError
from reconciler.masking import redact

log = structlog.stdlib.get_logger()


class ServiceStatusRow:
    """Writes the row while this process holds the lease of this epoch; afterwards the database leaves it unchanged."""

    def __init__(
        self, record: PostgresServiceRecord, account: str, epoch: int, outages: OutageLog
    ) -> None:
        self._record = record
        self._outages = outages
        self._account = account
        self._epoch = epoch

    def write_error(self, errors: AccountErrors) -> None:
        """Write what keeps the service from its work, or that nothing does."""
        error, needs_person = errors.first, errors.needs_person
        self._log_failure(
            lambda: self._record.error_met(self._epoch, error, needs_person=needs_person)
        )

    def write_rate_usage(self, rate_limiter: RateLimiter) -> None:
        """Write how many reads a second the service sends to Stripe."""
        usage = to_dict(rate_limiter.usage())
        self._log_failure(lambda: self._record.rate_usage(self._epoch, usage))

    def correction_delays(self, report: SweepReport) -> tuple[float, ...]:
        """Seconds from Stripe's newest event to the correction, for each correction of a sweep.

        Raises the database's errors.
        """
        if not report.corrected or report.sweep is None:
            return ()
        return self._record.correction_delays(report.sweep)

    def delete_old_rows(self) -> None:
        """Delete the rows of Reconciler's tables that are older than Reconciler needs."""
        try:
            removed = self._record.delete_old_rows()
        except ReconcilerError as error:
            log.warning("housekeeping.failed", account=self._account, why=redact(str(error)))
        else:
            log.info("housekeeping.finished", account=self._account, removed=removed)

    def _log_failure(self, write: Callable[[], None]) -> None:
        try:
            write()
        except ReconcilerError as error:
            outage = self._outages.failed("status.unwritten")
            if outage is not None:
                log.warning(
                    "status.unwritten",
                    account=self._account,
                    why=redact(str(error)),
                    times=outage.times,
                    seconds=outage.seconds,
                )
        else:
            log_end_of_outage(self._outages, "status.unwritten", self._account)
