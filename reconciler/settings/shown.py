"""Each value of the configuration and where it comes from, for a person. Secrets are not shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, SecretStr

from reconciler.settings.environment import (
    DATABASE_VARIABLE,
    KEY_VARIABLE,
    SIGNING_VARIABLE,
    credential,
    sections_of,
)
from reconciler.settings.keys import CREDENTIAL_NAME as KEY_CREDENTIAL
from reconciler.settings.keys import key_path
from reconciler.settings.loading import DATABASE_CREDENTIAL, find_file, written
from reconciler.settings.sections import Configuration
from reconciler.settings.signing import CREDENTIAL_NAME as SIGNING_CREDENTIAL

MASKED: Final = "***"


class Source(StrEnum):
    """Where a value comes from."""

    FILE = "file"
    ENVIRONMENT = "environment"
    CREDENTIAL = "credential"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class ShownValue:
    """A key with its value as plain JSON, and its source. ``origin`` is the file or the variable, None for a default."""

    key: str
    value: object
    source: Source
    origin: str | None = None


def shown_values(path: Path | None, environ: Mapping[str, str]) -> tuple[ShownValue, ...]:
    """Every key of the configuration in the order of the reference, as it was written, or its default.

    The values are not checked: doctor does that. Raises ConfigurationError for a file that cannot be read.
    """
    source = find_file(path, environ)
    raw, variables = written(source, environ, [])
    shown = list(_of_sections(raw, variables, source))
    shown += _secrets(raw, environ, source)
    return tuple(shown)


def _of_sections(
    raw: Mapping[str, Any], variables: Mapping[tuple[str, ...], str], source: Path | None
) -> Iterator[ShownValue]:
    for name, model in sections_of(Configuration).items():
        section = raw.get(name)
        if isinstance(section, list | tuple):
            for number, one in enumerate(section):
                if isinstance(one, Mapping):
                    yield from _of_section(
                        f"{name}[{number}]", (name,), one, model, variables, source
                    )
        elif isinstance(section, Mapping) or name not in ("accounts", "payments"):
            given = section if isinstance(section, Mapping) else {}
            yield from _of_section(name, (name,), given, model, variables, source)


def _of_section(
    shown_name: str,
    path: tuple[str, ...],
    given: Mapping[str, Any],
    model: type[BaseModel],
    variables: Mapping[tuple[str, ...], str],
    source: Path | None,
) -> Iterator[ShownValue]:
    for key, info in model.model_fields.items():
        name = info.alias or key
        # its parts are among the secrets
        if (*path, name) == ("database", "url"):
            continue
        if name not in given:
            default = None if info.is_required() else info.get_default(call_default_factory=True)
            yield ShownValue(f"{shown_name}.{name}", _plain(default), Source.DEFAULT)
            continue
        value = given[name]
        # each entry of a table stands alone, as in the file
        entries = value.items() if isinstance(value, Mapping) and "sql" not in value else ()
        for entry, item in entries:
            yield _written_value(
                f"{shown_name}.{name}.{entry}", item, (*path, name, entry), variables, source
            )
        if not entries:
            yield _written_value(f"{shown_name}.{name}", value, (*path, name), variables, source)


def _written_value(
    key: str,
    value: object,
    path: tuple[str, ...],
    variables: Mapping[tuple[str, ...], str],
    source: Path | None,
) -> ShownValue:
    variable = _variable(path, variables)
    if variable is not None:
        return ShownValue(key, _plain(value), Source.ENVIRONMENT, variable)
    return ShownValue(key, _plain(value), Source.FILE, str(source))


def _variable(path: tuple[str, ...], variables: Mapping[tuple[str, ...], str]) -> str | None:
    """The variable that set a key, a part of it, or its whole section."""
    for written_path, variable in variables.items():
        shorter = min(len(path), len(written_path))
        if path[:shorter] == written_path[:shorter]:
            return variable
    return None


def _secrets(
    raw: Mapping[str, Any], environ: Mapping[str, str], source: Path | None
) -> Iterator[ShownValue]:
    yield _database_url(raw, environ, source)
    accounts = raw.get("accounts")
    for number, one in enumerate(accounts if isinstance(accounts, list | tuple) else [{}]):
        named = one.get("key_file") if isinstance(one, Mapping) else None
        key = f"accounts[{number}].key" if accounts else "stripe key"
        yield _secret(key, named, KEY_VARIABLE, KEY_CREDENTIAL, environ, source)
    delivery = raw.get("delivery")
    named = delivery.get("secret_file") if isinstance(delivery, Mapping) else None
    yield _secret("signing secret", named, SIGNING_VARIABLE, SIGNING_CREDENTIAL, environ, source)


def _database_url(
    raw: Mapping[str, Any], environ: Mapping[str, str], source: Path | None
) -> ShownValue:
    key = "database.url"
    for variable in ("RECONCILER_DATABASE__URL", DATABASE_VARIABLE):
        if environ.get(variable):
            return ShownValue(key, MASKED, Source.ENVIRONMENT, variable)
    path = credential(environ, DATABASE_CREDENTIAL)
    section = raw.get("database")
    url = section.get("url") if isinstance(section, Mapping) else None
    if path is not None and url == _content(path):
        return ShownValue(key, MASKED, Source.CREDENTIAL, str(path))
    if url:
        return ShownValue(key, MASKED, Source.FILE, str(source))
    return ShownValue(key, None, Source.DEFAULT)


def _content(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None


def _secret(
    key: str,
    named: object,
    variable: str,
    credential_name: str,
    environ: Mapping[str, str],
    source: Path | None,
) -> ShownValue:
    # as keys and signing secrets are searched for: a named file, the environment, systemd's credential
    if isinstance(named, str) and named:
        return ShownValue(key, MASKED, Source.FILE, str(key_path(Path(named), environ, source)))
    if environ.get(variable, "").strip():
        return ShownValue(key, MASKED, Source.ENVIRONMENT, variable)
    path = credential(environ, credential_name)
    if path is not None:
        return ShownValue(key, MASKED, Source.CREDENTIAL, str(path))
    return ShownValue(key, None, Source.DEFAULT)


def _plain(value: object) -> object:
    """A value as JSON has it. A time span is text, as the file has it."""
    match value:
        case SecretStr():
            return MASKED
        case timedelta():
            return f"{value.total_seconds():.12g}s"
        case Mapping():
            return {str(name): _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case None | bool() | int() | float():
            return value
        case _:
            return str(value)
