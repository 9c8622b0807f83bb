"""What people write behind options, read once: moments, ids of PaymentIntents, forms of output."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

import typer

from reconciler.engine.report import Moment
from reconciler.errors import UsageError
from reconciler.settings import parse_duration

MOMENT_FORM: Final = "Write a date (2026-11-02), a date and time (2026-11-02T08:30 or with a zone) or a span back (30d, 6h, 15m, 2w)."
_INTENT_ID: Final = re.compile(r"pi_[A-Za-z0-9_]{1,252}")
_WHAT_IT_IS: Final = {
    "ch_": "a charge's id",
    "py_": "a charge's id",
    "re_": "a refund's id",
    "dp_": "a dispute's id",
    "du_": "a dispute's id",
    "cs_": "a Checkout Session's id",
    "in_": "an invoice's id",
    "evt_": "an event's id",
    "seti_": "a SetupIntent's id",
    "pm_": "a payment method's id",
    "cus_": "a customer's id",
    "sub_": "a subscription's id",
    "txn_": "a balance transaction's id",
    "acct_": "an account's id",
    "req_": "a request's id",
}
_SECRET_PREFIXES: Final = ("sk_", "rk_", "pk_", "whsec_")


class OutputFormat(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


FormatOption = Annotated[
    OutputFormat | None,
    typer.Option(
        "--format", metavar="table|json|csv", help="How to write the answer.  [default: table]"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
AccountOption = Annotated[
    str | None, typer.Option("--account", metavar="NAME", help="One account of [[accounts]].")
]


def chosen_format(form: OutputFormat | None, json: bool) -> OutputFormat:
    """The form asked for by --format or --json. Raises UsageError where they contradict each other."""
    if json and form not in (None, OutputFormat.JSON):
        raise UsageError(
            f"--json and --format {form} contradict each other.", "Take one of them out."
        )
    return OutputFormat.JSON if json else form or OutputFormat.TABLE


def chosen_accounts(known: Sequence[str], account: str | None) -> tuple[str, ...]:
    """The one account asked for, or all that the ledger knows.

    Raises UsageError for one that it does not know: nothing said about it would read as nothing wrong with it.
    """
    if account is None:
        return tuple(known)
    if account not in known:
        there = f"There are: {', '.join(known)}." if known else "It is empty."
        raise UsageError(f'The ledger has no account "{account}".', there)
    return (account,)


def moment(text: str | None, option: str) -> Moment | None:
    """A point in time: a span is kept as one, for Stripe's clock to count back from; without a zone it is UTC.

    Raises UsageError that names the option.
    """
    if text is None:
        return None
    stripped = text.strip()
    try:
        span = parse_duration(stripped)
    except ValueError:
        pass
    else:
        if span <= timedelta(0):
            raise UsageError(f'{option} "{text}" is no span of time.', MOMENT_FORM)
        return span
    try:
        found = datetime.fromisoformat(stripped)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f'{option} "{text}" is no moment.', MOMENT_FORM) from None


def time_range(since: str | None, until: str | None) -> tuple[Moment | None, Moment | None]:
    """Both ends of a range. Raises UsageError for an end that is none, and for a range that holds nothing."""
    begin, end = moment(since, "--since"), moment(until, "--until")
    match begin, end:
        case (datetime(), datetime()):
            empty = begin >= end
        case (timedelta(), timedelta()):
            empty = begin <= end
        case _:
            # one counts back from Stripe's present: only the sweep itself can compare them
            empty = False
    if empty:
        raise UsageError(
            f"--since {since} is not before --until {until}: there is nothing between them.",
            "Give an earlier --since or a later --until.",
        )
    return begin, end


def intent_id(text: str) -> str:
    """The id of a PaymentIntent. Raises UsageError that says what the text looks like instead."""
    found = text.strip()
    if found.startswith("pi_") and "_secret_" in found:
        raise UsageError(
            "This is a client_secret, not an id.",
            "Give the part before _secret_, and treat the secret as leaked: it is in your shell's history.",
        )
    if _INTENT_ID.fullmatch(found):
        return found
    if found.startswith(_SECRET_PREFIXES):
        raise UsageError(
            "This is a key, not an id.", "Give a PaymentIntent's id, which begins with pi_."
        )
    prefix = next((item for item in _WHAT_IT_IS if found.startswith(item)), None)
    looks = f"is {_WHAT_IT_IS[prefix]}" if prefix else "is no id of a PaymentIntent"
    raise UsageError(
        f'"{found[:60]}" {looks}.', "Give a PaymentIntent's id, which begins with pi_."
    )
