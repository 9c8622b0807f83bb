"""The presets: mappings of well-known applications, each a file ``config/presets/NAME.toml``.

A preset has a ``[payments]`` section as a configuration has it, and a ``[preset]`` head that says which application it is
for, which tables and columns prove it, and whether its rows may be corrected. The table is named without its schema if
the application may be installed in any schema.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import reconciler
from reconciler.errors import ConfigurationError, ConfigurationFault, UsageError
from reconciler.settings import PaymentsSection

_FOLDERS: Final = (
    # a checkout, or an editable installation
    Path(reconciler.__file__).parents[1] / "config" / "presets",
    Path(sys.prefix) / "share" / "reconciler" / "presets",
)


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
    """The tables and columns that prove the application; empty if only a person can say it."""


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


def preset_names() -> tuple[str, ...]:
    """The names of all presets, sorted."""
    return tuple(sorted({path.stem for folder in _FOLDERS for path in folder.glob("*.toml")}))


def load_preset(name: str) -> Preset:
    """The preset of that name. Raises UsageError if there is none, ConfigurationError if its file is not a preset."""
    for folder in _FOLDERS:
        path = folder / f"{name}.toml"
        # a name is no path
        if path.parent == folder and path.is_file():
            return _read(name, path)
    raise UsageError(
        f'There is no preset "{name}".', f"The presets are: {', '.join(preset_names()) or 'none'}."
    )


def load_presets() -> tuple[Preset, ...]:
    """Every preset, by name."""
    return tuple(load_preset(name) for name in preset_names())


def _read(name: str, path: Path) -> Preset:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        read = _PresetFile(**raw)
    except (tomllib.TOMLDecodeError, ValidationError, UnicodeDecodeError) as error:
        why = " ".join(str(error).split())[:300]
        fault = ConfigurationFault(f"{path} is not a preset: {why}.", "Install Reconciler anew.")
        raise ConfigurationError((fault,)) from None
    return Preset(name, read.preset, raw["payments"], read.payments)
