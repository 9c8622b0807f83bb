"""What a value of the configuration raises if it is not valid, and the nearest word to suggest instead."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final

LONGEST_WORD: Final = 100


class InvalidValueError(ValueError):
    """A value is not valid: ``what`` says why, ``hint`` says what to write. pydantic collects these."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(f"{what} {hint}".strip())
        self.what = what
        self.hint = hint


def nearest(word: str, known: tuple[str, ...]) -> str | None:
    """The known word that is most like this one, None if none is like it."""
    # the comparison of a very long text takes long, and finds nothing
    if len(word) > LONGEST_WORD:
        return None
    found = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return found[0] if found else None


def suggestion(word: str, known: tuple[str, ...]) -> str:
    """A hint: ``Did you mean "x"?`` if a known word is like this one, else every known word."""
    near = nearest(word, known)
    return f'Did you mean "{near}"?' if near else f"The possible ones are: {', '.join(known)}."
