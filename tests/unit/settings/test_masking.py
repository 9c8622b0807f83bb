"""Secrets are masked in any text, and only secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.masking import redact

SECRETS = [
    ("sk_live_51HxQb2eZvKYlo2C", "sk_live_***"),
    ("rk_test_51HxQb2eZvKYlo2C", "rk_test_***"),
    ("sk_51HxQb2eZvKYlo2C", "sk_***"),
    ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_***"),
    ("pi_3Mt_secret_YrKJUKribcBjcG8HVhfZluoGH", "pi_3Mt_secret_***"),
    ("seti_1Mm8_secret_NWzzPBr0Z", "seti_1Mm8_secret_***"),
    ("postgresql://me:hunter2@db/shop", "postgresql://me:***@db/shop"),
    ("host=db password=hunter2 user=me", "host=db password=*** user=me"),
    ("host=db password='hun ter2' user=me", "host=db password=*** user=me"),
    ("Authorization: Bearer rk51HxQb2eZvKYlo2C", "Authorization: Bearer ***"),
]


@pytest.mark.parametrize(("text", "shown"), SECRETS)
def test_a_secret_is_masked(text: str, shown: str) -> None:
    """Keys, webhook secrets, client_secrets and passwords become unreadable; the text around them stays."""
    assert redact(f"before {text} after") == f"before {shown} after"


@pytest.mark.parametrize(
    "text",
    ["pi_3MtwBwLkdIwHu7ix", "req_51HxQb2e", "acct_1032D82e", "task_force_one", "https://a:1/b"],
)
def test_other_text_is_not_masked(text: str) -> None:
    """Ids, which Stripe's support asks for, and plain words are not mistaken for secrets."""
    assert redact(text) == text


@given(
    st.text(),
    st.text(alphabet="abcXYZ019", min_size=8),
    st.sampled_from(["sk_live_", "whsec_", "pi_1_secret_"]),
)
def test_a_secret_is_found_in_any_text(around: str, body: str, prefix: str) -> None:
    """A secret is masked at every place of a text."""
    assert prefix + body not in redact(f"{around} {prefix}{body}")
