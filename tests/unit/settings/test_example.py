"""The example configuration and the presets, which people copy."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from reconciler.domain.outcome import Outcome
from reconciler.settings import Configuration, PaymentsSection, load
from reconciler.settings.environment import sections_of
from tests.unit.settings.configuration import ENVIRON, EXAMPLE, REPOSITORY

PRESETS = sorted((REPOSITORY / "config" / "presets").glob("*.toml"))


def keys() -> list[str]:
    return [
        f"{section}.{key}"
        for section, model in sections_of(Configuration).items()
        for key in model.model_fields
    ]


def written_keys(text: str) -> set[str]:
    """Every key of a file, also in comments, as section.key."""
    section, found = "", set()
    for line in text.splitlines():
        bare = line.removeprefix("# ")
        if header := re.match(r"\[+([a-z._]+)\]+$", bare):
            section = header[1]
            found.add(section)
        elif key := re.match(r"([a-z_0-9]+) = ", bare):
            found.add(f"{section}.{key[1]}")
    return found


@pytest.mark.parametrize("key", keys())
def test_the_example_has_every_key(key: str) -> None:
    """Every setting is in the example."""
    assert key in written_keys(EXAMPLE.read_text(encoding="utf-8"))


def test_the_example_is_valid() -> None:
    """The example loads as it is."""
    settings = load(EXAMPLE, {**ENVIRON, "STRIPE_API_KEY": "rk_live_abc"})
    assert settings.stripe.livemode is True
    assert settings.table.statuses.write[Outcome.SUCCEEDED] == "paid"


def test_the_example_states_the_defaults() -> None:
    """A value that the example calls the default is the default: without these lines nothing changes."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    stated = tomllib.loads(
        "\n".join(line for line in lines if line.startswith("[") or "# the default" in line)
    )
    assert len(stated["corrections"]) == 4
    configured = {
        name: stated[name] for name in ("stripe", "corrections", "budget", "sweep", "delivery")
    }
    assert all(configured.values())
    assert Configuration(**configured) == Configuration()
    assert stated["payments"]["amount_unit"] == PaymentsSection.model_fields["amount_unit"].default


def test_there_are_presets() -> None:
    """At least three common schemas have a preset."""
    assert len(PRESETS) >= 3


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_every_preset_is_valid(preset: Path) -> None:
    """Every preset loads, and can write that a payment succeeded."""
    settings = load(preset, ENVIRON)
    assert Outcome.SUCCEEDED in settings.table.statuses.write
