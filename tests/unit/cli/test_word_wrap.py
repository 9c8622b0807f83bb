"""A long line is broken between words, and a broken command is still one command."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.entrypoints.cli import commands
from reconciler.entrypoints.cli.word_wrap import COMMANDS, wrapped

INTENT = "pi_3mog3aTMOL2M3CUj00000001"


def test_prose() -> None:
    """Further lines are indented, and no word is broken."""
    text = "  warning: the last complete tail sweep was 3 h ago"
    assert list(wrapped(text, 30)) == ["  warning: the last complete", "    tail sweep was 3 h ago"]
    assert list(wrapped(text, 80)) == [text]


def test_a_label_keeps_its_column() -> None:
    """The text behind a label goes on in its own column, if that has room; else below the label."""
    text = "ok           Stripe, account default: the key may read balance transactions"
    assert list(wrapped(text, 60)) == [
        "ok           Stripe, account default: the key may read",
        "             balance transactions",
    ]
    assert list(wrapped(text, 40)) == [
        "ok",
        "  Stripe, account default: the key may",
        "  read balance transactions",
    ]
    hint = "             hint: Set payments.link_metadata, so that a sweep sees it."
    assert list(wrapped(hint, 50))[1] == "               that a sweep sees it."


@pytest.mark.parametrize("width", [30, 50, 79, 80])
def test_a_command_stays_one_command(width: int) -> None:
    """A shell reads the broken lines as the same words: a part of it must never run alone."""
    command = f"reconciler sweep --apply --payment-intent {INTENT} --account eu"
    lines = list(wrapped(f"To correct the rows: {command}", width))
    shown = "\n".join(lines)
    pasted = shown[shown.index("reconciler ") :]
    assert shlex.split(pasted.replace("\\\n", " ")) == command.split()
    assert all(line.endswith(" \\") for line in pasted.splitlines()[:-1])
    assert len(lines) == (1 if width > 100 else len(lines))
    assert all(len(line) <= max(width, len(INTENT) + 4) for line in lines)


def test_a_sentence_about_the_schema_is_no_command() -> None:
    """Only the program's commands follow its name in a command."""
    lines = list(
        wrapped("The schema reconciler does not exist, or this role may not write to it.", 40)
    )
    assert not any(line.endswith("\\") for line in lines)


def test_a_sentence_behind_a_command_is_prose() -> None:
    """Only the lines of the command end with a backslash."""
    text = "hint: Run: reconciler migrate --daemon-role ROLE. A dry run works without this step."
    assert list(wrapped(text, 36)) == [
        "hint: Run: reconciler migrate \\",
        "  --daemon-role ROLE. A dry run",
        "  works without this step.",
    ]


def test_every_command_is_known() -> None:
    """A command that is missing in the list would be broken without a backslash."""
    assert commands.COMMANDS.keys() <= set(COMMANDS)


@given(st.text(alphabet="ab -\\", max_size=80), st.integers(1, 60))
def test_no_word_is_lost(text: str, width: int) -> None:
    """For any text and width, the words are the same and in order."""
    assert " ".join(wrapped(text, width)).split() == text.split()
