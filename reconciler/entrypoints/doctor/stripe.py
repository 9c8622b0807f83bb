"""Checks each Stripe account: what its key may read, its mode, and this machine's clock against Stripe's."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Final

from reconciler.adapters.postgres.coordination.lease_store import PostgresReservedShare
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.schema.schema_state import schema_access
from reconciler.adapters.stripe_gateway.gateway import StripeGateway
from reconciler.adapters.stripe_gateway.key_access import KeyAccess, read_key_access
from reconciler.clock import Clock
from reconciler.domain.outcome import NEGATIVE
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.engine.limits.reserved_share import PART, with_reserved_share
from reconciler.entrypoints.doctor.doctor_check import CheckLevel, DoctorCheck, failed
from reconciler.errors import ReconcilerError
from reconciler.masking import redact, visible
from reconciler.settings import Account, Settings
from reconciler.wiring.account import open_gateway
from reconciler.wiring.limits import limits_of
from reconciler.wiring.stop_signal import STOPPING

MOST_AT_ONCE: Final = 8
"""Accounts that are checked at the same time."""
NOTABLE_SKEW: Final = timedelta(seconds=5)
_NEEDED_BY: Final = {
    "payment_intents": "every sweep needs this permission",
    "charges": "every sweep needs this permission, to see what was paid and what was refunded",
    "events": "a sweep needs this permission to read Stripe's events (service.tail)",
    "refunds": "every sweep needs this permission, so that it sets no refunded payment to paid",
    "disputes": "every sweep needs this permission, so that it sets no disputed payment to paid",
    "checkout/sessions": (
        "a sweep needs this permission if the column payments.payment_intent holds Checkout Sessions (cs_…): "
        "without it, those rows are not examined"
    ),
    "balance_transactions": (
        "a sweep needs this permission for payments that were captured in part and refunded: without it, a person "
        "has to decide about them"
    ),
}
"""What needs a resource, by its name."""
WRONG_SKEW: Final = timedelta(seconds=300)
"""Stripe's SDKs refuse a webhook whose signature is older than this, so the merchant's handler would refuse all of them."""


def stripe_checks(
    settings: Settings,
    clock: Clock,
    own: Mapping[str, RateLimiter] | None = None,
    stopping: threading.Event | None = None,
) -> Iterator[DoctorCheck]:
    """Every check of every account that has a key. Once ``stopping`` is set, every read ends; without it, once the process is
    asked to end.

    ``own`` has the rate limiters of the accounts whose lease this process holds, and the reads of those accounts go
    through them. The reads of all other accounts use the reserved share of the rate limits.
    """
    accounts = settings.accounts
    # the process that holds an account needs some seconds to leave the reserved share free; waiting in parallel takes
    # no longer than waiting for one
    with ThreadPoolExecutor(max(1, min(MOST_AT_ONCE, len(accounts)))) as pool:

        def checks_of(account: Account) -> list[DoctorCheck]:
            limiter = (own or {}).get(account.name)
            return list(_account_checks(settings, account, clock, limiter, stopping))

        for found in pool.map(checks_of, accounts):
            yield from found


def subject_of(account: Account) -> str:
    """What the checks of an account's key are about."""
    return f"Stripe, account {account.name}"


def _account_checks(
    settings: Settings,
    account: Account,
    clock: Clock,
    own: RateLimiter | None,
    stopping: threading.Event | None,
) -> Iterator[DoctorCheck]:
    about = subject_of(account)
    if account.key is None:
        yield DoctorCheck(about, CheckLevel.SKIPPED, "this account has no usable key")
        return
    try:
        access = _probed(settings, account, clock, own, stopping)
    except ReconcilerError as error:
        yield failed(about, error)
        return
    yield from _permissions(about, access)
    yield from _orders(about, settings, access)
    yield from _mode(about, account, access)
    yield from _clock(about, access)


def _probed(
    settings: Settings,
    account: Account,
    clock: Clock,
    own: RateLimiter | None,
    stopping: threading.Event | None,
) -> KeyAccess:
    with gateway_on_reserved_share(settings, account, clock, own, stopping) as gateway:
        return read_key_access(gateway)


@contextmanager
def gateway_on_reserved_share(
    settings: Settings,
    account: Account,
    clock: Clock,
    own: RateLimiter | None = None,
    stopping: threading.Event | None = None,
    *,
    all_metadata: bool = False,
) -> Iterator[StripeGateway]:
    """The account's gateway. Its reads use the reserved share of the rate limits, or those of ``own``.

    With ``all_metadata`` intents have all of their metadata, not only the configured keys.
    """
    with ExitStack() as stack:
        rate_limiter = own or RateLimiter(limits_of(settings, account), clock, stopping or STOPPING)
        if own is None:
            stack.enter_context(_reserved_share(settings, account, rate_limiter, clock))
        gateway = open_gateway(settings, account, clock, rate_limiter, all_metadata=all_metadata)
        yield stack.enter_context(gateway)


