"""Checks of each Stripe account: what the key may read, its mode, and the clocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Final

from reconciler.adapters.postgres.coordination.replicas import PostgresReservedShare
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.schema.schema_access import schema_access
from reconciler.adapters.stripe_gateway.key_access import KeyAccess, read_key_access
from reconciler.clock import Clock
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.engine.limits.reserved_share import PART, with_reserved_share
from reconciler.entrypoints.doctor.doctor_check import CheckLevel, DoctorCheck, failed
from reconciler.errors import ReconcilerError
from reconciler.settings import Account, Settings
from reconciler.wiring import limits_of, open_gateway

MOST_AT_ONCE: Final = 8
NOTABLE_SKEW: Final = timedelta(seconds=5)
WRONG_SKEW: Final = timedelta(seconds=300)
"""Stripe's own tolerance for the age of a webhook's signature: beyond it the merchant's handler refuses them."""


def stripe_checks(
    settings: Settings, clock: Clock, held: Mapping[str, RateLimiter] | None = None
) -> Iterator[DoctorCheck]:
    """Every check of every account that has a key, at a guest's pace.

    ``held`` are the pacers of the accounts that this process holds: those are asked at their pace instead.
    """
    accounts = settings.accounts
    # a guest waits until it is made room for: together that takes no longer than for one
    with ThreadPoolExecutor(max(1, min(MOST_AT_ONCE, len(accounts)))) as pool:

        def checks_of(account: Account) -> list[DoctorCheck]:
            return list(_account_checks(settings, account, clock, (held or {}).get(account.name)))

        for found in pool.map(checks_of, accounts):
            yield from found


def _account_checks(
    settings: Settings, account: Account, clock: Clock, held: RateLimiter | None
) -> Iterator[DoctorCheck]:
    about = f"Stripe, account {account.name}"
    if account.key is None:
        yield DoctorCheck(about, CheckLevel.SKIPPED, "there is no usable key")
        return
    try:
        access = _probed(settings, account, clock, held)
    except ReconcilerError as error:
        yield failed(about, error)
        return
    yield from _permissions(about, access)
    yield from _mode(about, account, access)
    yield from _clock(about, access)


def _probed(
    settings: Settings, account: Account, clock: Clock, held: RateLimiter | None
) -> KeyAccess:
    with ExitStack() as stack:
        rate_limiter = held or RateLimiter(limits_of(settings, account), clock)
        if held is None:
            stack.enter_context(_beside(settings, account, rate_limiter, clock))
        gateway = stack.enter_context(open_gateway(settings, account, clock, rate_limiter))
        return read_key_access(gateway)


@contextmanager
def _beside(
    settings: Settings, account: Account, rate_limiter: RateLimiter, clock: Clock
) -> Iterator[None]:
    """Be a guest where the database can be had. Where it cannot nobody holds an account for long."""
    with ExitStack() as stack:
        try:
            url = settings.database_url.get_secret_value()
            database = stack.enter_context(Database(url, size=1))
            readable = schema_access(database).may_read
            book = PostgresReservedShare(database, account.name, readable=readable)
            stack.enter_context(with_reserved_share(book, rate_limiter, clock))
        except ReconcilerError:
            rate_limiter.keep_to(PART)
        yield


def _permissions(about: str, access: KeyAccess) -> Iterator[DoctorCheck]:
    for resource in access.resources:
        name = resource.resource.replace("_", " ")
        if resource.ok:
            yield DoctorCheck(about, CheckLevel.OK, f"the key may read {name}")
        else:
            yield DoctorCheck(
                about,
                CheckLevel.FAULT,
                f"the key may not read {name}: {resource.missing} is missing",
                resource.hint,
            )


def _mode(about: str, account: Account, access: KeyAccess) -> Iterator[DoctorCheck]:
    words = {True: "live mode", False: "test mode"}
    seen = access.seen_livemode
    if seen is None:
        yield DoctorCheck(about, CheckLevel.OK, "no object was there to tell the mode by")
    elif account.livemode is not None and account.livemode is not seen:
        yield DoctorCheck(
            about,
            CheckLevel.FAULT,
            f"its objects are of the {words[seen]}, and livemode is {str(account.livemode).lower()}",
            f"Use a key of the {words[account.livemode]}, or correct livemode.",
        )
    elif account.livemode is None:
        yield DoctorCheck(
            about,
            CheckLevel.WARNING,
            f"its objects are of the {words[seen]}, and livemode is not set",
            f"Set livemode = {str(seen).lower()}, so that a key of the other mode is noticed at once.",
        )
    else:
        yield DoctorCheck(
            about, CheckLevel.OK, f"its objects are of the {words[seen]}, as configured"
        )


def _clock(about: str, access: KeyAccess) -> Iterator[DoctorCheck]:
    if access.skew is None:
        yield DoctorCheck(
            about, CheckLevel.WARNING, "no answer had a Date header to set our clock against"
        )
        return
    seconds = access.skew.total_seconds()
    what = f"this machine's clock is {abs(seconds):.0f} s {'behind' if seconds > 0 else 'ahead of'} Stripe's"
    if abs(access.skew) > WRONG_SKEW:
        yield DoctorCheck(about, CheckLevel.FAULT, what, "Set the clock, with NTP for example.")
    elif abs(access.skew) > NOTABLE_SKEW:
        yield DoctorCheck(about, CheckLevel.WARNING, what, "Set the clock, with NTP for example.")
    else:
        yield DoctorCheck(about, CheckLevel.OK, "this machine's clock agrees with Stripe's")
