"""The secret that signs what is delivered: where it comes from, and what it must be. A message never repeats it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from reconciler.settings.environment import SIGNING_VARIABLE, credential
from reconciler.settings.keys import key_path

CREDENTIAL_NAME: Final = "signing_secret"
PREFIX: Final = "whsec_"
"""As Stripe's own: the log hides whatever begins so."""
SHORTEST: Final = 32
NO_SECRET: Final = (
    f"delivery.url is set and there is no signing secret: set {SIGNING_VARIABLE}, or hand the credential "
    f"{CREDENTIAL_NAME} to the service (LoadCredential={CREDENTIAL_NAME}:/path), or name a delivery.secret_file."
)


def signing_secret(
    raw: Mapping[str, Any], environ: Mapping[str, str], source: Path | None, faults: list[str]
) -> SecretStr | None:
    """The secret where something is delivered, None where nothing is or where it is wrong, which ``faults`` then says."""
    section = raw.get("delivery")
    if not isinstance(section, Mapping) or not section.get("url"):
        return None
    named = section.get("secret_file")
    if isinstance(named, str) and named:
        return _from_file(key_path(Path(named), environ, source), "delivery.secret_file", faults)
    secret = environ.get(SIGNING_VARIABLE, "").strip()
    if secret:
        return _decisions(secret, SIGNING_VARIABLE, faults)
    path = credential(environ, CREDENTIAL_NAME)
    if path is None:
        faults.append(NO_SECRET)
        return None
    return _from_file(path, f"credential {CREDENTIAL_NAME}", faults)


def _from_file(path: Path, origin: str, faults: list[str]) -> SecretStr | None:
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        faults.append(f"{origin}: there is no such file; write the secret into it as one line.")
        return None
    except (OSError, UnicodeDecodeError):
        faults.append(f"{origin}: it cannot be read as text; it should hold one line, the secret.")
        return None
    return _decisions(secret, origin, faults)


def _decisions(secret: str, origin: str, faults: list[str]) -> SecretStr | None:
    plain = secret.isascii() and secret.isprintable() and " " not in secret
    if plain and secret.startswith(PREFIX) and len(secret) >= SHORTEST:
        return SecretStr(secret)
    faults.append(
        f"{origin}: a signing secret is {PREFIX} and {SHORTEST - len(PREFIX)} or more random letters and digits; "
        f'make one with: echo "{PREFIX}$(openssl rand -hex 32)".'
    )
    return None
