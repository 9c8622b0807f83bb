"""Secrets are masked in any text, and only secrets; control characters are escaped."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.masking import (
    MASK,
    is_masked,
    map_texts,
    may_hold_secret,
    may_lines_hold_secret,
    redact,
    storable,
    visible,
    visible_json,
)

SECRETS = [
    ("sk_live_51HxQb2eZvKYlo2C", "sk_live_***"),
    ("rk_test_51HxQb2eZvKYlo2C", "rk_test_***"),
    ("sk_51HxQb2eZvKYlo2C", "sk_***"),
    ("pk_live_51HxQb2eZvKYlo2C", "pk_live_***"),
    ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_***"),
    ("pi_3Mt_secret_YrKJUKribcBjcG8HVhfZluoGH", "pi_3Mt_secret_***"),
    ("seti_1Mm8_secret_NWzzPBr0Z", "seti_1Mm8_secret_***"),
    ("cs_live_a1b2_secret_NWzzPBr0Z", "cs_live_a1b2_secret_***"),
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
    [
        "pi_3MtwBwLkdIwHu7ix",
        "req_51HxQb2e",
        "acct_1032D82e",
        "task_force_one",
        "https://a:1/b",
        "sk_live_",
        "sk_live_51HxQb2eZvKYlo2",
        "whsec_abcdefghijklmno",
        "risk_1234567890123456",
        "our_secret_plan",
    ],
)
def test_other_text_is_not_masked(text: str) -> None:
    """Ids, which Stripe's support asks for, plain words and a mere prefix are not mistaken for secrets."""
    assert redact(text) == text
    assert storable(text) == text
    assert not is_masked(text)


@given(
    st.text(),
    st.text(alphabet="abcXYZ019", min_size=16),
    st.sampled_from(["sk_live_", "whsec_", "pi_1_secret_"]),
)
def test_a_secret_is_found_in_any_text(around: str, body: str, prefix: str) -> None:
    """A secret is masked at every place of a text."""
    assert prefix + body not in redact(f"{around} {prefix}{body}")


ANY_TEXT = st.text() | st.lists(
    st.sampled_from(
        [text for text, _ in SECRETS] + ["sk_", "_secret_", "pi_1", "://", ":", "@", " "]
    )
).map("".join)


@given(ANY_TEXT)
def test_masking_again_changes_nothing(text: str) -> None:
    """A text that is stored masked and shown again stays the same, and the quick check misses no secret."""
    masked = redact(text)
    assert redact(masked) == masked
    assert storable(storable(text)) == storable(text)
    assert may_hold_secret(text) or masked == text


@given(st.lists(ANY_TEXT | st.sampled_from(["Bearer\tdXNlcjpwYXNz", "basic\u2003dXNlcjpwYXNz"])))
def test_a_search_of_lines_misses_no_secret(texts: list[str]) -> None:
    """A search of many lines of JSON at once misses no secret, with every white space."""
    lines = "\n".join(json.dumps([text], ensure_ascii=False) for text in texts)
    assert may_lines_hold_secret(lines) or [redact(text) for text in texts] == texts


@pytest.mark.parametrize(("text", "shown"), SECRETS)
def test_what_is_stored_in_the_place_of_a_secret_stays_distinct(text: str, shown: str) -> None:
    """A text with a secret is stored masked, with a part of its hash, so that two of them are two."""
    stored = storable(text)
    assert is_masked(stored)
    assert stored.startswith(f"{shown}#")
    other = text[:-1] + ("x" if text[-1] != "x" else "y")
    assert stored != storable(other)


@pytest.mark.parametrize(
    "text",
    [
        "://a:" * 40_000,
        "://" * 60_000,
        "pi_" * 60_000,
        "pi_1_secret" * 18_000,
        "password" * 24_000,
        "password = " * 18_000,
        "password='" * 18_000,
        "bearer " * 28_000,
        "sk_live_" * 24_000,
        "whsec_" * 32_000,
    ],
)
def test_hostile_text_is_masked_in_time(text: str) -> None:
    """No text makes the search for secrets take longer than some seconds for a megabyte; here are 200 kB of each."""
    begun = time.process_time()
    redact(text)
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("\x9b31m", r"\x9b31m"),
        ("paid\u202eevil", r"paid\u202eevil"),
        ("a\u2066b\u2028c\ufeff", r"a\u2066b\u2028c\ufeff"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("Zahlung für 中文 ✓", "Zahlung für 中文 ✓"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    """C0, C1, marks of direction and halves of characters are shown as escapes; letters stay."""
    assert visible(text) == shown


@given(st.text(st.characters()) | st.text("\x85\x9b\u202e\u2066\u200f\ud800\U000e0001a"))
def test_json_with_escapes_has_the_same_values(text: str) -> None:
    """In JSON nothing is left that controls a terminal, and a program reads the same text."""
    written = visible_json(json.dumps({text: [text]}, ensure_ascii=False))
    assert json.loads(written) == {text: [text]}
    assert not any(
        visible(char).startswith(("\\x", "\\u202", "\\ud8")) for char in written if char != "\xa0"
    )


def test_texts_at_any_depth_are_changed() -> None:
    """Names and values of objects and arrays are changed, and everything else stays."""
    value = {"sk": [{"a": ("b", 1, None, True)}], "n": 2}
    assert map_texts(value, str.upper) == {"SK": [{"A": ["B", 1, None, True]}], "N": 2}
    assert MASK not in str(value)
