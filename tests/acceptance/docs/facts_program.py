"""What the program says of itself: its commands' help, its configuration, its metrics, its log and its alert rules."""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from functools import cache
from typing import get_args

import typer
from prometheus_client import Counter, Gauge, Histogram
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from reconciler.clock import SystemClock
from reconciler.entrypoints.cli.app import run
from reconciler.entrypoints.cli.commands import COMMANDS, register
from reconciler.entrypoints.service.process_metrics import Metrics
from reconciler.settings import Configuration
from reconciler.settings.environment import sections_of
from tests.acceptance.docs.pages import REPOSITORY, Block, table

WIDTH = 100
"""The width of the terminal that the pages show."""
RULES = REPOSITORY / "config" / "prometheus" / "reconciler.rules.yml"


def commands() -> list[str]:
    """Every command, in the order of the help; of a group of commands each with the group's name before it."""
    app = typer.Typer()
    register(app, COMMANDS)
    groups = [(group.name, group.typer_instance) for group in app.registered_groups]
    return _commands_of(app) + [
        f"{name} {each}" for name, group in groups if group for each in _commands_of(group)
    ]


def _commands_of(group: typer.Typer) -> list[str]:
    return [
        info.name or info.callback.__name__.replace("_", "-")
        for info in group.registered_commands
        if info.callback
    ]


@cache
def help_of(command: str | None) -> str:
    """What ``--help`` of a command shows, or of the program."""
    out, columns = io.StringIO(), os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(WIDTH)
    try:
        with contextlib.redirect_stdout(out):
            code = run([*(command.split() if command else []), "--help"], {})
    finally:
        if columns is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = columns
    assert code == 0
    return out.getvalue().strip("\n")


def help_block(command: str | None) -> Block:
    """The block with a command's help."""
    return lambda _old: f"```text\n{help_of(command)}\n```"


def command_sections(text: str) -> str:
    """The page of commands with a section for each command that has none, in the order of the help."""
    for command in commands():
        name = f"help {command}"
        if f"<!-- generated: {name} -->" not in text:
            text = f"{text.rstrip()}\n\n## reconciler {command}\n\n<!-- generated: {name} -->\n<!-- end of generated -->\n"
    start = text.index("## reconciler ")
    parts = re.split(r"(?=^## reconciler )", text[start:], flags=re.MULTILINE)[1:]
    by_name = {
        part.split("\n", 1)[0].removeprefix("## reconciler "): part.rstrip() for part in parts
    }
    return (
        text[:start] + "\n\n".join(by_name[name] for name in commands() if name in by_name) + "\n"
    )


def configuration_block(old: str) -> str:
    """A table for each section of the configuration file: every key, its default, and what it is."""
    parts = []
    for name, model in sections_of(Configuration).items():
        prefix = _prefix(name, model)
        heading = f"[[{name}]]" if prefix.endswith("[].") else f"[{name}]"
        rows = [
            [f"`{prefix}{key}`", _default(info), info.description or ""]
            for key, info in model.model_fields.items()
        ]
        says = " ".join(inspect.cleandoc(model.__doc__ or "").split())
        says = says.replace("``", "`")
        parts.append(
            f"### {heading}\n\n{says}\n\n{table(('key', 'default', 'meaning'), rows, old)}"
        )
    return "\n\n".join(parts)


def configuration_keys() -> frozenset[str]:
    """Every key as the pages write it: ``corrections.grace``, ``accounts[].name``."""
    return frozenset(
        f"{_prefix(name, model)}{key}"
        for name, model in sections_of(Configuration).items()
        for key in model.model_fields
    )


def _prefix(name: str, model: type[BaseModel]) -> str:
    field = Configuration.model_fields[name]
    is_list = getattr(field.annotation, "__origin__", None) is tuple and model in get_args(
        field.annotation
    )
    return f"{name}[]." if is_list else f"{name}."


def _default(info: FieldInfo) -> str:
    is_empty = info.default_factory is not None or info.default == ()
    return "none" if is_empty else _written(info.default)


def _written(value: object) -> str:
    match value:
        case dict() as parts if parts:
            shown = (
                f"{getattr(key, 'value', key)} = {_written(part)}" for key, part in parts.items()
            )
            return f"`{{ {', '.join(shown).replace('`', '')} }}`"
        case x if x is PydanticUndefined:
            return "required"
        case None:
            return "unset"
        case timedelta() as span:
            seconds = int(span.total_seconds())
            units = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
            unit, size = next(item for item in units if seconds % item[1] == 0)
            return f'`"{seconds // size}{unit}"`'
        case bool() as switch:
            return "`true`" if switch else "`false`"
        case Enum() as member:
            return f'`"{member.value}"`'
        case str() as text:
            return f'`"{text}"`'
        case value:
            return f"`{value}`"


