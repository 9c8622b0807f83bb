"""``reconciler help KIND``: every kind, reason and cause in plain words."""

from __future__ import annotations

import pytest

from reconciler.domain.findings.discrepancy import Cause, Kind, Reason
from reconciler.entrypoints.cli.app import run
from reconciler.entrypoints.explained_kinds import TEXT
from tests.acceptance.configured_shop import REPOSITORY


@pytest.mark.parametrize("name", [*Kind, *Reason, *Cause])
def test_each_kind_reason_and_cause_is_explained(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The text begins with the name, has a second paragraph, and no signs of Markdown."""
    assert run(("help", name.value), {}) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{name.value}: ")
    assert len(text.split("\n\n")) > 2
    assert not any(sign in text for sign in ("`", "](", "| ", "**"))


def test_a_name_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """A near name is proposed; every name is listed without one."""
    assert run(("help", "exhuasted"), {}) == 64
    assert "Did you mean exhausted?" in capsys.readouterr().err
    assert run(("help",), {}) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in ("capture_expiring", "reverted", "nothing_pending"))


def test_the_text_is_that_of_the_documentation() -> None:
    """The installed text is the page of the reference, which the generator copies."""
    page = REPOSITORY / "docs" / "reference" / "kinds-and-reasons.md"
    assert TEXT.read_bytes() == page.read_bytes()
