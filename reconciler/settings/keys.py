"""Stripe's keys by their prefix, and where each account's key comes from. A message never repeats a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from reconciler.settings.environment import CREDENTIALS_VARIABLE, KEY_VARIABLE, credential

CREDENTIAL_NAME: Final = "stripe_key"
NO_KEY: Final = (
    f"there is no Stripe key: set {KEY_VARIABLE}, or hand the credential {CREDENTIAL_NAME} to the service "
    f"(LoadCredential={CREDENTIAL_NAME}:/path), or name a key_file under [[accounts]]."
)


class KeyKind(StrEnum):
    """What a key may do, as its prefix says."""

    RESTRICTED = "restricted"
    FULL = "full"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What a key's prefix tells. ``livemode`` is None where it tells nothing."""

    kind: KeyKind
    livemode: bool | None


_PREFIXES: Final = {
    "sk_live_": KeyFacts(KeyKind.FULL, True),
    "rk_live_": KeyFacts(KeyKind.RESTRICTED, True),
    "sk_test_": KeyFacts(KeyKind.FULL, False),
    "rk_test_": KeyFacts(KeyKind.RESTRICTED, False),
}


def key_facts(key: str) -> KeyFacts:
    """What the prefix of a key says. Stripe promises no prefixes, so another one is no fault."""
    for prefix, facts in _PREFIXES.items():
        if key.startswith(prefix):
            return facts
    return KeyFacts(KeyKind.UNKNOWN, None)


def key_fault(key: str) -> str | None:
    """Why this cannot be an API key, None where it can."""
    if key.startswith("pk_"):
        return "this is a publishable key (pk_…), for browsers; use a restricted key (rk_…)."
    if key.startswith("whsec_"):
        return "this is a webhook's signing secret (whsec_…), not an API key; use a restricted key (rk_…)."
    if not key.isascii() or any(char.isspace() or not char.isprintable() for char in key):
        return "a key is one word of plain letters; this has a space or another character in it."
    return None


def mode_fault(key: str, livemode: bool | None) -> str | None:
    """Why the key does not fit the configured mode, None where it does or cannot be told."""
    of_key = key_facts(key).livemode
    if livemode is None or of_key is None or of_key is livemode:
        return None
    words = ("live", "test") if of_key else ("test", "live")
    wanted = "true" if livemode else "false"
    return (
        f"livemode is {wanted} and the key is one of the {words[0]} mode; use a {words[1]}-mode key "
        f"or set livemode to {'false' if livemode else 'true'}."
    )


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key and where it came from, or the fault that there is."""

    key: str | None = None
    source: str = ""
    fault: str | None = None


def read_key_file(path: Path, source: str) -> FoundKey:
    """A key from a file of one line."""
    try:
        key = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return FoundKey(fault=f"{source}: there is no file {path}.")
    except OSError as error:
        return FoundKey(
            fault=f"{source}: {path} cannot be read ({error.strerror}); mend its permissions."
        )
    except UnicodeDecodeError:
        return FoundKey(fault=f"{source}: {path} is not text; it should hold one line, the key.")
    if not key:
        return FoundKey(fault=f"{source}: {path} is empty; it should hold one line, the key.")
    return _decisions(key, source)


def default_key(environ: Mapping[str, str]) -> FoundKey:
    """The key of an account that names no file: from the environment, else from systemd's credential."""
    key = environ.get(KEY_VARIABLE, "").strip()
    if key:
        return _decisions(key, KEY_VARIABLE)
    path = credential(environ, CREDENTIAL_NAME)
    return FoundKey() if path is None else read_key_file(path, f"credential {CREDENTIAL_NAME}")


def key_path(named: Path, environ: Mapping[str, str], config: Path | None) -> Path:
    """The file that ``key_file`` means: absolute, or in systemd's credentials, or beside the configuration file."""
    if named.is_absolute():
        return named
    folder = environ.get(CREDENTIALS_VARIABLE)
    if folder and Path(folder, named).is_file():
        return Path(folder, named)
    return named if config is None else config.parent / named


def _decisions(key: str, source: str) -> FoundKey:
    fault = key_fault(key)
    return FoundKey(key, source) if fault is None else FoundKey(fault=f"{source}: {fault}")
