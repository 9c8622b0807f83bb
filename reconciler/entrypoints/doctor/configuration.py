"""Checks of the configuration, and of what it says about keys and addresses."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.engine.report import Mode
from reconciler.entrypoints.cli.invocation import Invocation
from reconciler.entrypoints.doctor.doctor_check import Check, Level
from reconciler.errors import ConfigurationError
from reconciler.settings import KeyKind, Settings, is_loopback, key_facts

ABOUT = "configuration"


def load_settings(call: Invocation) -> tuple[Settings | None, list[Check]]:
    """The settings as far as they can be used, with every fault of theirs.

    Where only the key or the table is missing, the rest of the checks can still be made without it.
    """
    try:
        settings = call.settings(need_delivery=True)
    except ConfigurationError as error:
        checks = [Check(ABOUT, Level.FAULT, fault) for fault in error.faults]
        return _usable_part(call), checks
    source = "the environment alone" if settings.source is None else str(settings.source)
    return settings, [Check(ABOUT, Level.OK, f"read from {source}"), *_warnings(settings)]


def _usable_part(call: Invocation) -> Settings | None:
    for need_stripe, need_table in ((False, True), (True, False), (False, False)):
        try:
            return call.settings(need_stripe=need_stripe, need_table=need_table)
        except ConfigurationError:
            continue
    return None


def _warnings(settings: Settings) -> Iterator[Check]:
    address = settings.stripe.api_base
    if address.startswith("http://") and not is_loopback(address):
        yield Check(
            ABOUT,
            Level.WARNING,
            f"stripe.api_base is {address}: the key crosses the network readable by everyone on the way",
            "Use https, or a proxy on this machine.",
        )
    url = settings.delivery.url
    if url is not None:
        yield Check(ABOUT, Level.OK, f"the outbox is delivered to {url}, signed")
        if url.startswith("http://"):
            yield Check(
                ABOUT, Level.OK, "delivery.url has no TLS, which is right on this machine alone"
            )
    if not settings.table.write:
        yield Check(
            ABOUT,
            Level.WARNING,
            "[payments.write] is empty: nothing will ever be corrected",
            "Say which status to write for which outcome.",
        )
    elif settings.corrections.mode is Mode.REPORT:
        yield Check(
            ABOUT,
            Level.OK,
            'corrections.mode is "report": only a person with sweep --apply corrects rows',
        )


def key_checks(settings: Settings) -> Iterator[Check]:
    """What each account's key is, by its prefix."""
    for account in settings.accounts:
        if account.key is None:
            continue
        about = f"key of account {account.name}"
        facts = key_facts(account.key.get_secret_value())
        mode = {True: ", live mode", False: ", test mode", None: ""}[facts.livemode]
        match facts.kind:
            case KeyKind.RESTRICTED:
                yield Check(about, Level.OK, f"a restricted key{mode}")
            case KeyKind.FULL:
                yield Check(
                    about,
                    Level.WARNING,
                    f"a full secret key{mode}: it could move money, and nothing here needs that",
                    "Make a restricted key that reads PaymentIntents, Charges and Refunds, Events and Disputes, and use that.",
                )
            case KeyKind.UNKNOWN:
                yield Check(
                    about,
                    Level.WARNING,
                    "its prefix tells neither kind nor mode",
                    "Set livemode, so that an object of the other mode is noticed.",
                )
