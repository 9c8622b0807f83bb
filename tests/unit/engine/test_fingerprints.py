"""A set that keeps a few bytes of each text."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from reconciler.engine import fingerprints
from reconciler.engine.fingerprints import Fingerprints


@given(st.lists(st.text(max_size=3), max_size=60))
def test_it_answers_as_a_set_does(texts: list[str]) -> None:
    """New is what was not added before, and only that is not in it."""
    kept, plain = Fingerprints(), set[str]()
    for text in texts:
        assert (text in kept) is (text in plain)
        assert kept.add(text) is (text not in plain)
        plain.add(text)
    assert len(kept) == len(plain)


def test_neighbours_in_a_block_do_not_make_a_third() -> None:
    """Bytes that stand there across two entries are no entry."""
    block = b"abcdefghij"
    assert fingerprints._is_in(block, b"abcde")
    assert fingerprints._is_in(block, b"fghij")
    assert not fingerprints._is_in(block, b"defgh")
    assert fingerprints._is_in(b"xdefgxxxxxdefgx", b"xdefg")
    assert fingerprints._is_in(b"xdefgxxxxxdefgx", b"defgx")


def test_many_ids_take_little_memory() -> None:
    """Three hundred thousand in less than 8 bytes each, all of them known and no others."""
    kept = Fingerprints()
    number = 300_000
    assert sum(kept.add(f"pi_{n:024d}") for n in range(number)) == number
    blocks = [block for bucket in kept._full for block in bucket]
    assert sum(map(sys.getsizeof, [*blocks, *kept._last, *kept._full])) < 8 * number
    assert all(f"pi_{n:024d}" in kept for n in range(0, number, 100))
    assert not any(f"pi_{n:024d}" in kept for n in range(number, number + 10_000))


def test_what_one_set_takes_for_another_the_next_does_not() -> None:
    """Two ids that share their bits would else be one payment for as long as the process lives."""
    one, other = Fingerprints(), Fingerprints()
    assert one._place("pi_1") != other._place("pi_1")
