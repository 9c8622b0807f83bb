"""No configuration ends in a traceback: any file and any environment is either used or answered with its faults."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import ConfigurationError, UsageError
from reconciler.settings import Settings, load
from reconciler.settings.environment import sections_of
from reconciler.settings.sections import Configuration
from reconciler.wiring.limits import limits_of, new_quota
from tests.unit.settings.configuration import ENVIRON, VALID

SECTIONS = sections_of(Configuration)
KEYS = [f"{name}.{key}" for name, model in SECTIONS.items() for key in model.model_fields]
ODD_TEXTS = [
    "",
    "\x00",
    "a\x00b",
    "\ud800",
    "x" * 5000,
    "/",
    "/etc/shadow\x00",
    "..",
    "30d",
    "0",
    "99999999999d",
    "٣d",
    "true",
    "1e308",
    "nan",
    "http://[::1",
    "https://[v1.x]/",
    "https://h:99999999999999999999/",
    "https://\x00/",
    "127.0.0.1:²",
    "127.0.0.1:99999999999999999999999",
    "[::\x00]:1",
    "postgresql://u:p@h:port/d?x=\x00",
    "postgresql:///d?prepare_threshold=²",
    "{}",
    "[[accounts]]",
    "sk_live_51HxQb2eZvKYlo2C",
]
TEXTS = st.sampled_from(ODD_TEXTS) | st.text(st.characters(), max_size=12)
ODD_NUMBERS = [
    0,
    -1,
    1,
    2**63,
    -(2**63) - 1,
    1e308,
    -1e308,
    5e-324,
    float("inf"),
    float("nan"),
]
NUMBERS = st.sampled_from(ODD_NUMBERS)
ODD_TOML = [
    "9" * 5000,
    "-0x" + "F" * 10,
    "0x" + "F" * 5000,
    "1979-05-27T07:32:00Z",
    "07:32:00",
    "[" * 2000 + "]" * 2000,
    "{a=" * 2000 + "1" + "}" * 2000,
    '"""\n"""',
    "1_000",
    "+inf",
    "'",
]
RAW_TOML = st.sampled_from(ODD_TOML)


def toml_value(value: object) -> str:
    match value:
        case str():
            return _quoted(value)
        case bool():
            return str(value).lower()
        case float():
            return repr(value)
        case int():
            return str(value)
        case list():
            return "[" + ", ".join(map(toml_value, value)) + "]"
        case Mapping():
            return (
                "{" + ", ".join(f"{_quoted(k)} = {toml_value(v)}" for k, v in value.items()) + "}"
            )
        case _:
            raise TypeError


def _quoted(text: str) -> str:
    escaped = "".join(
        char
        if char.isprintable() and char not in '"\\'
        else (f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}")
        for char in text
    )
    return f'"{escaped}"'


VALUES = st.recursive(
    TEXTS | NUMBERS | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=4,
)
LINES = st.tuples(
    st.sampled_from(KEYS)
    | st.sampled_from([*SECTIONS, "nonsense", "stripe.key", "payments.read.x"]),
    st.builds(toml_value, VALUES) | RAW_TOML,
)


ACCOUNT_KEYS = ["name", "key_file", "stripe_account", "livemode", "value", "nonsense"]
ACCOUNTS = st.lists(
    st.dictionaries(
        st.sampled_from(ACCOUNT_KEYS),
        TEXTS | VALUES | st.sampled_from(["eu", "us", "acct_1"]),
        max_size=4,
    ),
    min_size=1,
    max_size=3,
)


def valid_lines() -> list[str]:
    """The valid configuration as dotted keys, so that each line stands alone."""
    table = ""
    text = []
    for line in VALID.splitlines():
        if line.startswith("["):
            table = line.strip("[]")
        elif line:
            text.append(f"{table}.{line}")
    return text


def replaced(text: list[str], key: str, value: str) -> list[str]:
    """The lines with this key set anew; what it was before, and what was below it, is gone."""
    kept = [
        line for line in text if not line.startswith(f"{key} ") and not line.startswith(f"{key}.")
    ]
    return [*kept, f"{key} = {value}"]


@st.composite
def configurations(draw: st.DrawFn) -> str:
    """A valid configuration with some lines replaced or added, or cut and mixed up."""
    text = valid_lines()
    for key, value in draw(st.lists(LINES, max_size=4)):
        text = replaced(text, key, value)
    if draw(st.booleans()):
        text.append(f"accounts = {toml_value(draw(ACCOUNTS))}")
    whole = "\n".join(text)
    if draw(st.booleans()):
        return whole
    at = draw(st.integers(0, len(whole)))
    return (
        whole[:at]
        + draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=5))
        + whole[at + draw(st.integers(0, 9)) :]
    )


VARIABLES = [
    *(f"RECONCILER_{key.replace('.', '__').upper()}" for key in KEYS),
    *(f"RECONCILER_{name.upper()}" for name in SECTIONS),
    "RECONCILER_PAYMENTS__READ",
    "RECONCILER_PAYMENTS__READ__PAID",
    "RECONCILER_PAYMENTS__READ__PAID__X",
    "RECONCILER_ACCOUNTS__0__NAME",
    "RECONCILER___",
    "RECONCILER_CONFIG",
    "RECONCILER_SIGNING_SECRET",
    "STRIPE_API_KEY",
    "DATABASE_URL",
    "CREDENTIALS_DIRECTORY",
]
ODD_JSON = ["[" * 5000, '{"a":' * 5000, "9" * 5000, '[{"name": ["a"]}]', '{"url": []}']
ENVIRONMENTS = st.dictionaries(
    st.sampled_from(VARIABLES),
    TEXTS | st.builds(json.dumps, VALUES) | st.sampled_from(ODD_JSON),
    max_size=4,
)


def derived(settings: Settings) -> Settings:
    """What every command makes of its settings before it connects."""
    assert settings.table.mapping.statuses
    new_quota(settings)
    for account in settings.accounts:
        limits_of(settings, account)
    return settings


def outcome(text: bytes, environ: Mapping[str, str]) -> Any:
    """What ``load`` makes of a file and an environment: settings, or the error that names every fault."""
    with tempfile.TemporaryDirectory() as folder:
        return outcome_in(Path(folder), text, environ)


def outcome_in(folder: Path, text: bytes, environ: Mapping[str, str]) -> Any:
    """As ``outcome``, in a folder that may be used many times."""
    path = folder / "reconciler.toml"
    path.write_bytes(text)
    try:
        return derived(load(path, {**ENVIRON, **environ}))
    except (ConfigurationError, UsageError) as error:
        return error


@settings(max_examples=4 * settings.default.max_examples)
@given(configurations(), ENVIRONMENTS)
def test_any_configuration_is_used_or_explained(text: str, environ: Mapping[str, str]) -> None:
    """Lists for texts, NUL, numbers of thousands of digits and deep nesting are faults of the configuration."""
    found = outcome(text.encode("utf-8", "surrogatepass"), environ)
    if isinstance(found, ConfigurationError):
        assert found.faults
        assert all(len(str(fault)) < 20_000 for fault in found.faults)


@given(st.binary(max_size=200))
def test_any_file_is_read_or_explained(content: bytes) -> None:
    """A file that is not TOML is a fault that names the file."""
    found = outcome(content, {})
    if isinstance(found, ConfigurationError):
        assert "reconciler.toml" in str(found)
