"""Random configuration files and environments.

They have the parts of the Hypothesis test's, and are chosen by a plain generator: Hypothesis spends longer on its choices than
the program on its answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from reconciler.errors import ConfigurationError
from tests.fuzz.attempt import Attempt
from tests.unit.settings.test_random_configurations import (
    ACCOUNT_KEYS,
    KEYS,
    ODD_JSON,
    ODD_NUMBERS,
    ODD_TEXTS,
    ODD_TOML,
    SECTIONS,
    VARIABLES,
    outcome_in,
    replaced,
    toml_value,
    valid_lines,
)

LONGEST_FAULT = 20_000


@contextmanager
def configuration_files() -> Iterator[Attempt]:
    """Configuration files: used, or refused with every fault."""
    with TemporaryDirectory() as folder:

        def attempt(random: Random) -> int:
            _check(Path(folder), _file(random), {})
            return 1

        yield attempt


@contextmanager
def environments() -> Iterator[Attempt]:
    """Environments beside a file that may be valid."""
    with TemporaryDirectory() as folder:

        def attempt(random: Random) -> int:
            named = random.sample(VARIABLES, random.randrange(5))
            environ = {name: _variable(random) for name in named}
            _check(Path(folder), _file(random), environ)
            return 1

        yield attempt


def _check(folder: Path, text: str, environ: dict[str, str]) -> None:
    found = outcome_in(folder, text.encode("utf-8", "surrogatepass"), environ)
    if isinstance(found, ConfigurationError):
        assert found.faults, (text, environ)
        assert all(len(str(fault)) < LONGEST_FAULT for fault in found.faults), (text, environ)


def _file(random: Random) -> str:
    """A valid configuration with some lines replaced or added; half of them are cut and mixed up as well."""
    text = valid_lines()
    for _ in range(random.randrange(5)):
        text = replaced(text, _key(random), _written(random))
    if random.random() < 0.3:
        accounts = [_account(random) for _ in range(random.randint(1, 3))]
        text.append(f"accounts = {toml_value(accounts)}")
    whole = "\n".join(text)
    if random.random() < 0.5:
        return whole
    at = random.randrange(len(whole) + 1)
    return whole[:at] + _letters(random, 5) + whole[at + random.randrange(10) :]


def _key(random: Random) -> str:
    if random.random() < 0.9:
        return random.choice(KEYS)
    return random.choice([*SECTIONS, "nonsense", "stripe.key", "payments.read.x"])


def _written(random: Random) -> str:
    return random.choice(ODD_TOML) if random.random() < 0.15 else toml_value(_value(random))


def _variable(random: Random) -> str:
    part = random.random()
    if part < 0.5:
        return _text(random)
    return random.choice(ODD_JSON) if part < 0.6 else json.dumps(_value(random))


def _account(random: Random) -> dict[str, Any]:
    named = random.sample(ACCOUNT_KEYS, random.randrange(5))
    return {
        key: random.choice(("eu", "us", "acct_1")) if random.random() < 0.5 else _value(random)
        for key in named
    }


def _value(random: Random, depth: int = 2) -> Any:
    part = random.random()
    if depth and part < 0.12:
        return [_value(random, depth - 1) for _ in range(random.randrange(4))]
    if depth and part < 0.24:
        return {_text(random): _value(random, depth - 1) for _ in range(random.randrange(4))}
    if part < 0.4:
        return random.choice(ODD_NUMBERS)
    return random.random() < 0.5 if part < 0.5 else _text(random)


def _text(random: Random) -> str:
    return random.choice(ODD_TEXTS) if random.random() < 0.7 else _letters(random, 12)


def _letters(random: Random, most: int) -> str:
    """Some characters of any kind, half of them ASCII."""
    chosen = []
    for _ in range(random.randrange(most + 1)):
        number = random.randrange(128) if random.random() < 0.5 else random.randrange(0x110000)
        # halves of characters cannot stand in a file
        chosen.append(chr(number) if not 0xD800 <= number < 0xE000 else "?")
    return "".join(chosen)
