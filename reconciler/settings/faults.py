"""The faults of a configuration: the key as the file has it, the value, what is wrong, and a hint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reconciler.errors import ConfigurationFault
from reconciler.masking import redact
from reconciler.settings.environment import sections_of
from reconciler.settings.invalid_value import InvalidValueError, suggestion
from reconciler.settings.sections import Configuration

_MAY_CONTAIN_A_PASSWORD: Final = frozenset({("database", "url"), ("delivery", "url")})
_LONGEST_VALUE: Final = 80
"""Characters of a wrong value that a message shows."""
_MOST_BITS: Final = 4096
"""A larger number has no text: Python writes none of more than 4,300 digits."""
_KEY_IN_FILE_HINT: Final = (
    "Do not write a key into this file: set STRIPE_API_KEY, use a systemd credential, or name a key_file under "
    "[[accounts]]."
)
_SIGNING_IN_FILE_HINT: Final = (
    "Do not write the secret into this file: set RECONCILER_SIGNING_SECRET, use a systemd credential, or name a "
    "secret_file."
)
_BY_TYPE: Final = {
    "bool_type": "this must be true or false.",
    "bool_parsing": "this must be true or false.",
    "string_type": "this must be a text in quotes.",
    "int_type": "this must be a whole number.",
    "int_parsing": "this must be a whole number.",
    "int_from_float": "this must be a whole number.",
    "float_type": "this must be a number.",
    "float_parsing": "this must be a number.",
    "finite_number": "this must be a finite number.",
    "path_type": "this must be a file's path in quotes.",
    "dict_type": "this must be a table of keys and values.",
    "model_type": "this must be a section with keys.",
    "tuple_type": "this must be a list in square brackets.",
}
"""What is wrong, by pydantic's type of error."""


def configuration_faults(
    error: ValidationError, variables: Mapping[tuple[str, ...], str]
) -> list[ConfigurationFault]:
    """Every fault that pydantic found. ``variables`` names the environment variable that set a key."""
    return [_fault(details, variables) for details in error.errors(include_url=False)]


def _fault(details: ErrorDetails, variables: Mapping[tuple[str, ...], str]) -> ConfigurationFault:
    # pydantic adds "[key]" to the place if a key of a table is wrong, not its value
    location = tuple(part for part in details["loc"] if part != "[key]")
    is_key = "[key]" in details["loc"]
    name = dotted(location)

    if details["type"] == "extra_forbidden":
        return _unknown_key(name, location)
    if details["type"] == "missing":
        return ConfigurationFault(f"{name} is missing.", _how_to_add(location))

    as_text = tuple(str(part) for part in location)
    source = f" (set by {variables[as_text]})" if as_text in variables else ""
    value = "" if is_key else _shown(location, details["input"])
    what, hint = _problem(details)
    return ConfigurationFault(f"{name}{value}{source}: {what}", hint)


def dotted(location: tuple[int | str, ...]) -> str:
    """A place in the configuration, as ``payments.read.pending`` or ``accounts[0].name``."""
    name = ""
    for part in location:
        if isinstance(part, int):
            name += f"[{part}]"
        else:
            name += f".{part}" if name else part
    return name or "the configuration"


def _problem(details: ErrorDetails) -> tuple[str, str]:
    """What is wrong with a value, and the hint."""
    context: dict[str, Any] = details.get("ctx", {})
    match details["type"]:
        case "value_error":
            error = context.get("error")
            if isinstance(error, InvalidValueError):
                return error.what, error.hint
            return f"{error}.", ""
        case "literal_error":
            allowed = context["expected"].replace("'", '"')
            return "this is not one of the possible values.", f"Write {allowed}."
        case "greater_than":
            return f"this must be more than {_number(context['gt'])}.", ""
        case "greater_than_equal":
            return f"this must be {_number(context['ge'])} or more.", ""
        case "less_than_equal":
            return f"this must be {_number(context['le'])} or less.", ""
        case "tuple_type" if details["loc"] == ("accounts",):
            return "this must be written as [[accounts]].", ""
        case kind:
            # pydantic's own sentence may quote the value, and the value may be a secret
            return _BY_TYPE.get(kind, f"{redact(details['msg'])}."), ""


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _shown(location: tuple[int | str, ...], value: object) -> str:
    """`` = "value"``, or nothing if the value may contain a password or is a whole table."""
    if location in _MAY_CONTAIN_A_PASSWORD or isinstance(value, dict | list | tuple):
        return ""

    is_huge = isinstance(value, int) and value.bit_length() > _MOST_BITS
    text = "a very large number" if is_huge else redact(str(value)).replace("\n", "\\n")
    if len(text) > _LONGEST_VALUE:
        text = f"{text[:_LONGEST_VALUE]}…"

    # as TOML would write it
    if isinstance(value, str):
        return f" = '{text}'" if '"' in text else f' = "{text}"'
    return f" = {text.lower() if isinstance(value, bool) else text}"


def _unknown_key(name: str, location: tuple[int | str, ...]) -> ConfigurationFault:
    model, last = _model_at(location[:-1]), str(location[-1])
    what = f"{name}: there is no such {'section' if len(location) == 1 else 'key'}."

    # a secret in the file is a common mistake, and a near word would not help
    if location[0] == "delivery" and last in {"secret", "signing_secret"}:
        return ConfigurationFault(what, _SIGNING_IN_FILE_HINT)
    if len(location) > 1 and last in {"key", "api_key", "secret_key"} and location[0] != "payments":
        return ConfigurationFault(what, _KEY_IN_FILE_HINT)

    names = tuple(model.model_fields) if model is not None else ()
    return ConfigurationFault(what, suggestion(last, names))


def _how_to_add(location: tuple[int | str, ...]) -> str:
    """The hint for a missing key: what it is, from its sentence in the reference."""
    model = _model_at(location[:-1])
    info = model.model_fields.get(str(location[-1])) if model is not None else None
    if info is None or not info.description:
        return "Add it; it has no default."
    return f"Add it: {info.description[0].lower()}{info.description[1:]}"


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
