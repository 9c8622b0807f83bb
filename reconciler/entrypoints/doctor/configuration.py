"""Checks the configuration, and the keys and URLs in it."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.adapters.http.http_client import trusted_certificates
from reconciler.domain.outcome import Outcome
from reconciler.engine.report import Mode
from reconciler.entrypoints.doctor.doctor_check import CheckLevel, DoctorCheck, failed
from reconciler.entrypoints.invocation import Invocation
from reconciler.errors import ConfigurationError
from reconciler.settings import KeyKind, Settings, is_loopback, key_facts

ABOUT = "configuration"


def load_settings(call: Invocation) -> tuple[Settings | None, list[DoctorCheck]]:
    """The settings, and the checks of the configuration. The settings are None if no part of them can be used.

    If only the key or the table is missing, the settings are returned without it, so that the other checks can be made.
    """
    try:
        settings = call.settings(need_delivery=True)
    except ConfigurationError as error:
        checks = [
            DoctorCheck(ABOUT, CheckLevel.FAULT, fault.what, fault.hint) for fault in error.faults
        ]
        return _usable_part(call), checks
    source = "read from the environment alone" if settings.source is None else str(settings.source)
    return settings, [
        DoctorCheck(ABOUT, CheckLevel.OK, f"read from {source}"),
        *_warnings(settings),
    ]


def _usable_part(call: Invocation) -> Settings | None:
    """The settings without the parts that are faulty: the key, the table, or both."""
    # the most complete settings first
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
            f"stripe.api_base is {address}: every machine on the way can read the key",
            "Use https, or a proxy on this machine.",
        )
    url = settings.delivery.url
    if url is not None:
        yield DoctorCheck(
            ABOUT,
            CheckLevel.OK,
            f"the service delivers the outbox to {url}, and signs each delivery",
        )
        if url.startswith("http://"):
            yield DoctorCheck(
                ABOUT,
                CheckLevel.OK,
                "delivery.url has no TLS, which is safe only for an endpoint on this machine",
            )
    partial = [
        word
        for word, outcome in settings.table.read.items()
        if outcome is Outcome.REFUNDED and "part" in word.lower()
    ]
    if partial:
        yield DoctorCheck(
            ABOUT,
            CheckLevel.WARNING,
            f"[payments.read] maps {', '.join(partial)} to refunded. But refunded means that all of "
            "the money went back, so each partial refund would be a critical discrepancy "
            "refund_missing",
            "Map a status that means a partial refund to succeeded.",
        )
    # both are legal, and a person may wonder later why no row is corrected
    if not settings.table.write:
        yield DoctorCheck(
            ABOUT,
            CheckLevel.WARNING,
            "[payments.write] is empty, so no row will ever be corrected",
            "Add the status to write for each outcome.",
        )
    elif settings.corrections.mode is Mode.REPORT:
        yield DoctorCheck(
            ABOUT,
            CheckLevel.OK,
            (
                'corrections.mode is "report": the service corrects no row. While the service runs, '
                "sweep --apply corrects no row either"
            ),
        )


def certificate_checks(settings: Settings) -> Iterator[DoctorCheck]:
    """Whether the trusted certificates can be read that the delivery needs. Those for Stripe are read with its checks."""
    url = settings.delivery.url
    if url is None or not url.startswith("https:") or settings.stripe.api_base.startswith("https:"):
        return
    try:
        trusted_certificates()
    except ConfigurationError as error:
        yield failed("certificates", error)


def key_checks(settings: Settings) -> Iterator[DoctorCheck]:
    """What the prefix of each account's key says."""
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
                    f"a full secret key{mode}, which could move money, although Reconciler only reads",
                    "Use a restricted key with Read on PaymentIntents, Charges and Refunds, Events and Disputes, and on"
                    " Checkout Sessions and Balance if you need them.",
                )
            case KeyKind.UNKNOWN:
                yield DoctorCheck(
                    about,
                    CheckLevel.WARNING,
                    "the key's prefix shows neither the kind of key nor the mode",
                    "Set livemode, so that Reconciler notices a key of the other mode.",
                )
