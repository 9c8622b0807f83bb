"""The rules that several keys of the configuration have to keep together.

The rules read the values as they were written, even if single keys are wrong. A person so sees every fault at once,
and not one after the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from reconciler.domain.outcome import AT_STRIPE, NEGATIVE
from reconciler.errors import ConfigurationFault
from reconciler.settings.durations import parse_duration
from reconciler.settings.review_rules import people_faults
from reconciler.settings.sections import DeliverySection, ServiceSection
from reconciler.settings.values import KEEP, LONGEST_SHOWN, status_word


def joint_faults(raw: Mapping[str, Any]) -> list[ConfigurationFault]:
    """Every fault of keys that are right alone and wrong together."""
    # a section may be of a wrong type here: pydantic reports that
    payments = raw.get("payments")
    accounts = [item for item in _list(raw.get("accounts")) if isinstance(item, Mapping)]
    faults: list[ConfigurationFault] = []
    if isinstance(payments, Mapping):
        faults += _currency(payments)
        faults += _link(payments)
        faults += _statuses(payments)
        faults += _set(payments)
        faults += _account_column(payments, accounts)
    return (
        faults
        + _stall(raw)
        + _accounts(accounts)
        + _rows_of_accounts(accounts)
        + people_faults(raw)
    )


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _currency(payments: Mapping[str, Any]) -> list[ConfigurationFault]:
    column, constant = payments.get("currency"), payments.get("currency_constant")
    if column is not None and constant is not None:
        what = "payments.currency and payments.currency_constant are both set."
        return [ConfigurationFault(what, "Delete one of them.")]
    if column is None and constant is None:
        hint = (
            'Name the column with the currency, or set payments.currency_constant, such as "eur".'
        )
        return [ConfigurationFault("payments.currency is missing.", hint)]
    return []


def _link(payments: Mapping[str, Any]) -> list[ConfigurationFault]:
    if payments.get("order"):
        return []
    return [
        ConfigurationFault(
            f"payments.{key} is set, but payments.order is not.",
            "Set payments.order to the column with the order.",
        )
        for key in ("link_metadata", "link_description")
        if payments.get(key)
    ]


def _statuses(payments: Mapping[str, Any]) -> list[ConfigurationFault]:
    read, write = payments.get("read"), payments.get("write")
    faults = []
    if isinstance(read, Mapping) and not read:
        faults.append(
            ConfigurationFault(
                "payments.read is empty.",
                'Write what each local status means, such as paid = "succeeded".',
            )
        )
    if isinstance(read, Mapping) and KEEP in read:
        faults.append(_keep_as_a_status(read[KEEP]))
    if not isinstance(write, Mapping) or not isinstance(read, Mapping):
        return faults

    # a status that Reconciler writes must read back as the same outcome, or the next sweep would correct it again
    for outcome, written in write.items():
        local = status_word(written)
        if outcome not in AT_STRIPE or not isinstance(local, str) or not local:
            continue
        if local == KEEP:
            faults += _keep(outcome)
            continue
        name = f'payments.write.{outcome} = "{local}"'
        if local not in read:
            faults.append(
                ConfigurationFault(
                    f"{name}: this status is not in payments.read.",
                    f'Add {local} = "{outcome}" under [payments.read].',
                )
            )
        elif read[local] != outcome:
            faults.append(
                ConfigurationFault(
                    f'{name}: under [payments.read] this status means "{_shown(read[local])}".',
                    f"Write a status that means {outcome}, or correct payments.read.{local}.",
                )
            )
    return faults


def _set(payments: Mapping[str, Any]) -> list[ConfigurationFault]:
    columns, write = payments.get("set"), payments.get("write")
    if not isinstance(columns, Mapping):
        return []
    written = write if isinstance(write, Mapping) else {}
    return [
        ConfigurationFault(
            f"payments.set.{outcome}: payments.write has no status for {outcome}.",
            f"Set payments.write.{outcome} to the status that such a row gets.",
        )
        for outcome in columns
        if outcome in AT_STRIPE and written.get(outcome, KEEP) == KEEP
    ]


def _keep_as_a_status(outcome: object) -> ConfigurationFault:
    """The fault of a table whose own status is the word "keep": under [payments.write] it would have two meanings."""
    return ConfigurationFault(
        f'payments.read.{KEEP} = "{_shown(outcome)}": "{KEEP}" cannot be a status, because under [payments.write] it says'
        " that rows stay as they are.",
        "Read this status as another word: [payments] status = "
        f"{{ sql = \"CASE t.status WHEN '{KEEP}' THEN 'kept' ELSE t.status END\" }}, where status is your column.",
    )


def _keep(outcome: str) -> list[ConfigurationFault]:
    name = f'payments.write.{outcome} = "{KEEP}"'
    if outcome not in NEGATIVE:
        what = f'{name}: "keep" is possible only for failed and canceled.'
        return [ConfigurationFault(what, "Write a status, or leave the line out.")]
    return []


def _stall(raw: Mapping[str, Any]) -> list[ConfigurationFault]:
    stall = _duration(raw.get("service"), "stall", ServiceSection().stall)
    timeout = _duration(raw.get("delivery"), "timeout", DeliverySection().timeout)
    delivery = raw.get("delivery")
    delivers = isinstance(delivery, Mapping) and bool(delivery.get("url"))
    if not delivers or stall is None or timeout is None or stall > timeout:
        return []
    return [
        ConfigurationFault(
            "service.stall is not longer than delivery.timeout, so an endpoint that hangs would look like a service "
            "that hangs.",
            "Make service.stall longer, or delivery.timeout shorter.",
        )
    ]


def _duration(section: object, key: str, default: timedelta) -> timedelta | None:
    """A duration as it was written, None if it is not one: that is a fault of its own."""
    if not isinstance(section, Mapping) or key not in section:
        return default
    try:
        return parse_duration(str(section[key]))
    except ValueError:
        # such as a number of thousands of digits, which has no text
        return None


def _account_column(
    payments: Mapping[str, Any], accounts: list[Mapping[str, Any]]
) -> list[ConfigurationFault]:
    if payments.get("account"):
        return []
    if len(accounts) > 1:
        return [
            ConfigurationFault(
                "payments.account is missing, and there are several [[accounts]].",
                "Name the column that says which account a row belongs to.",
            )
        ]
    named = [key for key in ("value", "holds_null") for item in accounts if item.get(key)]
    return [
        ConfigurationFault(
            f"accounts.{key} is set, and payments.account is not.",
            f"Name the column that says which account a row belongs to, or delete {key}.",
        )
        for key in named
    ]


def _rows_of_accounts(accounts: list[Mapping[str, Any]]) -> list[ConfigurationFault]:
    """A row may belong to one account only."""
    faults = []
    takes_null = [shown_name(item) for item in accounts if item.get("holds_null") is True]
    if len(takes_null) > 1:
        faults.append(
            ConfigurationFault(
                f"accounts: {' and '.join(takes_null)} both have holds_null.",
                "Keep holds_null only at the account to which the rows without an account belong.",
            )
        )
    held_by = {
        shown_name(item): _text(item.get("value")) or _text(item.get("name")) for item in accounts
    }
    for value, times in Counter(held for held in held_by.values() if held is not None).items():
        same = [name for name, held in held_by.items() if held == value]
        if times > 1:
            faults.append(
                ConfigurationFault(
                    f'accounts: {" and ".join(same)} have the same value "{_shown(value)}", so their rows cannot be told apart.',
                    "Give each the value that the column payments.account holds for it.",
                )
            )
    return faults


def _accounts(accounts: list[Mapping[str, Any]]) -> list[ConfigurationFault]:
    names = Counter(item["name"] for item in accounts if isinstance(item.get("name"), str))
    faults = [
        ConfigurationFault(
            f'accounts: {times} accounts have the name "{_shown(name)}".', "Give each its own name."
        )
        for name, times in names.items()
        if times > 1
    ]

    # two names for one Stripe account would reconcile every payment twice
    targets = Counter(_target(item) for item in accounts)
    for target, times in targets.items():
        if times > 1:
            same = " and ".join(shown_name(item) for item in accounts if _target(item) == target)
            faults.append(
                ConfigurationFault(
                    f"accounts: {same} have the same key and the same stripe_account, so they are one account.",
                    "Delete all but one of them.",
                )
            )
    return faults


def _target(account: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """What Stripe account this is: two with the same values are the same account."""
    return _text(account.get("key_file")), _text(account.get("stripe_account"))


def _text(value: object) -> str | None:
    # a value of a wrong type is a fault of its own
    return value if isinstance(value, str) else None


def shown_name(account: Mapping[str, Any]) -> str:
    """The name of an account for a message, ``"?"`` if it has none."""
    return f'"{_shown(account.get("name"))}"'


def _shown(value: object) -> str:
    """A text for a message, ``?`` for what is no text. A long one is cut off."""
    text = _text(value) or "?"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
