"""Pages of the documentation, and the generated blocks in them.

A block stands between two comments. The generator replaces what is between them; everything else is written by hand::

    <!-- generated: metrics -->
    ...
    <!-- end of generated -->

In a generated table the last columns may be written by hand too: the generator keeps their cells, row by row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[3]
DOCS: Final = REPOSITORY / "docs"
UNWRITTEN: Final = "(not written yet)"
"""What a new row of a generated table has in a column that is written by hand."""

_BLOCK: Final = re.compile(
    r"(?P<begin><!-- generated: (?P<name>[^\n]+?) -->\n)(?P<body>.*?)(?P<end><!-- end of generated -->\n)",
    re.DOTALL,
)

Block = Callable[[str], str]
"""Makes a block from what the page has there now."""


def block_names(text: str) -> list[str]:
    """The names of a page's generated blocks, in their order."""
    return [found["name"] for found in _BLOCK.finditer(text)]


def regenerated(text: str, blocks: dict[str, Block]) -> str:
    """The page with each of its blocks made anew. A block that ``blocks`` does not name stays as it is."""

    def replaced(found: re.Match[str]) -> str:
        make = blocks.get(found["name"])
        if make is None:
            return found[0]
        return f"{found['begin']}\n{make(found['body']).strip()}\n\n{found['end']}"

    return _BLOCK.sub(replaced, text)


def table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], old: str = "", *, by_hand: int = 0
) -> str:
    """A table in Markdown. The cells of its last ``by_hand`` columns come from ``old``, by the row's first cell."""
    kept = {cells[0]: cells[len(cells) - by_hand :] for cells in _cells(old)} if by_hand else {}
    lines = [titles, ["---"] * len(titles)]
    for row in rows:
        first = _escaped(row[0])
        lines.append([*map(_escaped, row), *kept.get(first, [UNWRITTEN] * by_hand)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(text: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])]
        for line in text.splitlines()
        if line.startswith("| ")
    ]


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def sections(text: str, level: int = 2) -> dict[str, str]:
    """The text below each heading of a level, by the heading."""
    parts = re.split(rf"^{'#' * level} (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
