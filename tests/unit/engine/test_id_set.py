"""A set that keeps a few bytes of each text."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from reconciler.engine.sources import source_reader
from reconciler.engine.sources.source_reader import IdSet


@given(st.lists(st.text(max_size=3), max_size=60))
def test_it_answers_as_a_set_does(texts: list[str]) -> None:
    """A text is new if it was not added before, and only an added text is contained."""
    kept, plain = IdSet(), set[str]()
    for text in texts:
        assert (text in kept) is (text in plain)
        assert kept.add(text) is (text not in plain)
        plain.add(text)
    assert len(kept) == len(plain)


def test_a_text_that_spans_two_entries_is_not_found() -> None:
    """Bytes that span two entries of a bucket are not found."""
    bucket = b"abcdefghij"
    assert source_reader._is_in(bucket, b"abcde")
    assert source_reader._is_in(bucket, b"fghij")
    assert not source_reader._is_in(bucket, b"defgh")
    assert source_reader._is_in(b"xdefghixxxdefgh", b"defgh")
    assert not source_reader._is_in(b"xdefghixxxxdefg", b"defgh")


def test_each_set_has_its_own_salt() -> None:
    """Two texts that one set takes for the same are different to the next set."""
    one, other = IdSet(), IdSet()
    assert one._place("pi_1") != other._place("pi_1")


def test_two_of_a_million_texts_are_seldom_taken_for_the_same() -> None:
    """By the number of pairs and of possible entries, this happens in less than one of four thousand sets."""
    values = len(IdSet()._buckets) << (8 * source_reader._ENTRY_BYTES)
    assert 1_000_000**2 / 2 / values < 1 / 4000


def test_many_ids_take_little_memory() -> None:
    """A hundred thousand ids take less than 8 bytes each. All of them are contained, and no other id is."""
    kept = IdSet()
    number = 100_000
    assert sum(kept.add(f"pi_{n:024d}") for n in range(number)) == number
    assert sum(sys.getsizeof(bucket) for bucket in kept._buckets) < 8 * number
    assert all(f"pi_{n:024d}" in kept for n in range(0, number, 100))
    assert not any(f"pi_{n:024d}" in kept for n in range(number, number + 10_000))
