"""The secret that signs deliveries: where it comes from, and what it must look like. A message never repeats it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from reconciler.errors import ConfigurationFault
from reconciler.settings.environment import SIGNING_VARIABLE, credential
from reconciler.settings.keys import key_path

CREDENTIAL_NAME: Final = "signing_secret"
PREFIX: Final = "whsec_"
"""The prefix of Stripe's own signing secrets, so that the log masks this one too."""
SHORTEST: Final = 32
"""Characters of a signing secret, its prefix included."""
NO_SECRET: Final = ConfigurationFault(
    "delivery.url is set, but there is no signing secret.",
    f"Set {SIGNING_VARIABLE}, give the service the credential {CREDENTIAL_NAME} "
    f"(LoadCredential={CREDENTIAL_NAME}:/path), or name a delivery.secret_file.",
)
_ONE_LINE: Final = "Write the secret into it as one line."


def signing_secret(
    raw: Mapping[str, Any],
    environ: Mapping[str, str],
    source: Path | None,
    faults: list[ConfigurationFault],
) -> SecretStr | None:
    """The signing secret. None if nothing is delivered, or if it is not valid: then ``faults`` gets the reason.

    ``source`` is the configuration file, for a relative ``secret_file``.
    """
    section = raw.get("delivery")
    if not isinstance(section, Mapping) or not section.get("url"):
        return None

    # a file that is named wins over the environment, and that over systemd's credential
    named = section.get("secret_file")
    if isinstance(named, str) and named:
        return _from_file(key_path(Path(named), environ, source), "delivery.secret_file", faults)
    secret = environ.get(SIGNING_VARIABLE, "").strip()
    if secret:
        return _checked(secret, SIGNING_VARIABLE, faults)
    path = credential(environ, CREDENTIAL_NAME)
    if path is None:
        faults.append(NO_SECRET)
        return None
    return _from_file(path, f"credential {CREDENTIAL_NAME}", faults)


def _from_file(path: Path, origin: str, faults: list[ConfigurationFault]) -> SecretStr | None:
    # the path is not shown: a secret written into secret_file by mistake would be shown with it
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        faults.append(ConfigurationFault(f"{origin}: there is no such file.", _ONE_LINE))
        return None
    except (OSError, ValueError):
        faults.append(ConfigurationFault(f"{origin}: the file cannot be read as text.", _ONE_LINE))
        return None
    return _checked(secret, origin, faults)


def _checked(secret: str, origin: str, faults: list[ConfigurationFault]) -> SecretStr | None:
    is_one_word = secret.isascii() and secret.isprintable() and " " not in secret
    if is_one_word and secret.startswith(PREFIX) and len(secret) >= SHORTEST:
        return SecretStr(secret)
    faults.append(
        ConfigurationFault(
            f"{origin}: this is not a signing secret, which is {PREFIX} followed by {SHORTEST - len(PREFIX)} or "
            "more random letters and digits.",
            f'Make a secret with: echo "{PREFIX}$(openssl rand -hex 32)"',
        )
    )
    return None
