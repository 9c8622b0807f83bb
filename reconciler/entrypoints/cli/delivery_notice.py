"""What a command adds after it has written a row, if your application does not hear of it now: the delivery waits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from reconciler.engine.delivery.circuit_breaker import LONGEST_PROBE_SECONDS
from reconciler.engine.health.remarks import deliveries_fail
from reconciler.engine.health.status import LeaseStatus, OutboxStatus, duration_text
from reconciler.entrypoints.cli.output import write_line
from reconciler.errors import ReconcilerError
from reconciler.settings import Account, Settings

_NEXT: Final = "To see whether it answers again, run: reconciler status --check health"


def write_delivery_notices(settings: Settings, accounts: Iterable[str]) -> None:
    """Write for each of these accounts why its outbox is not delivered now; nothing if it is."""
    for name in accounts:
        notice = delivery_notice(settings, settings.account(name))
        if notice is not None:
            write_line(notice)


def delivery_notice(settings: Settings, account: Account) -> str | None:
    """Why what the account's outbox holds is not delivered now; None if it is, or if ``delivery.url`` is not set."""
    if settings.delivery.url is None:
        return None
    from reconciler.adapters.postgres.coordination.status import PostgresStatus
    from reconciler.adapters.postgres.database import Database
    from reconciler.entrypoints.service.status_queries import endpoint_host

    try:
        with Database(settings.database_url.get_secret_value(), size=1) as database:
            status = PostgresStatus(database, account.name)
            lease, outbox = LeaseStatus(*status.lease()), OutboxStatus(*status.outbox())
    except ReconcilerError as error:
        # the row is written, so this must not look like a failed command
        return f"The row is written. Reconciler could not find out whether your endpoint answers: {error.what}"
    return notice_text(account.name, lease, outbox, endpoint_host(settings))


def notice_text(
    account: str, lease: LeaseStatus, outbox: OutboxStatus, endpoint: str | None
) -> str | None:
    """The notice for an outbox like this; None if the service delivers it."""
    if outbox.oldest_age is None:
        return None
    rows, wait = ("1 outbox row", "waits") if outbox.waiting == 1 else _several(outbox.waiting)
    has_service = lease.holder is not None and lease.service
    fails = deliveries_fail(outbox, outbox.oldest_age)
    if fails:
        at = f" at {endpoint}" if endpoint else ""
        since = (
            ""
            if outbox.failing_since is None
            else f" since {outbox.failing_since:%Y-%m-%d %H:%M:%S} UTC"
        )
        said = f"Your application does not know of the change yet. Deliveries to your endpoint{at} have failed{since} ({outbox.last_error}). Your table keeps the change, and {rows} {wait}."
        if has_service:
            within = duration_text(LONGEST_PROBE_SECONDS)
            return (
                f"{said} The service tries the endpoint again within {within}, and delivers the rows when the endpoint answers."
                f" {_NEXT}"
            )
        return f"{said} No service works on account {account}, so no delivery is tried. To start the service, run: reconciler run"
    if not has_service:
        return f"Your application does not know of the change yet. No service works on account {account}, and only the service delivers. Your table keeps the change, and {rows} {wait}. To start the service, run: reconciler run"
    return None


def _several(count: int) -> tuple[str, str]:
    return f"{count:,} outbox rows", "wait"
