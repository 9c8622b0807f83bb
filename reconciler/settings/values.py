"""The kinds of values that the configuration has, each with one way to read it and one sentence for what is wrong."""

from __future__ import annotations

import re
from datetime import timedelta
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator

from reconciler.domain.outcome import AT_STRIPE, Outcome
from reconciler.engine.report import Mode

_DURATION: Final = re.compile(r"(\d{1,9})\s*([smhdw])", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST_IDENTIFIER: Final = 63
"""PostgreSQL cuts longer identifiers off (NAMEDATALEN - 1 bytes)."""
_LONGEST_DURATION: Final = timedelta(days=73_050)
"""Two hundred years: what is added to a time, or taken from it, must not leave the calendar."""
_LONGEST_REQUEST: Final = timedelta(minutes=1)
DURATION_FORM: Final = (
    'a duration is a whole number and a unit, such as "90s", "2m", "6h", "30d" or "2w"'
)


def parse_duration(text: str) -> timedelta:
    """A span such as ``90s``, ``2m``, ``6h``, ``30d`` or ``2w``; ``0`` needs no unit.

    Raises ValueError that says the form.
    """
    stripped = text.strip()
    if stripped == "0":
        return timedelta(0)
    match = _DURATION.fullmatch(stripped)
    if match is None:
        raise ValueError(DURATION_FORM)
    try:
        span = timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        span = timedelta.max
    if span > _LONGEST_DURATION:
        raise ValueError("the duration is longer than can be reckoned with")
    return span


def nearest(word: str, known: tuple[str, ...]) -> str | None:
    """The known word that is most like this one, if any is."""
    found = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return found[0] if found else None


def suggestion(word: str, known: tuple[str, ...]) -> str:
    """``; did you mean "x"?`` for a near word, else the words there are."""
    near = nearest(word, known)
    return f'did you mean "{near}"?' if near else f"there are: {', '.join(known)}"


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if (
        isinstance(value, bool)
        or not isinstance(value, str | int)
        or (value and isinstance(value, int))
    ):
        raise ValueError(DURATION_FORM)
    return parse_duration(str(value))


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("it must be longer than nothing")
    return value


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("it must be a number, not true or false")  # noqa: TRY004 - pydantic reads ValueErrors
    return value


def _identifier(value: str) -> str:
    if not value or value != value.strip():
        raise ValueError("a column's name is neither empty nor does it begin or end with a space")
    if '"' in value or "\0" in value:
        raise ValueError("write the name as the database stores it, without quotes")
    if len(value.encode()) > _LONGEST_IDENTIFIER:
        raise ValueError("PostgreSQL has no names longer than 63 bytes")
    return value


def _table(value: str) -> str:
    parts = value.split(".")
    if len(parts) > 2:
        raise ValueError(
            "write schema.table, or the table alone; a database's name does not belong here"
        )
    for part in parts:
        _identifier(part)
    return value


def outcome_fault(word: str, allowed: tuple[Outcome, ...]) -> str:
    """What is wrong with a word that should be one of these outcomes."""
    return f"this is no outcome; {suggestion(word, tuple(item.value for item in allowed))}"


READABLE: Final = tuple(item for item in Outcome if item is not Outcome.UNKNOWN)


def _outcome(value: object) -> object:
    if value not in READABLE:
        raise ValueError(outcome_fault(str(value), READABLE))
    return value


def _writable_outcome(value: object) -> object:
    if value in READABLE and value not in AT_STRIPE:
        raise ValueError(
            f"{value} is never written, for a PaymentIntent has no such state; take the line out"
        )
    if value not in AT_STRIPE:
        raise ValueError(outcome_fault(str(value), AT_STRIPE))
    return value


def _mode(value: object) -> object:
    if value == "replay":
        raise ValueError('the mode "replay" is not available yet; use "report" or "update"')
    if value not in tuple(Mode):
        raise ValueError(f"this is no mode; {suggestion(str(value), tuple(Mode))}")
    return value


def _currency(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{3}", value):
        raise ValueError('a currency is a code of three letters, such as "eur"')
    return value.lower()


def _api_base(value: str) -> str:
    problem = 'write it as "https://host" or "https://host:port"'
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError(f"this is no address; {problem}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"this is no http or https address; {problem}")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"an address carries no name and no password; {problem}")
    if parts.query or parts.fragment or value.endswith("/"):
        raise ValueError(f"nothing may follow the address, a slash at the end neither; {problem}")
    return value


def is_loopback(address: str) -> bool:
    """Whether a URL's host is this machine."""
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _endpoint(value: str) -> str:
    problem = 'write it as "https://host/path"'
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError(f"this is no address; {problem}") from None
    if not value.isascii() or any(char.isspace() or not char.isprintable() for char in value):
        raise ValueError(f"an address has neither spaces nor other such characters; {problem}")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"this is no https address; {problem}")
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            f"an address carries no name and no password, the signature is enough; {problem}"
        )
    if parts.query or parts.fragment:
        raise ValueError(f"nothing may follow the path: the signature proves who sends; {problem}")
    if parts.scheme == "http" and not is_loopback(value):
        raise ValueError(f"only this machine's own addresses may go without TLS; {problem}")
    return value


def _short(value: timedelta) -> timedelta:
    if value > _LONGEST_REQUEST:
        raise ValueError('it must be "1m" or less')
    return value


def _listen(value: str) -> str:
    if not value:
        return value
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise ValueError('write it as "127.0.0.1:9464" or "[::1]:9464"; "" serves nothing')
    return value


def _account_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9_-]{1,40}", value):
        raise ValueError("an account's name has 1 to 40 of a-z, 0-9, - and _")
    return value


def _stripe_account(value: str) -> str:
    if not re.fullmatch(r"acct_[A-Za-z0-9]{1,250}", value):
        raise ValueError('a Stripe account\'s id begins with "acct_"')
    return value


def _not_empty(value: str) -> str:
    if not value:
        raise ValueError("it may not be empty")
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
PositiveDuration = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_positive)]
RequestDuration = Annotated[PositiveDuration, AfterValidator(_short)]
Count = Annotated[int, BeforeValidator(_number)]
Number = Annotated[float, BeforeValidator(_number)]
Column = Annotated[str, AfterValidator(_identifier)]
Table = Annotated[str, AfterValidator(_table)]
LocalStatus = Annotated[str, AfterValidator(_not_empty)]
ReadOutcome = Annotated[Outcome, BeforeValidator(_outcome)]
WriteOutcome = Annotated[Outcome, BeforeValidator(_writable_outcome)]
ModeName = Annotated[Mode, BeforeValidator(_mode)]
Currency = Annotated[str, AfterValidator(_currency)]
ApiBase = Annotated[str, AfterValidator(_api_base)]
EndpointUrl = Annotated[str, AfterValidator(_endpoint)]
Listen = Annotated[str, AfterValidator(_listen)]
AccountName = Annotated[str, AfterValidator(_account_name)]
StripeAccount = Annotated[str, AfterValidator(_stripe_account)]
MetadataKey = Annotated[str, AfterValidator(_not_empty)]
KeyFile = Path
