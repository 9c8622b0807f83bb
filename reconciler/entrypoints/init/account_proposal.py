"""The lines for the column that says in whose Stripe account a payment is, and the sections [[accounts]]."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from reconciler.domain.sample.find_account import (
    AccountEvidence,
    AccountUse,
    FoundAccount,
    is_account_id,
)
from reconciler.entrypoints.shown_text import clean
from reconciler.masking import redact, visible
from reconciler.settings.values import LONGEST_ACCOUNT_NAME

MOST_SECTIONS: Final = 12
"""Accounts that have a section; the others are counted."""
OWN: Final = "default"
"""The name of the key's own account if no value of the column is it."""
Line = tuple[str, str]
"""A setting, and why it is so."""


def account_lines(found: FoundAccount, *, is_said: bool) -> Iterator[Line]:
    """The lines inside [payments]. ``is_said`` is whether a person said that each account has payments of its own."""
    if not found.is_worth_a_word:
        return
    sql_text = found.column.sql
    column = _quoted(found.column.name) if sql_text is None else f"{{ sql = {_quoted(sql_text)} }}"
    listed = f"{values_text(found)}"
    match found.use:
        case AccountUse.NEEDED:
            yield f"account = {column}", f"{listed}; see [[accounts]] below"
        case AccountUse.NOT_NEEDED:
            yield (
                f"# account = {column}",
                f"not needed, because the key reads the payments of all of them: {listed}",
            )
        case AccountUse.UNSURE:
            mark = "" if is_said else "# "
            why = f"uncomment this only if each has a Stripe account of its own (see [[accounts]] below): {listed}"
            yield f"{mark}account = {column}", listed if is_said else why


def account_sections(found: FoundAccount, *, is_said: bool) -> Iterator[Line]:
    """The sections at the end of the configuration: those of accounts that the key cannot read are comments."""
    if not found.is_worth_a_word or found.use is AccountUse.NOT_NEEDED:
        return
    is_sure = found.use is AccountUse.NEEDED
    yield "", ""
    yield (
        "# The Stripe accounts of the rows. Each needs a key. An account that is connected to your platform needs stripe_account instead.",
        "",
    )
    null = [one for one in found.values if one.value is None]
    null_is_own = is_sure and any(one.is_own for one in null)
    named = [one for one in found.values if one.value is not None and _can_be_named(one.value)]
    if null_is_own and not any(one.is_own for one in named):
        yield from _section(OWN, "the account of the key", "")
        yield "holds_null = true", f"{_rows(found, null[0])} have no account"
        yield "", ""
    for one in named[:MOST_SECTIONS]:
        is_read = is_sure and (one.is_own or one.is_connected)
        mark = "" if is_said or is_read else "# "
        yield from _section(one.value or "", f"{_rows(found, one)}; {_reading(one)}", mark)
        if is_sure and one.is_own:
            if null_is_own:
                yield "holds_null = true", f"{_rows(found, null[0])} have no account"
        elif one.is_connected or (is_said and is_account_id(one.value)):
            yield f"{mark}stripe_account = {_quoted(one.value or '')}", ""
        else:
            yield f"{mark}key_file = {_quoted(f'{one.value}.key')}", _key_text(one)
        yield "", ""
    left = len(found.values) - len(null) - len(named[:MOST_SECTIONS])
    if left:
        yield f"# {left:,} more accounts have no section here.", ""


def values_text(found: FoundAccount) -> str:
    """The accounts with their rows, such as ``acct_1 12, acct_2 3 and no account 5``."""
    shown = [
        f"{'no account' if one.value is None else visible(redact(one.value))} {one.rows:,}"
        for one in found.values[:MOST_SECTIONS]
    ]
    left = len(found.values) - len(shown)
    more = f" and {left:,} others" if left else ""
    sampled = " (sampled rows)" if found.rows_are_sampled else " (rows)"
    return f"{', '.join(shown)}{more}{sampled}"


def account_text(found: FoundAccount) -> str:
    """What was found, for a person who watches."""
    needed = {
        AccountUse.NEEDED: "needed: each has a Stripe account of its own",
        AccountUse.NOT_NEEDED: "not needed: the key reads the payments of all of them",
        AccountUse.UNSURE: "not sure that it is needed",
    }
    return clean(f"{found.column.name}: {values_text(found)}; {needed[found.use]}")


def unread_accounts(found: FoundAccount) -> tuple[str, ...]:
    """Which accounts no sweep examines until a person gives them a key, each with its rows."""
    if found.use is not AccountUse.NEEDED:
        return ()
    return tuple(
        f'{_rows(found, one)} are in the account "{visible(redact(one.value))}", and {_reading(one)}'
        for one in found.values[:MOST_SECTIONS]
        if one.value is not None and not one.is_own and not one.is_connected
    )


def _section(name: str, why: str, mark: str) -> Iterator[Line]:
    yield f"{mark}[[accounts]]", ""
    yield f"{mark}name = {_quoted(name)}", why


def _key_text(one: AccountEvidence) -> str:
    acting = f'; or stripe_account = "{one.value}", if your key may act for it'
    return f"a file that holds only this account's key{acting if is_account_id(one.value) else ''}"


def _reading(one: AccountEvidence) -> str:
    if one.is_own:
        return f"the key reads {one.read:,} of {one.read + one.missing:,} compared payments"
    if one.is_connected:
        return "the key reads their payments when it acts for this account"
    if one.missing:
        return f"the key reads {one.read:,} of {one.read + one.missing:,} compared payments"
    return "not compared with Stripe"


def _rows(found: FoundAccount, one: AccountEvidence) -> str:
    return f"{one.rows:,} {'sampled ' if found.rows_are_sampled else ''}rows"


def _can_be_named(value: str) -> bool:
    is_plain = value.isprintable() and value == value.strip() and redact(value) == value
    return is_plain and len(value) <= LONGEST_ACCOUNT_NAME and value != OWN


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
