"""What a column may hold instead of a PaymentIntent's id."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.model.payment import StoredIdKind, is_looked_up, stored_id


@pytest.mark.parametrize(
    ("text", "kind", "used"),
    [
        ("pi_3NxYz", StoredIdKind.INTENT, "pi_3NxYz"),
        ("pi_3NxYz_secret_AbC", StoredIdKind.CLIENT_SECRET, "pi_3NxYz"),
        ("pi_a_b_secret_c-d%2F", StoredIdKind.CLIENT_SECRET, "pi_a_b"),
        ("pi__secret_x", StoredIdKind.FOREIGN, "pi__secret_x"),
        ("cs_test_a1B2", StoredIdKind.SESSION, "cs_test_a1B2"),
        ("cs_test_a1B2_secret_x", StoredIdKind.FOREIGN, "cs_test_a1B2_secret_x"),
        ("cs_live_a1B2", StoredIdKind.SESSION, "cs_live_a1B2"),
        ("ch_3NxYz", StoredIdKind.CHARGE, "ch_3NxYz"),
        ("py_3NxYz", StoredIdKind.CHARGE, "py_3NxYz"),
        ("re_3NxYz", StoredIdKind.FOREIGN, "re_3NxYz"),
        ("seti_1", StoredIdKind.FOREIGN, "seti_1"),
        ("PAYID-MXYZ", StoredIdKind.FOREIGN, "PAYID-MXYZ"),
        ("pi_", StoredIdKind.FOREIGN, "pi_"),
        ("pi_a/../b", StoredIdKind.FOREIGN, "pi_a/../b"),
        ("pi_a\n", StoredIdKind.FOREIGN, "pi_a\n"),
        ("10023", StoredIdKind.FOREIGN, "10023"),
        ("", StoredIdKind.FOREIGN, ""),
        ("pi_" + "x" * 253, StoredIdKind.FOREIGN, "pi_" + "x" * 253),
    ],
)
def test_each_sort_of_id(text: str, kind: StoredIdKind, used: str) -> None:
    """Only what can be an id of Stripe's is read; everything else is another gateway's or an order number."""
    found = stored_id(text)
    assert (found.kind, found.id) == (kind, used)


@given(
    st.from_regex(r"pi_[A-Za-z0-9]{1,40}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9]{1,40}", fullmatch=True),
)
def test_a_secret_is_never_kept(intent: str, secret: str) -> None:
    """Of a client secret nothing but the id in front of it remains."""
    assert stored_id(f"{intent}_secret_{secret}").id == intent


def test_what_is_looked_up() -> None:
    """Stripe is asked about a Checkout Session and a charge; of a client secret the intent's id is known."""
    texts = ("cs_test_a1B2", "ch_3NxYz", "pi_3NxYz", "pi_3NxYz_secret_AbC", "10023")
    assert [is_looked_up(text) for text in texts] == [True, True, False, False, False]
