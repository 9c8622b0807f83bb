"""The README's reference is the program's own text. A failure shows the text to paste."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from reconciler.engine.report import Mode, SweepKind, SweepReport, Writing
from reconciler.entrypoints.cli import discrepancies
from reconciler.entrypoints.cli.app import app, run
from reconciler.settings import Configuration
from reconciler.settings.environment import sections_of

README = Path(__file__).parents[3] / "README.md"
WIDTH = 100

JSON_FIELDS = {
    "sweep": tuple(
        SweepReport("default", SweepKind.ALL, Mode.REPORT, Writing.NOTHING, "me").as_json()
    ),
    "discrepancies": discrepancies.NAMES,
}


def commands() -> list[str]:
    """Every command, in the order of the help."""
    return [
        info.name or info.callback.__name__ for info in app.registered_commands if info.callback
    ]


def section(title: str) -> str:
    """The text of a section of the README, without its heading."""
    found = re.search(
        rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)",
        README.read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    assert found is not None, f"the README has no section {title}"
    return found[1]


def help_of(command: str | None, capsys: pytest.CaptureFixture[str]) -> str:
    """The help of a command, at the README's width."""
    code = run([*([command] if command else []), "--help"], {})
    captured = capsys.readouterr()
    assert (code, captured.err) == (0, "")
    return captured.out.strip("\n")


@pytest.fixture(autouse=True)
def width(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of the README's width."""
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.mark.parametrize("command", [None, *commands()])
def test_the_readme_has_the_help_of_every_command(
    command: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """The README has the help of every command, word for word."""
    text = help_of(command, capsys)
    assert f"```text\n{text}\n```" in section("Commands")


def test_the_readme_has_no_other_command() -> None:
    """The README shows no command that does not exist."""
    shown = re.findall(r"^Usage: reconciler ([a-z]+)", section("Commands"), re.MULTILINE)
    assert shown == commands()


@pytest.mark.parametrize("command", sorted(JSON_FIELDS))
def test_the_readme_has_every_json_field(command: str) -> None:
    """The README names exactly the fields of each documented JSON object."""
    found = re.search(
        rf"^\*\*JSON of {command}:\*\*(.*?)\n\n", section("Commands"), re.DOTALL | re.MULTILINE
    )
    assert found is not None
    assert set(re.findall(r"`([a-z_]+)`", found[1])) == set(JSON_FIELDS[command])


def test_the_readme_has_every_setting() -> None:
    """The README has exactly the settings, each with its default and its meaning."""
    rows = [
        line for line in section("Configuration reference").splitlines() if line.startswith("| `")
    ]
    assert rows == reference_rows()


def reference_rows() -> list[str]:
    """The configuration reference, a row for each key."""
    return [
        f"| `{_shown(name, model)}{key}` | {_default(info)} | {info.description} |"
        for name, model in sections_of(Configuration).items()
        for key, info in model.model_fields.items()
    ]


def _shown(name: str, model: type[BaseModel]) -> str:
    field = Configuration.model_fields[name]
    is_list = getattr(field.annotation, "__origin__", None) is tuple and model in get_args(
        field.annotation
    )
    return f"{name}[]." if is_list else f"{name}."


def _default(info: FieldInfo) -> str:
    if info.default_factory is not None:
        return "none"
    match info.default:
        case x if x is PydanticUndefined:
            return "required"
        case None:
            return "unset"
        case timedelta() as span:
            seconds = int(span.total_seconds())
            units = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
            unit, size = next(item for item in units if seconds % item[1] == 0)
            return f'`"{seconds // size}{unit}"`'
        case Enum() as member:
            return f'`"{member.value}"`'
        case str() as text:
            return f'`"{text}"`'
        case value:
            return f"`{value}`"