def metrics_block(old: str) -> str:
    """Every metric with its type, its labels and its help text, which is what ``/metrics`` shows."""
    metrics = Metrics()
    metrics.watch_database(lambda: ((), {}), SystemClock())
    rows: list[list[str]] = []
    for collector in list(metrics.registry._collector_to_names):
        if isinstance(collector, Counter | Gauge | Histogram):
            suffix = "_total" if isinstance(collector, Counter) else ""
            name, kind = f"{collector._name}{suffix}", collector._type
            rows.append(_metric_row(name, kind, collector._labelnames, collector._documentation))
            continue
        for family in collector.collect():
            suffix = "_total" if family.type == "counter" else ""
            labels = tuple(getattr(family, "_labelnames", ()))
            rows.append(
                _metric_row(family.name + suffix, family.type, labels, family.documentation)
            )
    rows.sort(key=lambda row: row[0].strip("`"))
    return table(("metric", "type", "labels", "meaning"), rows, old)


def _metric_row(name: str, kind: str, labels: tuple[str, ...], text: str) -> list[str]:
    return [f"`{name}`", kind, ", ".join(f"`{label}`" for label in labels) or "none", text]


@dataclass(frozen=True)
class LogEvent:
    """An event that the program logs: its name, its levels and its fields."""

    name: str
    levels: tuple[str, ...]
    fields: tuple[str, ...]


_LEVELS = ("debug", "info", "warning", "error", "critical")


@cache
def log_events() -> list[LogEvent]:
    """Every event that a call of a logger in the program names, in the order of the names."""
    found: dict[str, tuple[set[str], dict[str, None]]] = {}
    for path in sorted((REPOSITORY / "reconciler").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for call, levels in _log_calls(tree):
            name = call.args[0]
            assert isinstance(name, ast.Constant), f"{path}: the name of a log event is no constant"
            seen_levels, fields = found.setdefault(str(name.value), (set(), {}))
            seen_levels.update(levels)
            # a traceback is shown in another field than the one in which it is given
            given = ("exception" if word.arg == "exc_info" else word.arg for word in call.keywords)
            fields.update(dict.fromkeys(name or "…" for name in given))
    return [
        LogEvent(name, tuple(level for level in _LEVELS if level in levels), tuple(fields))
        for name, (levels, fields) in sorted(found.items())
    ]


def _log_calls(tree: ast.AST) -> Iterator[tuple[ast.Call, set[str]]]:
    """Each call that logs, with the levels that it may have: ``log.info(...)``, or ``level(...)`` as chosen before."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        chosen: set[str] = set()
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and _names(node.targets) == ["level"]:
                chosen |= {
                    one.attr
                    for one in ast.walk(node.value)
                    if isinstance(one, ast.Attribute) and _is_log(one)
                }
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Attribute) and _is_log(node.func) and node.args:
                yield node, {node.func.attr}
            elif isinstance(node.func, ast.Name) and node.func.id == "level" and node.args:
                yield node, chosen


def _names(targets: list[ast.expr]) -> list[str]:
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _is_log(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "log" and node.attr in _LEVELS


def log_block(old: str) -> str:
    """Every log event. What it means is written by hand."""
    rows = [
        [
            f"`{event.name}`",
            ", ".join(event.levels),
            ", ".join("the fields below" if one == "…" else f"`{one}`" for one in event.fields)
            or "none",
        ]
        for event in log_events()
    ]
    return table(("event", "level", "fields", "meaning"), rows, old, by_hand=1)


@dataclass(frozen=True)
class Alert:
    """One alert rule for Prometheus."""

    name: str
    expression: str
    wait: str
    severity: str
    summary: str


def alerts() -> list[Alert]:
    """The alert rules, in the order of their file."""
    found = []
    for part in re.split(r"^ *- alert: ", RULES.read_text(encoding="utf-8"), flags=re.MULTILINE)[
        1:
    ]:
        name = part.split("\n", 1)[0].strip()
        values = dict(re.findall(r"^ +(expr|for|severity|summary): (.+)$", part, re.MULTILINE))
        found.append(
            Alert(
                name,
                values["expr"],
                values.get("for", "0m"),
                values["severity"],
                values["summary"].strip('"'),
            )
        )
    return found


def alert_block(alert: Alert) -> Block:
    """What an alert says, and when it fires."""
    summary = re.sub(r"\{\{ *\$labels\.(\w+) *\}\}", r"…", alert.summary)
    summary = re.sub(r"\{\{ *\$value[^}]*\}\}", "…", summary)
    wait = "at once" if alert.wait == "0m" else f"after {alert.wait}"
    return lambda _old: (
        f"> {summary}\n>\n> Severity `{alert.severity}`; fires {wait}:\n\n```promql\n{alert.expression}\n```"
    )


def blocks() -> dict[str, Block]:
    """Every block of this module, by its name."""
    return {
        "help": help_block(None),
        **{f"help {command}": help_block(command) for command in commands()},
        "configuration": configuration_block,
        "metrics": metrics_block,
        "log events": log_block,
        **{f"alert {alert.name}": alert_block(alert) for alert in alerts()},
    }
