"""Checks of each Stripe account: what the key may read, its mode, and the clocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Final

from reconciler.adapters.postgres.coordination.replicas import PostgresGuestBook
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.schema.schema_access import schema_access
from reconciler.adapters.stripe_gateway import Access
from reconciler.clock import Clock
from reconciler.engine.limits.rate_limiter import Pacer
from reconciler.engine.limits.reserved_share import PART, as_guest
from reconciler.entrypoints.doctor.doctor_check import Check, Level, failed
from reconciler.errors import ReconcilerError
from reconciler.settings import Account, Settings
from reconciler.wiring import limits_of, open_gateway

MOST_AT_ONCE: Final = 8
NOTABLE_SKEW: Final = timedelta(seconds=5)
WRONG_SKEW: Final = timedelta(seconds=300)
"""Stripe's own tolerance for the age of a webhook's signature: beyond it the merchant's handler refuses them."""


def stripe_checks(
    settings: Settings, clock: Clock, held: Mapping[str, Pacer] | None = None
) -> Iterator[Check]:
    """Every check of every account that has a key, at a guest's pace.

    ``held`` are the pacers of the accounts that this process holds: those are asked at their pace instead.
    """
    accounts = settings.accounts
    # a guest waits until it is made room for: together that takes no longer than for one
    with ThreadPoolExecutor(max(1, min(MOST_AT_ONCE, len(accounts)))) as pool:

        def checks_of(account: Account) -> list[Check]:
            return list(_account_checks(settings, account, clock, (held or {}).get(account.name)))

        for found in pool.map(checks_of, accounts):
            yield from found


def _account_checks(
    settings: Settings, account: Account, clock: Clock, held: Pacer | None
) -> Iterator[Check]:
    about = f"Stripe, account {account.name}"
    if account.key is None:
        yield Check(about, Level.SKIPPED, "there is no usable key")
        return
    try:
        access = _probed(settings, account, clock, held)
    except ReconcilerError as error:
        yield failed(about, error)
        return
    yield from _permissions(about, access)
    yield from _mode(about, account, access)
    yield from _clock(about, access)


def _probed(settings: Settings, account: Account, clock: Clock, held: Pacer | None) -> Access:
    with ExitStack() as stack:
        pacer = held or Pacer(limits_of(settings, account), clock)
        if held is None:
            stack.enter_context(_beside(settings, account, pacer, clock))
        gateway = stack.enter_context(open_gateway(settings, account, clock, pacer))
        return gateway.probe()


@contextmanager
def _beside(settings: Settings, account: Account, pacer: Pacer, clock: Clock) -> Iterator[None]:
    """Be a guest where the database can be had. Where it cannot nobody holds an account for long."""
    with ExitStack() as stack:
        try:
            url = settings.database_url.get_secret_value()
            database = stack.enter_context(Database(url, size=1))
            readable = schema_access(database).may_read
            book = PostgresGuestBook(database, account.name, readable=readable)
            stack.enter_context(as_guest(book, pacer, clock))
        except ReconcilerError:
            pacer.keep_to(PART)
        yield


def _permissions(about: str, access: Access) -> Iterator[Check]:
    for resource in access.resources:
        name = resource.resource.replace("_", " ")
        if resource.ok:
            yield Check(about, Level.OK, f"the key may read {name}")
        else:
            yield Check(
                about,
                Level.FAULT,
                f"the key may not read {name}: {resource.missing} is missing",
                resource.mend,
            )


def _mode(about: str, account: Account, access: Access) -> Iterator[Check]:
    words = {True: "live mode", False: "test mode"}
    seen = access.seen_livemode
    if seen is None:
        yield Check(about, Level.OK, "no object was there to tell the mode by")
    elif account.livemode is not None and account.livemode is not seen:
        yield Check(
            about,
            Level.FAULT,
            f"its objects are of the {words[seen]}, and livemode is {str(account.livemode).lower()}",
            f"Use a key of the {words[account.livemode]}, or correct livemode.",
        )
    elif account.livemode is None:
        yield Check(
            about,
            Level.WARNING,
            f"its objects are of the {words[seen]}, and livemode is not set",
            f"Set livemode = {str(seen).lower()}, so that a key of the other mode is noticed at once.",
        )
    else:
        yield Check(about, Level.OK, f"its objects are of the {words[seen]}, as configured")


def _clock(about: str, access: Access) -> Iterator[Check]:
    if access.skew is None:
        yield Check(about, Level.WARNING, "no answer had a Date header to set our clock against")
        return
    seconds = access.skew.total_seconds()
    what = f"this machine's clock is {abs(seconds):.0f} s {'behind' if seconds > 0 else 'ahead of'} Stripe's"
    if abs(access.skew) > WRONG_SKEW:
        yield Check(about, Level.FAULT, what, "Set the clock, with NTP for example.")
    elif abs(access.skew) > NOTABLE_SKEW:
        yield Check(about, Level.WARNING, what, "Set the clock, with NTP for example.")
    else:
        yield Check(about, Level.OK, "this machine's clock agrees with Stripe's")
