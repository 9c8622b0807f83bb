"""The banned words are in no name, no message, no comment and no page."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pytest

from tests.unit.words.banned_words import REPOSITORY, BannedWords, files, find_in

WORDS = BannedWords()


def _room(path: Path) -> str:
    return "/".join(path.relative_to(REPOSITORY).parts[:-1][:2]) or "the root"


ROOMS = {room: list(paths) for room, paths in groupby(sorted(files(), key=_room), _room)}


@pytest.mark.parametrize("room", ROOMS)
def test_no_banned_word(room):
    """A reader who did not write the program understands every name and every sentence of a file."""
    found = [str(one) for path in ROOMS[room] for one in find_in(path, WORDS)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("text", "kind", "word"),
    [
        ("next_look", "name", "look"),
        ("look2", "name", "look"),
        ("second2Look", "name", "Look"),
        ("PassReport", "name", "Pass"),
        ("a second pass finds it", "prose", "pass"),
        ("Somebody else holds it.", "prose", "somebody"),
        ("reconciler_stuck_passes", "prose", "passes"),
        ('"last_pass_seconds"', "prose", "pass"),
        ("a lock was not to be had", "prose", "\\bto be had\\b"),
    ],
)
def test_a_banned_word_is_found(text, kind, word):
    """The list is applied to names by their parts and to prose by whole words."""
    found = WORDS.in_name(text) if kind == "name" else WORDS.in_prose(text)
    assert word in [one for one, _ in found]


@pytest.mark.parametrize(
    "text", ["password", "bypass", "sub-net-work", "guesthouse", "internet", "by_password"]
)
def test_longer_words_are_left_alone(text):
    """Only a whole word counts."""
    assert not list(WORDS.in_prose(text))
