"""The types of the configuration's values. Each type has one validator, which says what is wrong and what to write.

Durations have a module of their own: ``durations``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, time, tzinfo
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, PlainValidator

from reconciler.domain.model.payment import SqlText
from reconciler.domain.outcome import AT_STRIPE, Outcome
from reconciler.engine.report import Mode
from reconciler.masking import redact
from reconciler.settings.invalid_value import InvalidValueError, suggestion
from reconciler.sql_expressions import expression_fault

_LONGEST_IDENTIFIER: Final = 63
"""PostgreSQL cuts longer identifiers off (NAMEDATALEN - 1 bytes)."""
LONGEST_ACCOUNT_NAME: Final = 64
"""In characters."""
READABLE: Final = tuple(item for item in Outcome if item is not Outcome.UNKNOWN)
"""The outcomes that a local status can mean."""

KEEP: Final = "keep"
"""What [payments.write] says of an outcome for which rows stay as they are."""
LONGEST_SHOWN: Final = 120
"""Characters of an SQL text that a message shows."""
_SQL_HINT: Final = "Write one expression over the row t, such as { sql = \"t.data->>'id'\" }."


_COMMAND_HINT: Final = 'Write a list, such as ["/usr/bin/logger", "--tag", "ledger"].'


def _number(value: object) -> object:
    # pydantic would read true as 1
    if isinstance(value, bool):
        raise InvalidValueError("this must be a number, not true or false.")
    return value


def _identifier(value: str) -> str:
    if not value or value != value.strip():
        raise InvalidValueError(
            "this is no column's name: it is empty, or begins or ends with a space."
        )
    if '"' in value or "\0" in value:
        raise InvalidValueError(
            "the name has a quotation mark or a NUL in it.",
            "Write the name as the database stores it, without quotes.",
        )
    if len(value.encode()) > _LONGEST_IDENTIFIER:
        raise InvalidValueError("the name is longer than 63 bytes.")
    return value


def _table(value: str) -> str:
    parts = value.split(".")
    if len(parts) > 2:
        raise InvalidValueError(
            "this is no table's name: it has more than two parts.",
            'Write "schema.table" or "table"; the database is in DATABASE_URL.',
        )
    for part in parts:
        _identifier(part)
    return value


def _not_an_outcome(word: str, allowed: tuple[Outcome, ...]) -> InvalidValueError:
    hint = suggestion(word, tuple(outcome.value for outcome in allowed))
    return InvalidValueError("this is not an outcome.", hint)


def _outcome(value: object) -> object:
    if value not in READABLE:
        raise _not_an_outcome(str(value), READABLE)
    return value


def _writable_outcome(value: object) -> object:
    if value in READABLE and value not in AT_STRIPE:
        raise InvalidValueError(
            f"Reconciler never writes {value}, because a PaymentIntent has no such status.",
            "Delete this line.",
        )
    if value not in AT_STRIPE:
        raise _not_an_outcome(str(value), AT_STRIPE)
    return value


def _mode(value: object) -> object:
    # the mode is planned, and a person may try it
    if value == "replay":
        raise InvalidValueError(
            'the mode "replay" is not available yet.', 'Write "report" or "update".'
        )
    if value not in tuple(Mode):
        raise InvalidValueError("this is not a mode.", suggestion(str(value), tuple(Mode)))
    return value


def _currency(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{3}", value):
        raise InvalidValueError(
            "this is not a currency.", 'Write the code of three letters, such as "eur".'
        )
    return value.lower()


def _split_url(value: str, hint: str) -> SplitResult:
    """The parts of an http or https URL without a name and a password. Raises InvalidValueError."""
    try:
        parts = urlsplit(value)
        _ = parts.port  # raises ValueError if the port is not a number
    except ValueError:
        raise InvalidValueError("this is not a URL.", hint) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidValueError("this is not an http or https URL.", hint)
    if parts.username is not None or parts.password is not None:
        raise InvalidValueError("the URL may have no user name and no password in it.", hint)
    return parts


def _api_base(value: str) -> str:
    hint = 'Write it as "https://host" or "https://host:port".'
    parts = _split_url(value, hint)
    if parts.query or parts.fragment or value.endswith("/"):
        raise InvalidValueError(
            "the URL may have no query, no fragment and no slash at its end.", hint
        )
    return value


def is_loopback(url: str) -> bool:
    """The URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _endpoint(value: str) -> str:
    hint = 'Write it as "https://host/path".'
    if not value.isascii() or any(char.isspace() or not char.isprintable() for char in value):
        raise InvalidValueError("the URL has a space, or a character outside ASCII.", hint)
    parts = _split_url(value, hint)

    # a secret in the URL would reach the endpoint's access log; the signature already proves who sends
    if parts.query or parts.fragment:
        raise InvalidValueError("the URL may have no query and no fragment.", hint)
    if parts.scheme == "http" and not is_loopback(value):
        raise InvalidValueError("a URL without TLS may only name this machine.", hint)
    return value


