"""Finds banned words: in names, split at ``_`` and at capitals, and in prose."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
LIST = Path(__file__).with_name("banned_words.toml")
PROSE = {".md", ".toml", ".yml", ".json", ".sql", ".service", ".timer", ".conf", ".txt"}
EXEMPT = (
    "LICENSE",
    "CHANGELOG.md",  # names what was renamed
    "constraints.txt",
    "requirements.lock",
    "tests/unit/words/",
    *(f"reconciler/adapters/postgres/migrations/000{number}_" for number in range(1, 9)),
)
PROSE_TOKENS = {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", None)}
"""From Python 3.12 on, the text of an f-string is a token of its own."""
WORD = re.compile(r"[^\W\d_]+")
NAME = re.compile(r"[^\W\d]\w*")
PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
"""The words in a name."""
ALLOWED = re.compile(r"banned-words: allowed")
"""A line with this remark is left alone; it says why."""


@dataclass(frozen=True)
class Found:
    """A banned word at a place, and what to say instead."""

    path: str
    line: int
    word: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.word!r}: say {self.instead}"


class BannedWords:
    """The list, ready to be looked up."""

    def __init__(self, path: Path = LIST) -> None:
        listed = tomllib.loads(path.read_text(encoding="utf-8"))
        self.everywhere: dict[str, str] = listed["everywhere"]
        self.names: dict[str, str] = {**listed["everywhere"], **listed["names"]}
        self.prose = [
            *((re.compile(rf"(?<![\w.-]){word}(?![\w-])", re.IGNORECASE), word, instead)
              for word, instead in self.everywhere.items()),
            *((re.compile(text, re.IGNORECASE), text, instead)
              for text, instead in listed["prose"].items()),
        ]  # fmt: skip
        # a search that begins with letters is thirty times as fast as one that begins with a boundary
        self._phrases = [
            (re.compile(text.removeprefix(r"\b").removeprefix(r"(?<![\w-])")), re.compile(text))
            for text in listed["prose"]
        ]

    def may_be_in(self, text: str) -> bool:
        """Whether a closer look at a file is worth its time. Most files hold no banned word at all."""
        parts = {part.lower() for name in set(NAME.findall(text)) for part in PARTS.findall(name)}
        return not self.names.keys().isdisjoint(parts) or self._may_be_in_prose(text)

    def _may_be_in_prose(self, text: str) -> bool:
        lowered = text.lower()
        return not self.everywhere.keys().isdisjoint(WORD.findall(lowered)) or any(
            begun.search(lowered) and whole.search(lowered) for begun, whole in self._phrases
        )

    def in_name(self, name: str) -> Iterator[tuple[str, str]]:
        """The banned parts of an identifier."""
        for part in PARTS.findall(name):
            if instead := self.names.get(part.lower()):
                yield part, instead

    def in_prose(self, text: str) -> Iterator[tuple[str, str]]:
        """The banned words and phrases of a line, also as a part of a word such as ``stuck_passes``."""
        if self._may_be_in_prose(text):
            for pattern, word, instead in self.prose:
                if pattern.search(text):
                    yield word, instead
        for part in re.findall(r"[^\W_]+", " ".join(re.findall(r"\w*_\w*", text))):
            if instead := self.everywhere.get(part.lower()):
                yield part, instead


def find_in(path: Path, words: BannedWords) -> Iterator[Found]:
    """Every banned word of one file."""
    name = str(path.relative_to(REPOSITORY))
    for part, instead in words.in_name(path.stem):
        yield Found(name, 0, part, instead)
    text = path.read_text(encoding="utf-8")
    if not words.may_be_in(text):
        return
    lines = text.splitlines()
    for number, kind, piece in _pieces(path, text):
        if 0 < number <= len(lines) and ALLOWED.search(lines[number - 1]):
            continue
        found = words.in_name(piece) if kind == "name" else words.in_prose(piece)
        for word, instead in found:
            yield Found(name, number, word, instead)


def _pieces(path: Path, text: str) -> Iterator[tuple[int, str, str]]:
    if path.suffix != ".py":
        for number, line in enumerate(text.splitlines(), 1):
            yield number, "prose", line
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME and token.string != "pass":
            yield token.start[0], "name", token.string
        elif token.type in PROSE_TOKENS:
            for offset, line in enumerate(token.string.splitlines()):
                yield token.start[0] + offset, "prose", line


def files() -> list[Path]:
    """What git tracks or would track, as far as a person reads it."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return [
        REPOSITORY / name
        for name in listed
        if (REPOSITORY / name).is_file()
        and not name.startswith(EXEMPT)
        and (name.endswith(".py") or Path(name).suffix in PROSE)
    ]


if __name__ == "__main__":
    for one in files():
        if str(one.relative_to(REPOSITORY)).startswith(tuple(sys.argv[1:]) or ("",)):
            for hit in find_in(one, BannedWords()):
                sys.stdout.write(f"{hit}\n")
