"""Reads the values of options and arguments: times, ids of PaymentIntents, accounts and output formats."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

import typer

from reconciler.domain.model.payment import is_intent_id
from reconciler.engine.report import Moment
from reconciler.errors import UsageError
from reconciler.masking import redact
from reconciler.settings import parse_duration

TIME_HINT: Final = (
    "Write a date (2026-11-02), a date and time (2026-11-02T08:30, with or without a zone), or a duration before now "
    "(30d, 6h, 15m, 2w)."
)
_INTENT_ID_HINT: Final = "Use a PaymentIntent's id, which begins with pi_."
_OTHER_IDS: Final = {
    # https://docs.stripe.com/api: the prefix of each object's ids
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
    """How a list or a report is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


FormatOption = Annotated[
    OutputFormat | None,
    typer.Option("--format", metavar="table|json|csv", help="The output format.  [default: table]"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON.")]
ExcelOption = Annotated[
    bool,
    typer.Option(
        "--excel",
        help=(
            "Write CSV for a spreadsheet that uses the decimal comma: a byte order mark (BOM) at "
            "the start, semicolons between cells, and commas in numbers."
        ),
    ),
]
AccountOption = Annotated[
    str | None,
    typer.Option(
        "--account", metavar="NAME", help="Only the account with this name in [[accounts]]."
    ),
]

ByOption = Annotated[
    str | None,
    typer.Option(
        "--by",
        metavar="NAME",
        help="Your name, for the ledger. The ledger also keeps your user name on this machine.",
    ),
]
ApplyOption = Annotated[
    bool,
    typer.Option(
        "--apply",
        help="Change the discrepancies that the options select. Without --apply, the command only shows them.",
    ),
]
LONGEST_NAME: Final = 200


def parse_name(text: str | None) -> str | None:
    """The name of --by, None if it is not given. Raises UsageError for one that is empty, too long or not printable."""
    if text is None:
        return None
    name = redact(text.strip())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise UsageError(
            "--by is not a name.",
            f"Write 1 to {LONGEST_NAME} printable characters, such as your e-mail address.",
        )
    return name


def chosen_format(output_format: OutputFormat | None, json: bool) -> OutputFormat:
    """The format that --format or --json asks for. Raises UsageError if they contradict each other."""
    if json and output_format not in (None, OutputFormat.JSON):
        raise UsageError(
            f"--json and --format {output_format} contradict each other.",
            "Use one of the two options.",
        )
    return OutputFormat.JSON if json else output_format or OutputFormat.TABLE


def chosen_accounts(known: Sequence[str], account: str | None) -> tuple[str, ...]:
    """The account that --account names, or every account of the ledger. ``known`` are the ledger's accounts.

    Raises UsageError for an unknown account, because an empty answer would look as if nothing were wrong with it.
    """
    if account is None:
        return tuple(known)
    if account not in known:
        hint = (
            f"The accounts in the ledger are: {', '.join(known)}."
            if known
            else "The ledger is empty."
        )
        raise UsageError(f'The ledger has no account "{account}".', hint)
    return (account,)


def parse_moment(text: str | None, option: str) -> Moment | None:
    """The time that an option names: a datetime in UTC, or a timedelta, which counts back from Stripe's clock.

    A date is its midnight in UTC, and a time without a zone is UTC. Raises UsageError that names the option.
    """
    if text is None:
        return None
    stripped = text.strip()

    # a duration is not turned into a time here: this machine's clock may be wrong, and Stripe's decides
    try:
        span = parse_duration(stripped)
    except ValueError:
        pass
    else:
        if span <= timedelta(0):
            raise UsageError(f'{option} "{text}" is not in the past.', TIME_HINT)
        return span

    try:
        found = datetime.fromisoformat(stripped)
        # a zone may move a time out of the calendar (years 1 to 9999)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f'{option} "{text}" is not a time.', TIME_HINT) from None


def time_range(since: str | None, until: str | None) -> tuple[Moment | None, Moment | None]:
    """Both ends of a range. Raises UsageError for an end that is not a time, and for a range that is empty."""
    begin, end = parse_moment(since, "--since"), parse_moment(until, "--until")
    match begin, end:
        case (datetime(), datetime()):
            empty = begin >= end
        case (timedelta(), timedelta()):
            empty = begin <= end
        case _:
            # a duration counts back from Stripe's clock, which only the sweep itself reads
            empty = False
    if empty:
        raise UsageError(
            f"--since {since} is not before --until {until}.",
            "Use an earlier --since or a later --until.",
        )
    return begin, end


def parse_intent_id(text: str) -> str:
    """The id of a PaymentIntent. Raises UsageError that says what the text is instead."""
    found = text.strip()
    # the message may quote any other text, so a secret is caught first
    _raise_if_secret(found)
    if is_intent_id(found):
        return found
    prefix = next((item for item in _OTHER_IDS if found.startswith(item)), None)
    description = f"is {_OTHER_IDS[prefix]}" if prefix else "is not a PaymentIntent's id"
    raise UsageError(f'"{found[:60]}" {description}.', _INTENT_ID_HINT)


def parse_payment_name(text: str) -> str:
    """What a person calls a payment. Raises UsageError for a secret, and for a text that names nothing."""
    found = text.strip()
    _raise_if_secret(found)
    if not found:
        raise UsageError("The name of the payment is empty.", _INTENT_ID_HINT)
    return found


def _raise_if_secret(found: str) -> None:
    if found.startswith(("pi_", "cs_", "seti_")) and "_secret_" in found:
        raise UsageError(
            "This is a client_secret, not a PaymentIntent's id.",
            "Use the part before _secret_, and treat the secret as leaked: it is in your shell's history.",
        )
    if found.startswith(_SECRET_PREFIXES):
        raise UsageError("This is a key, not a PaymentIntent's id.", _INTENT_ID_HINT)
