"""Checks of the configuration, and of what it says about keys and addresses."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.engine.report import Mode
from reconciler.entrypoints.cli.invocation import Invocation
from reconciler.entrypoints.doctor.doctor_check import CheckLevel, DoctorCheck
from reconciler.errors import ConfigurationError
from reconciler.settings import KeyKind, Settings, is_loopback, key_facts

ABOUT = "configuration"


def load_settings(call: Invocation) -> tuple[Settings | None, list[DoctorCheck]]:
    """The settings as far as they can be used, with every fault of theirs.

    Where only the key or the table is missing, the rest of the checks can still be made without it.
    """
    try:
        settings = call.settings(need_delivery=True)
    except ConfigurationError as error:
        checks = [
            DoctorCheck(ABOUT, CheckLevel.FAULT, fault.what, fault.hint) for fault in error.faults
        ]
        return _usable_part(call), checks
    source = "the environment alone" if settings.source is None else str(settings.source)
    return settings, [
        DoctorCheck(ABOUT, CheckLevel.OK, f"read from {source}"),
        *_warnings(settings),
    ]


def _usable_part(call: Invocation) -> Settings | None:
    for need_stripe, need_table in ((False, True), (True, False), (False, False)):
        try:
            return call.settings(need_stripe=need_stripe, need_table=need_table)
        except ConfigurationError:
            continue
    return None


def _warnings(settings: Settings) -> Iterator[DoctorCheck]:
    address = settings.stripe.api_base
    if address.startswith("http://") and not is_loopback(address):
        yield DoctorCheck(
            ABOUT,
            CheckLevel.WARNING,
            f"stripe.api_base is {address}: the key crosses the network readable by everyone on the way",
            "Use https, or a proxy on this machine.",
        )
    url = settings.delivery.url
    if url is not None:
        yield DoctorCheck(ABOUT, CheckLevel.OK, f"the outbox is delivered to {url}, signed")
        if url.startswith("http://"):
            yield DoctorCheck(
                ABOUT,
                CheckLevel.OK,
                "delivery.url has no TLS, which is right on this machine alone",
            )
    if not settings.table.write:
        yield DoctorCheck(
            ABOUT,
            CheckLevel.WARNING,
            "[payments.write] is empty: nothing will ever be corrected",
            "Say which status to write for which outcome.",
        )
    elif settings.corrections.mode is Mode.REPORT:
        yield DoctorCheck(
            ABOUT,
            CheckLevel.OK,
            'corrections.mode is "report": only a person with sweep --apply corrects rows',
        )


def key_checks(settings: Settings) -> Iterator[DoctorCheck]:
    """What each account's key is, by its prefix."""
    for account in settings.accounts:
        if account.key is None:
            continue
        about = f"key of account {account.name}"
        facts = key_facts(account.key.get_secret_value())
        mode = {True: ", live mode", False: ", test mode", None: ""}[facts.livemode]
        match facts.kind:
            case KeyKind.RESTRICTED:
                yield DoctorCheck(about, CheckLevel.OK, f"a restricted key{mode}")
            case KeyKind.FULL:
                yield DoctorCheck(
                    about,
                    CheckLevel.WARNING,
                    f"a full secret key{mode}: it could move money, and nothing here needs that",
                    "Make a restricted key that reads PaymentIntents, Charges and Refunds, Events and Disputes, and use that.",
                )
            case KeyKind.UNKNOWN:
                yield DoctorCheck(
                    about,
                    CheckLevel.WARNING,
                    "its prefix tells neither kind nor mode",
                    "Set livemode, so that an object of the other mode is noticed.",
                )
