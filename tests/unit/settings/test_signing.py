"""[delivery]: the endpoint's address, and the secret that signs what goes there."""

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
    return "\n".join(caught.value.faults)


def test_without_an_endpoint_no_secret_is_looked_for() -> None:
    """A shop with a worker of its own has nothing to set."""
    assert settings().signing_secret is None
    assert settings(RECONCILER_SIGNING_SECRET="nonsense").signing_secret is None


def test_the_secret_comes_from_the_environment() -> None:
    """And no text of the settings shows it."""
    found = settings(**URL, RECONCILER_SIGNING_SECRET=SECRET)
    assert found.signing_secret is not None
    assert found.signing_secret.get_secret_value() == SECRET
    assert SECRET not in repr(found)


def test_the_secret_comes_from_a_credential(tmp_path: Path) -> None:
    """systemd hands it over as a file."""
    (tmp_path / "signing_secret").write_text(f"{SECRET}\n", encoding="utf-8")
    found = settings(**URL, CREDENTIALS_DIRECTORY=str(tmp_path))
    assert found.signing_secret is not None
    assert found.signing_secret.get_secret_value() == SECRET


def test_the_secret_comes_from_a_file(tmp_path: Path) -> None:
    """A file that is named wins over both."""
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n", encoding="utf-8")
    found = settings(
        **URL, RECONCILER_DELIVERY__SECRET_FILE=str(path), RECONCILER_SIGNING_SECRET="x"
    )
    assert found.signing_secret is not None
    assert found.signing_secret.get_secret_value() == SECRET


def test_a_missing_secret_is_named_with_all_its_places() -> None:
    """An endpoint without a secret would take anybody's word."""
    said = faults(**URL)
    for place in ("RECONCILER_SIGNING_SECRET", "LoadCredential=signing_secret", "secret_file"):
        assert place in said


def test_what_delivers_nothing_needs_no_secret() -> None:
    """A pass by timer, and a person's commands, go on where the service alone has the secret."""
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
def test_a_secret_that_is_none_is_not_repeated(secret: str, tmp_path: Path) -> None:
    """It is said what is wrong and how to make one, and not what was there."""
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
    """In the file itself, or as the name of its file."""
    path = tmp_path / "reconciler.toml"
    example = EXAMPLE.read_text(encoding="utf-8")
    path.write_text(example.replace("[delivery]", f'[delivery]\nsecret = "{SECRET}"'), "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load(path, {**ENVIRON, **KEY})
    assert "RECONCILER_SIGNING_SECRET" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert SECRET not in faults(**URL, RECONCILER_DELIVERY__SECRET_FILE=SECRET)


def test_the_log_would_hide_it() -> None:
    """Should a library ever say it."""
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
def test_addresses_that_are_right(url: str) -> None:
    """https anywhere, http on this machine."""
    environ = {"RECONCILER_DELIVERY__URL": url, "RECONCILER_SIGNING_SECRET": SECRET}
    assert settings(**environ).delivery.url == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://shop.example/hook", "without TLS"),
        ("http://10.0.0.1/hook", "without TLS"),
        ("https://user:hush-word@shop.example/hook", "no password"),
        ("https://hush-word@shop.example/hook", "no password"),
        ("https://shop.example/hook?token=hush-word", "nothing may follow"),
        ("https://shop.example/hook#hush-word", "nothing may follow"),
        ("ftp://shop.example/", "no https address"),
        ("shop.example/hook", "no https address"),
        ("https://shop.example:port/", "no address"),
        ("https://shop example/", "neither spaces"),
    ],
)
def test_addresses_that_are_not(url: str, said: str) -> None:
    """What was written is not repeated: a password may stand in it."""
    found = faults(RECONCILER_DELIVERY__URL=url, RECONCILER_SIGNING_SECRET=SECRET)
    assert said in found
    assert "delivery.url" in found
    assert "hush-word" not in found


def test_a_request_that_hangs_does_not_look_like_a_stuck_service() -> None:
    """The watchdog would restart the service for what the endpoint does."""
    given = {**URL, "RECONCILER_SIGNING_SECRET": SECRET, "RECONCILER_DELIVERY__TIMEOUT": "30s"}
    assert settings(**given, RECONCILER_SERVICE__STALL="31s").delivery.url
    assert "service.stall" in faults(**given, RECONCILER_SERVICE__STALL="30s")
    assert settings(RECONCILER_SERVICE__STALL="1s").delivery.url is None


def test_a_request_takes_a_minute_at_most() -> None:
    """A longer one would outlast a stop."""
    assert "delivery.timeout" in faults(RECONCILER_DELIVERY__TIMEOUT="61s")
    assert "delivery.give_up" in faults(RECONCILER_DELIVERY__GIVE_UP="0")