def _listen(value: str) -> str:
    if not value:
        return value
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise InvalidValueError(
            "this is not an address and a port.",
            'Write "127.0.0.1:9464" or "[::1]:9464"; "" serves nothing.',
        )
    return value


def _header_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", value):
        raise InvalidValueError(
            "this is not the name of a header.", 'Write a name such as "X-Forwarded-User".'
        )
    return value


def _network(value: str) -> str:
    try:
        ip_network(value)
    except ValueError:
        raise InvalidValueError(
            "this is not an address or a network.", 'Write "127.0.0.1" or "10.0.0.0/24".'
        ) from None
    return value


def _host_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", value):
        raise InvalidValueError(
            "this is not a host name or an address.",
            'Write it without a scheme and a port, such as "reconciler.internal".',
        )
    return value


def _account_name(value: str) -> str:
    if not value.isprintable() or not 1 <= len(value) <= LONGEST_ACCOUNT_NAME:
        raise InvalidValueError(
            "this is not an account's name.",
            f"Write 1 to {LONGEST_ACCOUNT_NAME} printable characters.",
        )
    if value != value.strip():
        raise InvalidValueError("the account's name begins or ends with a space.")
    # the name stands in every table, log and message
    if redact(value) != value:
        raise InvalidValueError(
            "the account's name looks like a key or a secret.", "Put the key into a key_file."
        )
    return value


def _account_value(value: str) -> str:
    if not value or "\0" in value:
        raise InvalidValueError("the value is empty, or has a NUL in it.")
    return value


def _stripe_account(value: str) -> str:
    if not re.fullmatch(r"acct_[A-Za-z0-9]{1,250}", value):
        raise InvalidValueError(
            "this is not the id of a Stripe account.", 'Write the id that begins with "acct_".'
        )
    return value


def _condition(value: str) -> str:
    """One SQL expression that is true or false. PostgreSQL has the last word."""
    fault = expression_fault(value)
    if fault is None:
        return value
    is_no_expression = fault.startswith(("has to be", "is "))
    hint = (
        'Write it as in a WHERE clause, such as "deleted_at IS NULL".' if is_no_expression else ""
    )
    raise InvalidValueError(f"the condition {fault}.", hint)


def sql_text(value: object) -> SqlText:
    """The SQL text of a table ``{ sql = "…" }``. Raises InvalidValueError if it is none."""
    if isinstance(value, SqlText):
        return value
    text = value.get("sql") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or set(value) != {"sql"} or not isinstance(text, str):
        raise InvalidValueError('this is no SQL text { sql = "…" }.', _SQL_HINT)
    fault = expression_fault(text)
    if fault is not None:
        raise InvalidValueError(f"the SQL text {shown_sql(text)} {fault}.", _SQL_HINT)
    return SqlText(text)


def shown_sql(text: str) -> str:
    """An SQL text for a message: on one line, and not longer than is needed to find it."""
    line = " ".join(redact(text).split())
    return f'"{line[:LONGEST_SHOWN]}…"' if len(line) > LONGEST_SHOWN else f'"{line}"'


