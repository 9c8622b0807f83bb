"""Masks secrets in text before it is shown, stored or logged.

A secret is an API key, a webhook's signing secret, a client_secret, a password in a URL, or a bearer token. Only the
full shape of a secret is masked, not a mere prefix such as ``sk_live_``, so that messages can name the prefix.
"""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "***"
_SECRETS: Final = (
    # the dashboard's keys: sk_live_…, rk_test_…; then older ones without a mode
    (re.compile(r"((?:sk|rk)_(?:live|test)_)[A-Za-z0-9_]+"), rf"\1{MASK}"),
    (re.compile(r"\b((?:sk|rk)_)(?!live_|test_)[A-Za-z0-9]{8,}"), rf"\1{MASK}"),
    (re.compile(r"(whsec_)[A-Za-z0-9+/=_-]+"), rf"\1{MASK}"),
    (re.compile(r"(_secret_)[A-Za-z0-9]+"), rf"\1{MASK}"),  # pi_…_secret_…, seti_…_secret_…
    (re.compile(r"(://[^\s:/@\"']*:)[^\s@\"']+(?=@)"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(password\s*=\s*)('[^']*'|[^\s'\"&]+)"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(bearer\s+|basic\s+)[A-Za-z0-9+/=_.-]{8,}"), rf"\1{MASK}"),
)


def redact(text: str) -> str:
    """The text with every secret in it replaced by its prefix and ``***``."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text
