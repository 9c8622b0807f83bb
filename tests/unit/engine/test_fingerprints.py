"""A set that keeps a few bytes of each text."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from reconciler.engine.sources import id_set
from reconciler.engine.sources.id_set import IdSet


@given(st.lists(st.text(max_size=3), max_size=60))
def test_it_answers_as_a_set_does(texts: list[str]) -> None:
    """New is what was not added before, and only that is not in it."""
    kept, plain = IdSet(), set[str]()
    for text in texts:
        assert (text in kept) is (text in plain)
        assert kept.add(text) is (text not in plain)
        plain.add(text)
    assert len(kept) == len(plain)


def test_neighbours_in_a_bucket_do_not_make_a_third() -> None:
    """Bytes that stand there across two entries are no entry."""
    bucket = b"abcdefghij"
    assert id_set._is_in(bucket, b"abcde")
    assert id_set._is_in(bucket, b"fghij")
    assert not id_set._is_in(bucket, b"defgh")
    assert id_set._is_in(b"xdefghixxxdefgh", b"defgh")
    assert not id_set._is_in(b"xdefghixxxxdefg", b"defgh")


def test_each_set_is_salted_anew() -> None:
    """Two texts that one set takes for one are told apart by the next."""
    one, other = IdSet(), IdSet()
    assert one._place("pi_1") != other._place("pi_1")


def test_two_of_a_million_are_seldom_taken_for_one() -> None:
    """Less than once in a thousand sets of a million: pairs over the values that a fingerprint can have."""
    values = len(IdSet()._buckets) << (8 * id_set._SIZE)
    assert 1_000_000**2 / 2 / values < 1 / 4000


def test_many_ids_take_little_memory() -> None:
    """A hundred thousand in less than 8 bytes each, all of them known and no others."""
    kept = IdSet()
    number = 100_000
    assert sum(kept.add(f"pi_{n:024d}") for n in range(number)) == number
    assert sum(sys.getsizeof(bucket) for bucket in kept._buckets) < 8 * number
    assert all(f"pi_{n:024d}" in kept for n in range(0, number, 100))
    assert not any(f"pi_{n:024d}" in kept for n in range(number, number + 10_000))