def _column_or_sql(value: object) -> str | SqlText:
    if isinstance(value, Mapping | SqlText):
        return sql_text(value)
    if not isinstance(value, str):
        raise InvalidValueError('this must be a text in quotes, or { sql = "…" }.')
    return _identifier(value)


def status_word(value: object) -> object:
    """A status as text: a boolean and an integer as PostgreSQL prints them."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) and value.bit_length() < 64 else value


def _set_value(value: object) -> str | SqlText:
    """A value to write, as PostgreSQL takes it from a text."""
    if isinstance(value, Mapping | SqlText):
        return sql_text(value)
    if isinstance(value, date | time):
        return value.isoformat()
    text = str(value) if isinstance(value, float) else status_word(value)
    if not isinstance(text, str) or "\0" in text:
        raise InvalidValueError('this must be a value, or { sql = "…" }; NULL is { sql = "NULL" }.')
    return text


def _not_empty(value: str) -> str:
    if not value:
        raise InvalidValueError("the text may not be empty.")
    return value


def _time_zone(value: str) -> str:
    try:
        zone_of(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidValueError(
            "this machine does not know this time zone.",
            'Write a name such as "Europe/Berlin" or "UTC"; Debian has them in the package tzdata.',
        ) from None
    return value


def zone_of(name: str) -> tzinfo:
    """The time zone of a name. Raises ZoneInfoNotFoundError, ValueError or OSError if this machine does not know it."""
    # UTC is known without the system's files
    return UTC if name == "UTC" else ZoneInfo(name)


def _anchor_file(value: Path) -> Path:
    if not value.is_absolute():
        raise InvalidValueError("the path must be absolute.", "Begin it with a slash.")
    if "\0" in str(value):
        raise InvalidValueError("the path has a NUL in it.")
    return value


def _command(value: tuple[str, ...]) -> tuple[str, ...]:
    if value and not value[0]:
        raise InvalidValueError("the program's name is empty.", _COMMAND_HINT)
    if any("\0" in text for text in value):
        raise InvalidValueError("an argument has a NUL in it.")
    return value


def _as_written(value: str | SqlText) -> str | dict[str, str]:
    """A value or an SQL text as the configuration has it."""
    return {"sql": value.sql} if isinstance(value, SqlText) else value


# without it pydantic serializes an SQL text twice, and warns on the terminal
_AS_WRITTEN: Final = PlainSerializer(_as_written)

Count = Annotated[int, BeforeValidator(_number)]
Number = Annotated[float, BeforeValidator(_number)]
Column = Annotated[str, AfterValidator(_identifier)]
ColumnOrSql = Annotated[str | SqlText, PlainValidator(_column_or_sql), _AS_WRITTEN]
Table = Annotated[str, AfterValidator(_table)]
Condition = Annotated[str, AfterValidator(_condition)]
LocalStatus = Annotated[str, BeforeValidator(status_word), AfterValidator(_not_empty)]
SetValue = Annotated[str | SqlText, PlainValidator(_set_value), _AS_WRITTEN]
ReadOutcome = Annotated[Outcome, BeforeValidator(_outcome)]
WriteOutcome = Annotated[Outcome, BeforeValidator(_writable_outcome)]
ModeName = Annotated[Mode, BeforeValidator(_mode)]
Currency = Annotated[str, AfterValidator(_currency)]
ApiBase = Annotated[str, AfterValidator(_api_base)]
EndpointUrl = Annotated[str, AfterValidator(_endpoint)]
Listen = Annotated[str, AfterValidator(_listen)]
HostName = Annotated[str, AfterValidator(_host_name)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
Network = Annotated[str, AfterValidator(_network)]
AccountName = Annotated[str, AfterValidator(_account_name)]
AccountValue = Annotated[str, AfterValidator(_account_value)]
StripeAccount = Annotated[str, AfterValidator(_stripe_account)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
KeyFile = Path
AnchorFile = Annotated[Path, AfterValidator(_anchor_file)]
Command = Annotated[tuple[str, ...], AfterValidator(_command)]
