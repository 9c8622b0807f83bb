"""The configuration that people copy."""

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
    """Every key of a file, those in a comment too, as section.key."""
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
def test_example_has_every_key(key: str) -> None:
    """No setting exists that the example does not show."""
    assert key in written_keys(EXAMPLE.read_text(encoding="utf-8"))


def test_example_loads() -> None:
    """The example is a right configuration."""
    settings = load(EXAMPLE, {**ENVIRON, "STRIPE_API_KEY": "rk_live_abc"})
    assert settings.stripe.livemode is True
    assert settings.table.statuses.write[Outcome.SUCCEEDED] == "paid"


def test_example_tells_the_defaults() -> None:
    """What the example calls the default is the default: taking the lines out changes nothing."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    stated = tomllib.loads(
        "\n".join(line for line in lines if line.startswith("[") or "# the default" in line)
    )
    assert len(stated["corrections"]) == 3
    configured = {
        name: stated[name] for name in ("stripe", "corrections", "budget", "sweep", "delivery")
    }
    assert all(configured.values())
    assert Configuration(**configured) == Configuration()
    assert stated["payments"]["amount_unit"] == PaymentsSection.model_fields["amount_unit"].default


def test_there_are_presets() -> None:
    """Common schemas have a mapping ready to copy."""
    assert len(PRESETS) >= 3


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_presets_load(preset: Path) -> None:
    """Every preset is a right configuration that can say that a payment was made."""
    settings = load(preset, ENVIRON)
    assert Outcome.SUCCEEDED in settings.table.statuses.write
