"""What a Stripe key's prefix says, and where each account's key comes from. A message never repeats a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from reconciler.errors import ConfigurationFault
from reconciler.settings.environment import (
    CREDENTIALS_VARIABLE,
    KEY_VARIABLE,
    credential,
    is_file,
)

CREDENTIAL_NAME: Final = "stripe_key"
NO_KEY: Final = ConfigurationFault(
    "There is no Stripe key.",
    f"Set {KEY_VARIABLE}, give the service the credential {CREDENTIAL_NAME} "
    f"(LoadCredential={CREDENTIAL_NAME}:/path), or name a key_file under [[accounts]].",
)
_USE_A_RESTRICTED_KEY: Final = "Use a restricted key (rk_…)."
_ONE_LINE: Final = "Write the key into it as one line."


class KeyKind(StrEnum):
    """What a key may do, as its prefix says."""

    RESTRICTED = "restricted"
    FULL = "full"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What a key's prefix says. ``livemode`` is None if it does not say the mode."""

    kind: KeyKind
    livemode: bool | None


_PREFIXES: Final = {
    "sk_live_": KeyFacts(KeyKind.FULL, True),
    "rk_live_": KeyFacts(KeyKind.RESTRICTED, True),
    "sk_test_": KeyFacts(KeyKind.FULL, False),
    "rk_test_": KeyFacts(KeyKind.RESTRICTED, False),
}


def key_facts(key: str) -> KeyFacts:
    """What the prefix of a key says. Stripe promises no prefixes, so an unknown one is not a fault."""
    for prefix, facts in _PREFIXES.items():
        if key.startswith(prefix):
            return facts
    return KeyFacts(KeyKind.UNKNOWN, None)


def key_fault(key: str, origin: str) -> ConfigurationFault | None:
    """Why this cannot be an API key, None if it can. ``origin`` is where the key comes from."""
    if key.startswith("pk_"):
        what = "this is a publishable key (pk_…), for browsers."
        return ConfigurationFault(f"{origin}: {what}", _USE_A_RESTRICTED_KEY)
    if key.startswith("whsec_"):
        what = "this is a webhook's signing secret (whsec_…), not an API key."
        return ConfigurationFault(f"{origin}: {what}", _USE_A_RESTRICTED_KEY)
    # an HTTP client refuses such a header, with an error that may show the key
    if not key.isascii() or any(char.isspace() or not char.isprintable() for char in key):
        what = "the key has a space, or a character outside ASCII."
        return ConfigurationFault(
            f"{origin}: {what}", "Copy the key again from Stripe's dashboard."
        )
    return None


def mode_fault(key: str, livemode: bool | None, origin: str) -> ConfigurationFault | None:
    """Why the key does not fit the configured mode, None if it fits or its prefix does not say."""
    # a proxy's key says nothing; then the first object that Stripe shows is compared
    of_key = key_facts(key).livemode
    if livemode is None or of_key is None or of_key is livemode:
        return None
    configured, found = ("true", "test") if livemode else ("false", "live")
    wanted, other = ("live", "false") if livemode else ("test", "true")
    return ConfigurationFault(
        f"{origin}: livemode is {configured}, but this is a {found}-mode key.",
        f"Use a {wanted}-mode key, or set livemode to {other}.",
    )


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key and where it comes from, or why it cannot be used. Without both, there is no key.

    ``file`` is the file that it was read from, None if it comes from the environment.
    """

    key: str | None = None
    origin: str = ""
    fault: ConfigurationFault | None = None
    file: Path | None = None


def read_key_file(path: Path, origin: str) -> FoundKey:
    """The key in a file of one line."""
    try:
        key = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return FoundKey(fault=ConfigurationFault(f"{origin}: there is no file {path}."))
    except OSError as error:
        return FoundKey(
            fault=ConfigurationFault(
                f"{origin}: {path} cannot be read ({error.strerror}).", "Correct its permissions."
            )
        )
    except UnicodeDecodeError:
        return FoundKey(
            fault=ConfigurationFault(f"{origin}: {path} is not text in UTF-8.", _ONE_LINE)
        )
    except ValueError:
        return FoundKey(
            fault=ConfigurationFault(f"{origin}: this is not the path of a file.", _ONE_LINE)
        )
    if not key:
        return FoundKey(fault=ConfigurationFault(f"{origin}: {path} is empty.", _ONE_LINE))
    return replace(_checked(key, origin), file=path)


def default_key(environ: Mapping[str, str]) -> FoundKey:
    """The key of an account without a key_file: from the environment, else from systemd's credential."""
    key = environ.get(KEY_VARIABLE, "").strip()
    if key:
        return _checked(key, KEY_VARIABLE)
    path = credential(environ, CREDENTIAL_NAME)
    return FoundKey() if path is None else read_key_file(path, f"credential {CREDENTIAL_NAME}")


def key_path(named: Path, environ: Mapping[str, str], config: Path | None) -> Path:
    """The path that ``key_file`` means.

    A relative path is one in systemd's credentials if that file exists, else one beside the configuration file.
    """
    if named.is_absolute():
        return named

    # under systemd the service cannot read /etc/reconciler/credentials itself
    folder = environ.get(CREDENTIALS_VARIABLE)
    if folder and is_file(Path(folder, named)):
        return Path(folder, named)
    return named if config is None else config.parent / named


def _checked(key: str, origin: str) -> FoundKey:
    fault = key_fault(key, origin)
    return FoundKey(key, origin) if fault is None else FoundKey(fault=fault)
