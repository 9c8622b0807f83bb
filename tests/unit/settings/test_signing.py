"""[delivery]: the endpoint's URL, and the secret that signs each delivery."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.errors import ConfigurationError
from reconciler.masking import redact
from reconciler.settings import Settings, load
from tests.unit.settings.configuration import ENVIRON, EXAMPLE

SECRET = "whsec_" + "0123456789abcdef" * 4
KEY = {"STRIPE_API_KEY": "rk_live_abc"}
URL = {"RECONCILER_DELIVERY__URL": "https://shop.example/reconciler"}


def settings(**environ: str) -> Settings:
    return load(EXAMPLE, {**ENVIRON, **KEY, **environ})


def faults(**environ: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        settings(**environ)
    return "\n".join(str(fault) for fault in caught.value.faults)


def test_without_an_endpoint_no_secret_is_needed() -> None:
    """If delivery.url is not set, a secret is neither required nor checked."""
    assert settings().signing_secret is None
    assert settings(RECONCILER_SIGNING_SECRET="nonsense").signing_secret is None


def test_the_secret_comes_from_the_environment() -> None:
    """RECONCILER_SIGNING_SECRET is used, and printed settings do not show it."""
    found = settings(**URL, RECONCILER_SIGNING_SECRET=SECRET)
    assert found.signing_secret is not None
    assert found.signing_secret.get_secret_value() == SECRET
    assert SECRET not in repr(found)


def test_the_secret_comes_from_a_credential(tmp_path: Path) -> None:
    """systemd's credential signing_secret is used if the environment has no secret."""
    (tmp_path / "signing_secret").write_text(f"{SECRET}\n", encoding="utf-8")
    found = settings(**URL, CREDENTIALS_DIRECTORY=str(tmp_path))
    assert found.signing_secret is not None
    assert found.signing_secret.get_secret_value() == SECRET


def test_the_secret_comes_from_a_file(tmp_path: Path) -> None:
    """delivery.secret_file wins over the environment."""
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n", encoding="utf-8")
    found = settings(
        **URL, RECONCILER_DELIVERY__SECRET_FILE=str(path), RECONCILER_SIGNING_SECRET="x"
    )
    assert found.signing_secret is not None
    assert found.signing_secret.get_secret_value() == SECRET


def test_a_missing_secret_is_a_fault_with_every_place_for_it() -> None:
    """An endpoint cannot tell who sends an unsigned delivery, so a missing secret is a fault that names every source."""
    said = faults(**URL)
    for place in ("RECONCILER_SIGNING_SECRET", "LoadCredential=signing_secret", "secret_file"):
        assert place in said


def test_a_command_that_delivers_nothing_needs_no_secret() -> None:
    """A sweep by a timer or a person loads the settings without the secret, which only the service has."""
    endpoint = {"RECONCILER_DELIVERY__URL": "https://shop.example/reconciler"}
    settings = load(
        EXAMPLE,
        {**ENVIRON, "STRIPE_API_KEY": "rk_live_abc", **endpoint},
        need_delivery=False,
    )
    assert settings.signing_secret is None


@pytest.mark.parametrize(
    "secret",
    ["hunter2hunter2hunter2hunter2hunter2", "whsec_short", f"{SECRET} more", "whsec_ü" * 9],
)
def test_a_wrong_secret_is_not_repeated(secret: str, tmp_path: Path) -> None:
    """The fault says how to make a secret, and does not show the wrong one."""
    path = tmp_path / "secret"
    path.write_text(secret, encoding="utf-8")
    for environ in (
        {"RECONCILER_SIGNING_SECRET": secret},
        {"RECONCILER_DELIVERY__SECRET_FILE": str(path)},
    ):
        said = faults(**URL, **environ)
        assert "openssl rand" in said
        assert secret not in said


def test_a_secret_in_the_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    """A secret in the configuration file, or as the name of a file, is not shown by the fault."""
    path = tmp_path / "reconciler.toml"
    example = EXAMPLE.read_text(encoding="utf-8")
    path.write_text(example.replace("[delivery]", f'[delivery]\nsecret = "{SECRET}"'), "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load(path, {**ENVIRON, **KEY})
    assert "RECONCILER_SIGNING_SECRET" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert SECRET not in faults(**URL, RECONCILER_DELIVERY__SECRET_FILE=SECRET)


def test_the_log_masks_the_secret() -> None:
    """A library's message with the secret in it is masked."""
    assert "0123456789" not in redact(f"signed with {SECRET}.")


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example",
        "https://shop.example:8443/a/b",
        "http://127.0.0.1:8080/hook",
        "http://[::1]/hook",
        "http://localhost:1/hook",
    ],
)
def test_endpoints_that_are_accepted(url: str) -> None:
    """https is accepted for any host, http for this machine only."""
    environ = {"RECONCILER_DELIVERY__URL": url, "RECONCILER_SIGNING_SECRET": SECRET}
    assert settings(**environ).delivery.url == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://shop.example/hook", "without TLS"),
        ("http://10.0.0.1/hook", "without TLS"),
        ("https://user:hush-word@shop.example/hook", "no password"),
        ("https://hush-word@shop.example/hook", "no password"),
        ("https://shop.example/hook?token=hush-word", "no query"),
        ("https://shop.example/hook#hush-word", "no query"),
        ("ftp://shop.example/", "not an http or https URL"),
        ("shop.example/hook", "not an http or https URL"),
        ("https://shop.example:port/", "not a URL"),
        ("https://shop example/", "has a space"),
    ],
)
def test_endpoints_that_are_refused(url: str, said: str) -> None:
    """The fault names delivery.url and does not show the URL, because it may contain a password."""
    found = faults(RECONCILER_DELIVERY__URL=url, RECONCILER_SIGNING_SECRET=SECRET)
    assert said in found
    assert "delivery.url" in found
    assert "hush-word" not in found


def test_stall_has_to_be_longer_than_a_delivery() -> None:
    """Else the watchdog would restart the service because the endpoint hangs."""
    given = {**URL, "RECONCILER_SIGNING_SECRET": SECRET, "RECONCILER_DELIVERY__TIMEOUT": "30s"}
    assert settings(**given, RECONCILER_SERVICE__STALL="31s").delivery.url
    assert "service.stall" in faults(**given, RECONCILER_SERVICE__STALL="30s")
    assert settings(RECONCILER_SERVICE__STALL="1s").delivery.url is None


def test_the_bounds_of_timeout_and_give_up() -> None:
    """A delivery takes a minute at most, so that a stop need not wait longer; give_up is longer than zero."""
    assert "delivery.timeout" in faults(RECONCILER_DELIVERY__TIMEOUT="61s")
    assert "delivery.give_up" in faults(RECONCILER_DELIVERY__GIVE_UP="0")
