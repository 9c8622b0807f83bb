"""What several keys say together.

These rules look at the values as they were written, whatever else is wrong with them, so that every fault of a
configuration is told at once and not one behind the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from reconciler.domain.outcome import AT_STRIPE
from reconciler.settings.sections import DeliverySection, ServiceSection
from reconciler.settings.values import parse_duration


def joint_faults(raw: Mapping[str, Any]) -> list[str]:
    """Every fault between keys that are, each for itself, in order."""
    payments = raw.get("payments")
    accounts = [item for item in _list(raw.get("accounts")) if isinstance(item, Mapping)]
    faults: list[str] = []
    if isinstance(payments, Mapping):
        faults += _currency(payments)
        faults += _link(payments)
        faults += _statuses(payments)
        if len(accounts) > 1 and not payments.get("account"):
            faults.append(
                "payments.account is missing: several [[accounts]] need the column that holds the account's name."
            )
    return faults + _stall(raw) + _accounts(accounts)


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _currency(payments: Mapping[str, Any]) -> list[str]:
    column, constant = payments.get("currency"), payments.get("currency_constant")
    if column is not None and constant is not None:
        return [
            "payments.currency and payments.currency_constant are both set: take one of them out."
        ]
    if column is None and constant is None:
        missing = "payments.currency is missing: name the column with the currency, or set "
        return [missing + 'payments.currency_constant, such as "eur".']
    return []


def _link(payments: Mapping[str, Any]) -> list[str]:
    if payments.get("link_metadata") and not payments.get("order"):
        return ["payments.link_metadata needs payments.order: the column that it is compared with."]
    return []


def _statuses(payments: Mapping[str, Any]) -> list[str]:
    read, write = payments.get("read"), payments.get("write")
    faults = []
    if isinstance(read, Mapping) and not read:
        faults.append(
            'payments.read is empty: say what each local status means, such as paid = "succeeded".'
        )
    if not isinstance(write, Mapping) or not isinstance(read, Mapping):
        return faults
    for outcome, local in write.items():
        if outcome not in AT_STRIPE or not isinstance(local, str) or not local:
            continue
        name = f'payments.write.{outcome} = "{local}"'
        if local not in read:
            faults.append(
                f"{name}: payments.read does not know this status; add "
                f'{local} = "{outcome}" under [payments.read].'
            )
        elif read[local] != outcome:
            faults.append(
                f'{name}: under [payments.read] this status means "{read[local]}"; '
                f"write one that means {outcome}, or mend payments.read.{local}."
            )
    return faults


def _stall(raw: Mapping[str, Any]) -> list[str]:
    stall = _duration(raw.get("service"), "stall", ServiceSection().stall)
    timeout = _duration(raw.get("delivery"), "timeout", DeliverySection().timeout)
    delivery = raw.get("delivery")
    delivers = isinstance(delivery, Mapping) and bool(delivery.get("url"))
    if not delivers or stall is None or timeout is None or stall > timeout:
        return []
    told = "service.stall is not longer than delivery.timeout: an endpoint that hangs would look like a "
    return [told + "stuck service; make stall longer, or timeout shorter."]


def _duration(section: object, key: str, default: timedelta) -> timedelta | None:
    """A duration as it was written, None where it is none: that is a fault of its own."""
    if not isinstance(section, Mapping) or key not in section:
        return default
    try:
        return parse_duration(str(section[key]))
    except ValueError:
        return None


def _accounts(accounts: list[Mapping[str, Any]]) -> list[str]:
    names = Counter(str(item["name"]) for item in accounts if "name" in item)
    faults = [
        f'accounts: the name "{name}" is given {times} times; each account needs its own.'
        for name, times in names.items()
        if times > 1
    ]
    targets = Counter((item.get("key_file"), item.get("stripe_account")) for item in accounts)
    faults += [
        "accounts: "
        + " and ".join(_named(item) for item in accounts if _target(item) == target)
        + " have the same key and the same stripe_account, so they are one account; take one of them out."
        for target, times in targets.items()
        if times > 1
    ]
    return faults


def _target(account: Mapping[str, Any]) -> tuple[Any, Any]:
    return account.get("key_file"), account.get("stripe_account")


def _named(account: Mapping[str, Any]) -> str:
    return f'"{account.get("name", "?")}"'
