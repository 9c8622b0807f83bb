"""The service's own row of an account: what ``reconciler status`` shows of it. None of it is worth ending a sweep for."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from reconciler.adapters.postgres.coordination.service_record import PostgresServiceRecord
from reconciler.engine.health.rate_usage import to_dict
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.engine.report import SweepReport
from reconciler.entrypoints.service.account_errors import AccountErrors
from reconciler.errors import ReconcilerError
from reconciler.masking import redact

log = structlog.stdlib.get_logger()


class ServiceStatusRow:
    """Written for as long as the lease of this epoch is ours."""

    def __init__(self, record: PostgresServiceRecord, account: str, epoch: int) -> None:
        self._record = record
        self._account = account
        self._epoch = epoch

    def error_met(self, errors_met: AccountErrors) -> None:
        """What keeps the service from its work, or that nothing does."""
        error, person = errors_met.first, errors_met.need_a_person
        self._try(lambda: self._record.error_met(self._epoch, error, needs_person=person))

    def rate_usage(self, rate_limiter: RateLimiter) -> None:
        """How fast the service asks Stripe."""
        self._try(lambda: self._record.rate_usage(self._epoch, to_dict(rate_limiter.usage())))

    def delays(self, report: SweepReport) -> tuple[float, ...]:
        """Seconds from Stripe's newest event to each correction of a sweep. Raises what the database does."""
        if not report.corrected or report.sweep is None:
            return ()
        return self._record.correction_delays(report.sweep)

    def delete_old_rows(self) -> None:
        """Remove what nobody needs any longer."""
        try:
            log.info(
                "housekeeping.finished",
                account=self._account,
                removed=self._record.delete_old_rows(),
            )
        except ReconcilerError as error:
            log.warning("housekeeping.failed", account=self._account, why=redact(str(error)))

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except ReconcilerError as error:
            log.warning("status.unwritten", account=self._account, why=redact(str(error)))
