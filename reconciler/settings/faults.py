"""What is wrong with a configuration, told as sentences: the key as the file has it, the value, and the mend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reconciler.masking import redact
from reconciler.settings.environment import sections_of
from reconciler.settings.sections import Configuration
from reconciler.settings.values import suggestion

_SECRET: Final = frozenset({("database", "url"), ("delivery", "url")})
_LONGEST_VALUE: Final = 80
_KEY_IN_FILE: Final = (
    "a key never stands in the file; set STRIPE_API_KEY, hand over a systemd credential, "
    "or name a key_file under [[accounts]]."
)
_SIGNING_IN_FILE: Final = (
    "the secret never stands in the file; set RECONCILER_SIGNING_SECRET, hand over a systemd credential, "
    "or name a secret_file."
)
_SENTENCES: Final = {
    "bool_type": "it must be true or false",
    "bool_parsing": "it must be true or false",
    "string_type": "it must be a text in quotes",
    "int_type": "it must be a whole number",
    "int_parsing": "it must be a whole number",
    "int_from_float": "it must be a whole number",
    "float_type": "it must be a number",
    "float_parsing": "it must be a number",
    "finite_number": "it must be a finite number",
    "path_type": "it must be a file's path in quotes",
    "dict_type": "it must be a table of keys and values",
    "model_type": "it must be a section with keys of its own",
    "tuple_type": "it must be written as [[accounts]]",
}


def configuration_faults(
    error: ValidationError, variables: Mapping[tuple[str, ...], str]
) -> list[str]:
    """Every fault that pydantic found. ``variables`` names the environment variable that set a key."""
    return [_sentence(details, variables) for details in error.errors(include_url=False)]


def _sentence(details: ErrorDetails, variables: Mapping[tuple[str, ...], str]) -> str:
    location = tuple(part for part in details["loc"] if part != "[key]")
    name = dotted(location)
    kind = details["type"]
    if kind == "extra_forbidden":
        return f"{name}: {_extra(location)}"
    if kind == "missing":
        return f"{name} is missing. {_description(location)}"
    text = tuple(str(part) for part in location)
    source = f" (set by {variables[text]})" if text in variables else ""
    is_key = "[key]" in details["loc"]
    value = "" if is_key else _shown(location, details["input"])
    return f"{name}{value}{source}: {_problem(details)}"


def dotted(location: tuple[int | str, ...]) -> str:
    """A place in the configuration, as ``payments.read.pending`` or ``accounts[0].name``."""
    name = ""
    for part in location:
        if isinstance(part, int):
            name += f"[{part}]"
        else:
            name += f".{part}" if name else part
    return name or "the configuration"


def _problem(details: ErrorDetails) -> str:
    context: dict[str, Any] = details.get("ctx", {})
    match details["type"]:
        case "value_error":
            sentence = str(context.get("error", ""))
        case "literal_error":
            sentence = f"it must be {context['expected'].replace(chr(39), chr(34))}"
        case "greater_than":
            sentence = f"it must be more than {context['gt']:g}"
        case "greater_than_equal":
            sentence = f"it must be {context['ge']:g} or more"
        case "less_than_equal":
            sentence = f"it must be {context['le']:g} or less"
        case kind:
            sentence = _SENTENCES.get(kind, redact(details["msg"]))
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."


def _shown(location: tuple[int | str, ...], value: object) -> str:
    """`` = "value"`` where it is no secret and says something."""
    if location in _SECRET or isinstance(value, dict | list | tuple):
        return ""
    text = redact(str(value)).replace("\n", "\\n")
    if len(text) > _LONGEST_VALUE:
        text = f"{text[:_LONGEST_VALUE]}…"
    if isinstance(value, str):
        return f" = '{text}'" if '"' in text else f' = "{text}"'
    return f" = {text.lower() if isinstance(value, bool) else text}"


def _extra(location: tuple[int | str, ...]) -> str:
    model, last = _model_at(location[:-1]), str(location[-1])
    if location[0] == "delivery" and last in {"secret", "signing_secret"}:
        return f"there is no such key; {_SIGNING_IN_FILE}"
    if len(location) > 1 and last in {"key", "api_key", "secret_key"} and location[0] != "payments":
        return f"there is no such key; {_KEY_IN_FILE}"
    what = "section" if len(location) == 1 else "key"
    names = tuple(model.model_fields) if model is not None else ()
    return f"there is no such {what}; {suggestion(last, names)}"


def _description(location: tuple[int | str, ...]) -> str:
    model = _model_at(location[:-1])
    info = model.model_fields.get(str(location[-1])) if model is not None else None
    return (info.description if info is not None else None) or "It has no default."


def _model_at(location: tuple[int | str, ...]) -> type[BaseModel] | None:
    model: type[BaseModel] = Configuration
    for part in location:
        if isinstance(part, int):
            continue
        inner = sections_of(model).get(part)
        if inner is None:
            return None
        model = inner
    return model
