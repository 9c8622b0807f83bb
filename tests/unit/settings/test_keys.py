"""A Stripe key: where it comes from, and what is refused as a key."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.errors import ConfigurationError
from reconciler.settings import KeyFacts, KeyKind, Settings, key_facts, load
from tests.unit.settings.configuration import ENVIRON, VALID, faults, loaded, written


def secret(settings: Settings) -> str:
    return settings.accounts[0].api_key.get_secret_value()


def test_the_environment_wins_over_a_credential(tmp_path: Path) -> None:
    """The key is systemd's credential if the environment has none."""
    (tmp_path / "stripe_key").write_text("rk_test_credential\n")
    environ = {"DATABASE_URL": "postgresql:///x", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    path = written(tmp_path)
    assert secret(load(path, environ)) == "rk_test_credential"
    assert (
        secret(load(path, {**environ, "STRIPE_API_KEY": "rk_test_variable"})) == "rk_test_variable"
    )
    assert secret(load(path, {**environ, "STRIPE_API_KEY": ""})) == "rk_test_credential"


def test_a_relative_key_file(tmp_path: Path) -> None:
    """A relative key_file is searched for in systemd's credentials, then beside the configuration file."""
    text = VALID + '[[accounts]]\nname = "eu"\nkey_file = "eu.key"\n'
    (tmp_path / "eu.key").write_text("rk_test_beside")
    assert secret(loaded(tmp_path, text)) == "rk_test_beside"
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "eu.key").write_text("rk_test_credential")
    assert (
        secret(loaded(tmp_path, text, CREDENTIALS_DIRECTORY=str(credentials)))
        == "rk_test_credential"
    )
    absolute = text.replace("eu.key", str(tmp_path / "eu.key"))
    assert (
        secret(loaded(tmp_path, absolute, CREDENTIALS_DIRECTORY=str(credentials)))
        == "rk_test_beside"
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no file"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "is not text"),
    ],
)
def test_a_key_file_without_a_key(tmp_path: Path, content: bytes | None, words: str) -> None:
    """A key file that is missing, empty or not text is a fault that names the account and the file."""
    if content is not None:
        (tmp_path / "eu.key").write_bytes(content)
    (fault,) = faults(tmp_path, VALID + '[[accounts]]\nname = "eu"\nkey_file = "eu.key"\n')
    assert 'account "eu"' in fault
    assert "eu.key" in fault
    assert words in fault


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_a_key_file_without_permission(tmp_path: Path) -> None:
    """A key file that may not be read is a fault whose hint is to correct its permissions."""
    (tmp_path / "eu.key").write_text("rk_test_1")
    (tmp_path / "eu.key").chmod(0)
    (fault,) = faults(tmp_path, VALID + '[[accounts]]\nname = "eu"\nkey_file = "eu.key"\n')
    assert "permissions" in fault


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("pk_live_abcdefgh", "publishable key"),
        ("whsec_abcdefgh", "webhook's signing secret"),
        ("rk_live_abc def", "has a space, or a character outside ASCII"),
        ("rk_live_äöü", "has a space, or a character outside ASCII"),
    ],
)
def test_another_value_than_a_key_is_refused(tmp_path: Path, key: str, words: str) -> None:
    """A publishable key, a webhook secret or a damaged key is refused, and the message does not repeat it."""
    (fault,) = faults(tmp_path, VALID, STRIPE_API_KEY=key)
    assert fault.startswith("STRIPE_API_KEY: ")
    assert words in fault
    assert key not in fault


@pytest.mark.parametrize(
    ("prefix", "facts"),
    [
        ("sk_live_", KeyFacts(KeyKind.FULL, True)),
        ("rk_live_", KeyFacts(KeyKind.RESTRICTED, True)),
        ("sk_test_", KeyFacts(KeyKind.FULL, False)),
        ("rk_test_", KeyFacts(KeyKind.RESTRICTED, False)),
        ("xk_", KeyFacts(KeyKind.UNKNOWN, None)),
        ("", KeyFacts(KeyKind.UNKNOWN, None)),
    ],
)
def test_what_a_prefix_says(prefix: str, facts: KeyFacts) -> None:
    """A key's prefix says its kind and mode; an unknown prefix is not a fault, because Stripe promises none."""
    assert key_facts(f"{prefix}abcdefgh") == facts


@pytest.mark.parametrize("livemode", [True, False])
@pytest.mark.parametrize("prefix", ["sk_live_", "rk_live_", "sk_test_", "rk_test_", "xk_"])
@pytest.mark.parametrize("of_account", [True, False])
def test_livemode_has_to_match_the_key(
    tmp_path: Path, livemode: bool, prefix: str, of_account: bool
) -> None:
    """A livemode that contradicts the key's prefix is a fault, before Stripe is asked."""
    flag = f"livemode = {str(livemode).lower()}\n"
    table = '[[accounts]]\nname = "eu"\n' if of_account else "[stripe]\n"
    fits = prefix == "xk_" or ("live" in prefix) is livemode
    text, key = VALID + table + flag, f"{prefix}abcdefgh"
    if fits:
        assert loaded(tmp_path, text, STRIPE_API_KEY=key).accounts[0].livemode is livemode
        return
    (fault,) = faults(tmp_path, text, STRIPE_API_KEY=key)
    assert "livemode" in fault
    assert key not in fault


def test_an_account_s_own_livemode_wins(tmp_path: Path) -> None:
    """The account's livemode wins over that of [stripe], so that a live and a test account can be used together."""
    text = VALID + '[stripe]\nlivemode = true\n[[accounts]]\nname = "eu"\nlivemode = false\n'
    assert loaded(tmp_path, text, STRIPE_API_KEY="rk_test_a").accounts[0].livemode is False


def test_keys_are_not_read_unless_needed(tmp_path: Path) -> None:
    """Finance can verify the ledger on a machine without a key."""
    text = VALID + '[[accounts]]\nname = "eu"\nkey_file = "not/there"\n'
    settings = load(written(tmp_path, text), ENVIRON, need_stripe=False)
    with pytest.raises(ConfigurationError):
        _ = settings.accounts[0].api_key


@pytest.mark.parametrize(
    "where",
    ["NOT deleted", "provider = 'stripe; or -- so' AND (a OR (b))", "\"Odd ) name\" LIKE '5%'"],
)
def test_a_condition_is_taken_as_it_is_written(tmp_path: Path, where: str) -> None:
    """Quotes hide what would otherwise end the expression, and nothing of the text is changed."""
    quoted = where.replace('"', '\\"')
    text = VALID.replace('key = "id"', f'key = "id"\nwhere = "{quoted}"')
    settings = loaded(tmp_path, text)
    assert settings.payments is not None
    assert settings.payments.mapping.where == where
