"""Reads the process's environment, in one place for the whole program, and says what its variables mean."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from reconciler.errors import ConfigurationFault
from reconciler.settings.invalid_value import suggestion

PREFIX: Final = "RECONCILER_"
DELIMITER: Final = "__"
CONFIG_VARIABLE: Final = "RECONCILER_CONFIG"
DATABASE_VARIABLE: Final = "DATABASE_URL"
KEY_VARIABLE: Final = "STRIPE_API_KEY"
SIGNING_VARIABLE: Final = "RECONCILER_SIGNING_SECRET"
CREDENTIALS_VARIABLE: Final = "CREDENTIALS_DIRECTORY"
JOURNAL_VARIABLE: Final = "JOURNAL_STREAM"
_NOT_A_KEY: Final = frozenset({CONFIG_VARIABLE, SIGNING_VARIABLE})
"""Variables that begin as a key's would, but set none."""


def current_environment() -> Mapping[str, str]:
    """A copy of the process's environment."""
    return dict(os.environ)  # noqa: TID251 - the one place


def sections_of(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The fields of a model that are sections, by name. ``[[accounts]]`` is one too, though it is a list."""
    found = {}
    for name, info in model.model_fields.items():
        for part in (info.annotation, *get_args(info.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                found[name] = part
    return found


@dataclass(slots=True)
class Overrides:
    """What the ``RECONCILER_<SECTION>__<KEY>`` variables say.

    ``values`` is nested as the file is; ``variables`` names the variable that set each key; ``faults`` are the
    variables that set nothing.
    """

    values: dict[str, Any] = field(default_factory=dict)
    variables: dict[tuple[str, ...], str] = field(default_factory=dict)
    faults: list[ConfigurationFault] = field(default_factory=list)


class EnvironmentSource(PydanticBaseSettingsSource):
    """The overrides of an environment, as a source of settings for pydantic.

    The value of a key is text. The value of a table (``RECONCILER_PAYMENTS__METADATA``, ``RECONCILER_ACCOUNTS``) is
    JSON. An entry of a table can be set alone: ``RECONCILER_PAYMENTS__READ__PAID=succeeded`` sets ``paid``.
    """

    def __init__(self, settings_cls: type[BaseSettings], environ: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self.overrides = Overrides()
        sections = sections_of(settings_cls)
        for variable in sorted(environ):
            if variable.startswith(PREFIX) and variable not in _NOT_A_KEY:
                self._take(variable, environ[variable], sections)

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return self.overrides.values.get(field_name), field_name, True

    def __call__(self) -> dict[str, Any]:
        return self.overrides.values

    def _take(self, variable: str, text: str, sections: Mapping[str, type[BaseModel]]) -> None:
        path = tuple(variable.removeprefix(PREFIX).lower().split(DELIMITER))
        if path[0] not in sections:
            self._report_unknown(variable, path, tuple(sections))
            return

        # RECONCILER_SWEEP, and RECONCILER_PAYMENTS__READ, set a whole table
        is_table = len(path) == 1 or (len(path) == 2 and path[1] in _tables(sections[path[0]]))
        value: object = text
        if is_table:
            try:
                value = json.loads(text)
                # JSON can write half a character, such as "\ud800", which no file and no database takes
                json.dumps(value, ensure_ascii=False).encode()
            except (ValueError, RecursionError):
                # not only what is no JSON: also numbers of thousands of digits, and lists nested thousands deep
                self.overrides.faults.append(
                    ConfigurationFault(
                        f"{variable}: the value of a whole table must be JSON.",
                        f'Write it as {variable}=\'{{"name": "value"}}\'.',
                    )
                )
                return

        _put(self.overrides.values, path, value)
        self.overrides.variables[path] = variable

    def _report_unknown(
        self, variable: str, path: tuple[str, ...], sections: tuple[str, ...]
    ) -> None:
        section = next((name for name in sections if path[0].startswith(f"{name}_")), None)
        if len(path) == 1 and section is not None:
            key = path[0].removeprefix(f"{section}_")
            proper = f"{PREFIX}{section.upper()}{DELIMITER}{key.upper()}"
            self.overrides.faults.append(
                ConfigurationFault(
                    f"{variable}: between the section and the key, the name needs two underscores.",
                    f"Write {proper}.",
                )
            )
        elif len(path) > 1:
            self.overrides.faults.append(
                ConfigurationFault(
                    f"{variable}: there is no section [{path[0]}].", suggestion(path[0], sections)
                )
            )
        # any other variable, such as RECONCILER_TEST_POSTGRES, belongs to another program


def _tables(model: type[BaseModel]) -> frozenset[str]:
    """The keys of a section whose value is a table."""
    return frozenset(
        name for name, info in model.model_fields.items() if _is_mapping(info.annotation)
    )


def _is_mapping(annotation: object) -> bool:
    return getattr(annotation, "__origin__", None) is dict


def _put(values: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    """Set the value at a path of nested tables. An entry that was set alone wins over its whole table."""
    here = values
    for part in path[:-1]:
        inner = here.setdefault(part, {})
        # a wrong value of another variable is replaced; its fault is reported by pydantic
        if not isinstance(inner, dict):
            inner = here[part] = {}
        here = inner

    if isinstance(value, dict) and isinstance(here.get(path[-1]), dict):
        here[path[-1]] = {**value, **here[path[-1]]}
    else:
        here[path[-1]] = value


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two nested mappings as one. If both have a value for a key, tables are merged, else ``above`` wins."""
    merged = dict(below)
    for key, value in above.items():
        lower = merged.get(key)
        if isinstance(value, dict) and isinstance(lower, dict):
            merged[key] = merge(lower, value)
        else:
            merged[key] = value
    return merged


def credential(environ: Mapping[str, str], name: str) -> Path | None:
    """The file of a credential that systemd gave to the service, None if there is none."""
    folder = environ.get(CREDENTIALS_VARIABLE)
    if not folder:
        return None
    path = Path(folder, name)
    return path if is_file(path) else None


def is_file(path: Path) -> bool:
    """A file is there. A path that the system cannot take, such as a very long one, is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


CANDIDATES: Final = (Path("reconciler.toml"), Path("/etc/reconciler/reconciler.toml"))
"""The configuration files that are tried, in this order, if neither --config nor RECONCILER_CONFIG names one."""
