"""The example configuration and the presets, which people copy."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from reconciler.domain.outcome import Outcome
from reconciler.entrypoints.init.configuration_text import text_of_preset
from reconciler.entrypoints.init.presets import PresetMode, load_preset
from reconciler.errors import UsageError
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


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_every_preset_is_valid(path: Path) -> None:
    """Every preset loads and has its page. One whose rows may be corrected can write that a payment succeeded."""
    preset = load_preset(path.stem)
    assert (REPOSITORY / preset.head.page).is_file()
    writes = Outcome.SUCCEEDED in preset.section.statuses.write
    assert writes is (preset.head.mode is PresetMode.CORRECT)


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_init_writes_a_preset_as_it_is(path: Path) -> None:
    """The configuration from a preset has its section [payments], with the tables in the schema that was found."""
    preset = load_preset(path.stem)
    text = text_of_preset(preset, 'my "shop".payments')
    expected = {**preset.payments_in('my "shop"'), "table": 'my "shop".payments'}
    assert tomllib.loads(text)["payments"] == expected


def test_a_preset_names_its_tables_with_their_schema() -> None:
    """Every table that an SQL text reads gets the schema in front, and nothing else of the text changes."""
    payments = load_preset("odoo").payments_in('my "shop"')
    assert payments["currency"]["sql"] == (
        '(SELECT c.name FROM "my ""shop""".res_currency c WHERE c.id = t.currency_id)'
    )
    assert 'FROM "my ""shop""".payment_provider p WHERE p.code' in payments["where"]
    assert load_preset("vendure").payments_in("public")["currency"]["sql"].count('"order"') == 1
    assert load_preset("dj-stripe").payments_in("shop") == load_preset("dj-stripe").payments


def test_a_preset_that_does_not_exist() -> None:
    """The message names the presets; a path is no name."""
    for name in ("odo", "../reconciler"):
        with pytest.raises(UsageError) as caught:
            load_preset(name)
        assert "dj-stripe" in caught.value.hint


def test_the_example_leaves_nothing_out() -> None:
    """Who copies the example and keeps a line that they do not understand still sees every PaymentIntent without a row."""
    assert load(EXAMPLE, {**ENVIRON, "STRIPE_API_KEY": "rk_live_abc"}).table.required_metadata == {}
