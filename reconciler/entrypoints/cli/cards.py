"""A table on a terminal that is too narrow for it: each row becomes a card, with a line for each value."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

_NARROWEST: Final = 8
"""The least room for a value. On a narrower terminal the terminal itself has to break the line."""


def card_lines(
    titles: Sequence[str], rows: Sequence[Sequence[str]], width: int, indent: int
) -> Iterator[str]:
    """The lines of all cards. A value is broken between words only, so that an id can be copied."""
    title_width = max(map(len, titles), default=0)
    margin = " " * indent
    for number, cells in enumerate(rows):
        if number:
            yield ""
        for title, cell in zip(titles, cells, strict=True):
            if not cell:
                continue
            head = f"{margin}{title.ljust(title_width)}  "
            yield from _wrapped(head, cell, width)


def _wrapped(head: str, cell: str, width: int) -> Iterator[str]:
    room = width - len(head)
    # an id that does not fit beside its title stands on a line of its own
    longest_word = max((len(word) for word in cell.split()), default=0)
    if longest_word > room and len(cell) > room:
        yield head.rstrip()
        head, room = "  ", width - 2
    lines = textwrap.wrap(
        cell, max(room, _NARROWEST), break_long_words=False, break_on_hyphens=False
    )
    for number, line in enumerate(lines or [""]):
        yield (head if number == 0 else " " * len(head)) + line
