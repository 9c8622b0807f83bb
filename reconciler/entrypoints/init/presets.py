"""The presets: mappings of well-known applications, each a file ``config/presets/NAME.toml``.

A preset has a ``[payments]`` section as a configuration has it, and a ``[preset]`` head that says which application it is
for, which tables and columns prove it, and whether its rows may be corrected. The table is named without its schema if
the application may be installed in any schema.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reconciler.adapters.postgres.schema.grants import quoted_name
from reconciler.errors import ConfigurationError, ConfigurationFault, UsageError
from reconciler.settings import PaymentsSection
from reconciler.shipped_files import shipped_names, shipped_text

_FOLDER: Final = "config/presets/"


class PresetMode(StrEnum):
    """Whether it makes sense that Reconciler corrects the application's rows."""

    CORRECT = "correct"
    REPORT_ONLY = "report-only"
    """A mirror of Stripe, or rows that the application makes from webhooks: findings are shown, nothing is written."""


class PresetHead(BaseModel):
    """The section ``[preset]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    application: str = Field(min_length=1)
    """The application and its versions, for a person."""
    mode: PresetMode
    page: str
    """The page in docs/ that says what is corrected, and what the application does afterwards by itself."""
    signature: dict[str, list[str]] = {}
    """The tables and columns that prove the application; empty if only a person can say it.

    Of a table other than the payments' it names the columns that the SQL texts read: ``init`` grants SELECT on these.
    """

    made_from: dict[str, list[str]] = {}
    """The tables and columns below the view that the preset maps; empty if it maps a table. The page has the CREATE VIEW."""


class _PresetFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: PresetHead
    payments: PaymentsSection


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset. ``payments`` is its section as it is written; ``section`` is the same, validated."""

    name: str
    head: PresetHead
    payments: Mapping[str, Any]
    section: PaymentsSection

    @property
    def written_columns(self) -> tuple[str, ...]:
        """The columns that corrections by this preset write, each once."""
        section = self.section
        columns = [
            section.status,
            section.updated,
            section.payment_intent if section.links else None,
            *(column for columns in section.set.values() for column in columns),
        ]
        return tuple(dict.fromkeys(name for name in columns if isinstance(name, str)))

    @property
    def other_tables(self) -> dict[str, tuple[str, ...]]:
        """The other tables that the SQL texts read, with the columns that they need of each: the signature names them."""
        payments = self.section.table.rpartition(".")[2]
        signature = self.head.signature
        return {table: tuple(columns) for table, columns in signature.items() if table != payments}

    def payments_in(self, schema: str) -> dict[str, Any]:
        """The section ``[payments]`` with its tables in a schema, so that it does not hang on the role's search_path."""
        names = "|".join(re.escape(table) for table in self.other_tables)
        if not names:
            return dict(self.payments)
        reading = re.compile(rf'\b(FROM|JOIN) ("?)({names})\2(?!\w)')
        before = schema if schema == "public" else quoted_name(schema)

        def in_schema(found: re.Match[str]) -> str:
            return f"{found[1]} {before}.{found[2]}{found[3]}{found[2]}"

        return {
            key: _with_texts(value, lambda text: reading.sub(in_schema, text))
            if key != "read"
            else value
            for key, value in self.payments.items()
        }


def _with_texts(value: Any, change: Callable[[str], str]) -> Any:
    """A value of a section, with each text in it changed."""
    if isinstance(value, Mapping):
        return {key: _with_texts(item, change) for key, item in value.items()}
    return change(value) if isinstance(value, str) else value


def preset_names() -> tuple[str, ...]:
    """The names of all presets, sorted."""
    return tuple(
        name.removeprefix(_FOLDER).removesuffix(".toml")
        for name in shipped_names()
        if name.startswith(_FOLDER) and name.endswith(".toml")
    )


def load_preset(name: str) -> Preset:
    """The preset of that name. Raises UsageError if there is none, ConfigurationError if its file is not a preset."""
    if name in preset_names():
        return _read(name)
    raise UsageError(
        f'There is no preset "{name}".', f"The presets are: {', '.join(preset_names())}."
    )


def load_presets() -> tuple[Preset, ...]:
    """Every preset, by name."""
    return tuple(load_preset(name) for name in preset_names())


def _read(name: str) -> Preset:
    file = f"{_FOLDER}{name}.toml"
    try:
        raw = tomllib.loads(shipped_text(file))
        read = _PresetFile(**raw)
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        why = " ".join(str(error).split())[:300]
        fault = ConfigurationFault(f"{file} is not a preset: {why}.", "Install Reconciler again.")
        raise ConfigurationError((fault,)) from None
    return Preset(name, read.preset, raw["payments"], read.payments)
