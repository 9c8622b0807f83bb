"""The README is short, and its quick start is what the test command types."""

from __future__ import annotations

import re

from tests.acceptance.docs.pages import REPOSITORY, sections

README = REPOSITORY / "README.md"
MOST_LINES = 120


def test_it_is_short() -> None:
    """What is longer belongs into the documentation."""
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_the_quick_start_has_two_commands() -> None:
    """Two examples of one command line each: the demonstration, and the tests."""
    examples = re.findall(
        r"^```sh\n(.*?)^```",
        sections(README.read_text(encoding="utf-8"))["Quick start"],
        re.DOTALL | re.MULTILINE,
    )
    assert [example.count("\n") for example in examples] == [1, 1]
    demo, tests = examples
    assert demo.endswith("reconciler demo\n")
    assert "pytest" in tests


def test_the_quick_start_has_the_only_shell_examples() -> None:
    """No example of a shell stands before it, so that its commands are the first and the second of the page."""
    text = README.read_text(encoding="utf-8")
    assert text.count("```sh\n") == 2
