"""Every link in the repository's pages that stays in the repository leads to something."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.docs.pages import DOCS, REPOSITORY

_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^()\s]+)\)")


def markdown_files() -> list[Path]:
    """The pages that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return [REPOSITORY / name for name in listed if (REPOSITORY / name).is_file()]


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: Counter[str] = Counter()
    names: set[str] = set()
    text = re.sub(
        r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    for heading in re.findall(r"^#{1,6} (.+?) *$", text, re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        names.add(f"{name}-{found[name]}" if found[name] else name)
        found[name] += 1
    return names


def links(path: Path) -> Iterator[str]:
    """The targets of a page's links, without those to other sites."""
    text = _CODE.sub("", path.read_text(encoding="utf-8"))
    for target in _LINK.findall(text):
        if not re.match(r"[a-z]+:", target):
            yield target


def fault_of(path: Path, target: str) -> str | None:
    """Why a link leads nowhere, None if it does not."""
    name, _, anchor = target.partition("#")
    to = (path.parent / name).resolve() if name else path
    if not to.exists():
        return f"{target}: there is no such file"
    if anchor and anchor not in anchors(to):
        return f"{target}: there is no such heading"
    return None


@pytest.mark.parametrize(
    "path", markdown_files(), ids=lambda path: str(path.relative_to(REPOSITORY))
)
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link and every anchor exists."""
    faults = [fault for target in links(path) if (fault := fault_of(path, target))]
    assert not faults, "\n".join(faults)


def test_a_wrong_link_is_found(tmp_path: Path) -> None:
    """A missing file and a missing heading are faults; what is in code is no link."""
    page = tmp_path / "page.md"
    page.write_text(
        "# A `word`, twice\n\n[a](#a-word-twice) [b](#none) [c](gone.md) `[d](no.md)`\n"
    )
    found = [fault_of(page, target) for target in links(page)]
    assert found == [
        None,
        "#none: there is no such heading",
        "gone.md: there is no such file",
    ]


def test_every_page_can_be_found() -> None:
    """The index of the documentation leads to every page."""
    index = DOCS / "README.md"
    reached = {(DOCS / target).resolve() for target in links(index)}
    missing = [path for path in DOCS.rglob("*.md") if path != index and path not in reached]
    assert not missing