@contextmanager
def _reserved_share(
    settings: Settings, account: Account, rate_limiter: RateLimiter, clock: Clock
) -> Iterator[None]:
    """Use the reserved share of the account's rate limits during the block."""
    with ExitStack() as stack:
        try:
            url = settings.database_url.get_secret_value()
            database = stack.enter_context(Database(url, size=1))
            readable = schema_access(database).may_read
            book = PostgresReservedShare(database, account.name, readable=readable)
            stack.enter_context(with_reserved_share(book, rate_limiter, clock))
        except ReconcilerError:
            # without the database no other process can be told; it cannot renew its lease either
            rate_limiter.keep_to(PART)
        yield


def _permissions(about: str, access: KeyAccess) -> Iterator[DoctorCheck]:
    for resource in access.resources:
        name = resource.resource.replace("_", " ").replace("/", " ")
        if resource.ok:
            yield DoctorCheck(about, CheckLevel.OK, f"the key may read {name}")
            continue
        level = CheckLevel.WARNING if resource.is_optional else CheckLevel.FAULT
        what = f"the key cannot read {name}: its permission {resource.missing} is missing"
        yield DoctorCheck(about, level, f"{what}; {_NEEDED_BY[resource.resource]}", resource.hint)


def _orders(about: str, settings: Settings, access: KeyAccess) -> Iterator[DoctorCheck]:
    """Whether the other payments of an order can be found before one of its rows is made failed or canceled."""
    payments = settings.payments
    negative = None if payments is None else NEGATIVE & payments.statuses.write.keys()
    if payments is None or not negative:
        return
    missing = [
        name
        for name, value in (
            ("payments.order", payments.mapping.order),
            ("payments.link_metadata", payments.link_metadata),
        )
        if value is None
    ]
    if not missing:
        return
    likely = [key for key in access.metadata_keys if "order" in key.lower()]
    hint = f"Set {' and '.join(missing)}."
    if likely and payments.link_metadata is None:
        hint += f' The metadata key "{visible(redact(likely[0]))}" of the newest PaymentIntent seems to hold the order.'
    yield DoctorCheck(
        about,
        CheckLevel.WARNING,
        f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set: before a sweep sets a row to "
        f"{' or '.join(sorted(negative))}, it cannot check whether the row's order was paid with another "
        "PaymentIntent",
        hint,
    )


def _mode(about: str, account: Account, access: KeyAccess) -> Iterator[DoctorCheck]:
    names = {True: "live mode", False: "test mode"}
    # an object shows the mode for certain; a key's prefix is only a convention
    seen = access.seen_livemode
    if seen is None:
        yield DoctorCheck(
            about, CheckLevel.OK, "this Stripe account has no object yet that shows the mode"
        )
    elif account.livemode is not None and account.livemode is not seen:
        yield DoctorCheck(
            about,
            CheckLevel.FAULT,
            f"the account's objects are of {names[seen]}, but livemode is {str(account.livemode).lower()}",
            f"Use a key of {names[account.livemode]}, or correct livemode.",
        )
    elif account.livemode is None:
        yield DoctorCheck(
            about,
            CheckLevel.WARNING,
            f"the account's objects are of {names[seen]}, but livemode is not set",
            f"Set livemode = {str(seen).lower()}, so that Reconciler notices a key of the other mode at once.",
        )
    else:
        yield DoctorCheck(
            about, CheckLevel.OK, f"the account's objects are of {names[seen]}, as configured"
        )


def _clock(about: str, access: KeyAccess) -> Iterator[DoctorCheck]:
    if access.skew is None:
        yield DoctorCheck(
            about,
            CheckLevel.WARNING,
            "no answer had a Date header, so this machine's clock was not checked",
        )
        return
    # Reconciler decides by Stripe's clock; a wrong one here breaks the merchant's webhook signatures
    seconds = access.skew.total_seconds()
    what = f"this machine's clock is {abs(seconds):.0f} s {'behind' if seconds > 0 else 'ahead of'} Stripe's"
    if abs(access.skew) > WRONG_SKEW:
        yield DoctorCheck(about, CheckLevel.FAULT, what, "Set the clock, for example with NTP.")
    elif abs(access.skew) > NOTABLE_SKEW:
        yield DoctorCheck(about, CheckLevel.WARNING, what, "Set the clock, for example with NTP.")
    else:
        yield DoctorCheck(about, CheckLevel.OK, "this machine's clock agrees with Stripe's")
