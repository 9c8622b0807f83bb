"""What a preview shows is what is applied: the hint, the reviewed file, and the brake."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path

import pytest

from reconciler.engine import report as report_module
from reconciler.engine.page import brake
from reconciler.entrypoints.cli import sweep as sweep_command
from reconciler.entrypoints.cli.preview import PREVIEW_NAMES
from tests.acceptance.cli.conftest import Town
from tests.some_quick import some_quick


def hint_of(text: str) -> list[str]:
    """The arguments of the command that the hint names."""
    (line,) = [line for line in text.splitlines() if line.startswith("To correct the rows: ")]
    program, *arguments = shlex.split(line.removeprefix("To correct the rows: "))
    assert program == "reconciler"
    return arguments


def preview(town: Town, *options: str, name: str = "preview.csv") -> Path:
    """A preview, as it is written to a file."""
    kind = "json" if name.endswith("json") else "csv"
    answer = town.run("sweep", "--format", kind, *options)
    assert (answer.code, answer.err) == (0, "")
    path = town.folder / name
    path.write_text(answer.out, encoding="utf-8")
    return path


def rewrite(path: Path, **changes: str) -> None:
    """Change these cells in every line of a preview."""
    rows = list(csv.DictReader(path.read_text().splitlines()))
    with path.open("w", newline="") as out:
        writer = csv.DictWriter(out, [*rows[0], *(name for name in changes if name not in rows[0])])
        writer.writeheader()
        writer.writerows([{**row, **changes} for row in rows])


def test_the_hint_is_the_same_command(town: Town) -> None:
    """The command that a dry run names corrects what the dry run showed, and no other row."""
    intent = town.pay(1)
    town.pay(2)
    shown = town.run("--config", str(town.config), "sweep", "--payment-intent", intent).out
    arguments = hint_of(shown)
    assert arguments == [
        "--config", str(town.config), "sweep", "--apply", "--payment-intent", intent
    ]  # fmt: skip
    answer = town.run(*arguments)
    assert answer.code == 0
    assert town.statuses() == {"1": "paid", "2": "pending"}
    assert "Written: 1 row, by sweep 1. To undo these corrections: reconciler" in answer.out
    assert "1 outbox row waits" in answer.out
    undo = answer.out.split("To undo these corrections: reconciler ")[1].splitlines()[0]
    assert town.run(*shlex.split(undo)).code == 0
    assert town.statuses() == {"1": "pending", "2": "pending"}


def test_the_hint_keeps_kind_range_and_account(town: Town) -> None:
    """Kind, both ends of the range, the account and the name are in the hint."""
    town.pay(1)
    typed = [
        "--kind",
        "window",
        "--since",
        "3h",
        "--until",
        "1m",
        "--account",
        "default",
        "--by",
        "ana@example.com",
    ]
    assert hint_of(town.run("sweep", *typed).out) == ["sweep", "--apply", *typed]


@pytest.mark.parametrize("name", ["preview.csv", "preview.json"])
def test_a_reviewed_preview_is_applied(town: Town, name: str) -> None:
    """Only the lines of the file are applied, and each carries what a person needs to decide about it."""
    intent, left_out = town.pay(1), town.pay(2)
    path = preview(town, name=name)
    text = path.read_text()
    if name.endswith("csv"):
        rows = list(csv.DictReader(text.splitlines()))
        assert tuple(rows[0]) == PREVIEW_NAMES
        assert all(rows[0][column] for column in PREVIEW_NAMES if column != "reason")
        path.write_text("".join(line for line in text.splitlines(True) if left_out not in line))
    else:
        items = json.loads(text)["items"]
        assert tuple(items[0]) == PREVIEW_NAMES
        path.write_text(json.dumps([one for one in items if one["payment_intent"] == intent]))
    answer = town.run("sweep", "--apply", "--only", str(path), "--json")
    assert (answer.code, answer.json["changed"], answer.json["corrected"]) == (0, 0, 1)
    assert town.statuses() == {"1": "paid", "2": "pending"}


def test_a_line_that_has_changed_is_not_applied(town: Town) -> None:
    """A row that changed since the preview is listed and not written, the others are written: exit 75."""
    changed, _same = town.pay(1), town.pay(2)
    path = preview(town)
    town.shop.execute("UPDATE public.payments SET amount = 999 WHERE id = 1")
    answer = town.run("sweep", "--apply", "--only", str(path))
    assert answer.code == 75
    assert town.statuses() == {"1": "pending", "2": "paid"}
    table = answer.out.split("Changed since the preview, and not written:")[1]
    assert changed in table
    # once more: what was applied agrees now, so it is not as the file says
    assert town.run("sweep", "--apply", "--only", str(path)).code == 75
    assert town.ask("SELECT count(*) FROM reconciler.outbox") == [(1,)]


@some_quick(
    ("changes", "code"),
    [
        ({"to_status": "canceled"}, 75),
        ({"fingerprint": "0" * 64}, 75),
        ({"account": "other"}, 64),
        ({"shell": "x"}, 64),
        ({"decision": "maybe"}, 64),
        ({"fingerprint": "abc"}, 64),
        ({"payment_intent": "ch_1"}, 64),
        ({"to_status": ""}, 64),
        ({"kind": "missing"}, 64),
    ],
    quick=(0, 1, 4, 7),
)
def test_an_edited_file(town: Town, changes: dict[str, str], code: int) -> None:
    """What the file says besides what was previewed is never written; what is no preview ends with 64."""
    town.pay(1)
    path = preview(town)
    rewrite(path, **changes)
    answer = town.run("sweep", "--apply", "--only", str(path))
    assert answer.code == code
    if code == 64:
        assert answer.err.count("\n") == 2
        assert "hint: " in answer.err
        assert answer.out == ""
    assert town.statuses() == {"1": "pending"}


@pytest.mark.parametrize(
    "text", ["", "\n", "account,decision\n", "{", '{"items": 5}', "[]", "[7]", "\x00"]
)
def test_a_file_that_is_no_preview(town: Town, text: str) -> None:
    """An empty or broken file ends with 64. It never means a sweep of everything."""
    town.pay(1)
    path = town.folder / "broken"
    path.write_text(text)
    answer = town.run("sweep", "--apply", "--only", str(path))
    assert (answer.code, answer.out) == (64, "")
    assert town.statuses() == {"1": "pending"}


def test_a_preview_without_lines_applies_nothing(town: Town) -> None:
    """The header alone is no reason to examine every payment."""
    path = preview(town)
    town.pay(1)
    assert town.run("sweep", "--apply", "--only", str(path)).code == 64
    assert town.statuses() == {"1": "pending"}


@pytest.mark.parametrize(
    "options",
    [
        ("--only", "x"),
        ("--yes",),
        ("--apply", "--only", "x", "--since", "1h"),
        ("--apply", "--only", "x", "--kind", "due"),
        ("--apply", "--only", "x", "--payment-intent", "pi_1"),
        ("--apply", "--only", "/nowhere/x"),
    ],
)
def test_options_that_do_not_go_together(town: Town, options: tuple[str, ...]) -> None:
    """--only and --yes belong to --apply, and the file alone says what is examined."""
    assert town.run("sweep", *options).code == 64


def test_a_preview_longer_than_the_report(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """CSV and JSON have every line, also more than the report keeps in memory."""
    monkeypatch.setattr(report_module, "LONGEST_LIST", 2)
    for key in range(5):
        town.pay(key + 1)
    assert len(preview(town).read_text().splitlines()) == 6
    assert len(town.run("sweep", "--json").json["items"]) == 5


@pytest.fixture
def low_brake(town: Town, monkeypatch: pytest.MonkeyPatch) -> Town:
    """A shop with four corrections on pages of their own, whose brake allows two."""
    monkeypatch.setattr(brake, "MOST_CORRECTIONS", 2)
    for key in range(4):
        town.pay(key + 1)
    return town


def test_the_brake(low_brake: Town) -> None:
    """Before a page that would exceed it, a sweep ends with 75, and names the same command with --yes."""
    answer = low_brake.run("sweep", "--apply", "--kind", "due")
    assert answer.code == 75
    assert list(low_brake.statuses().values()).count("paid") <= 2
    hint = answer.err.split("hint: If the corrections are right, run: reconciler ")[1].strip()
    assert shlex.split(hint) == ["sweep", "--apply", "--yes", "--kind", "due"]
    assert low_brake.run(*shlex.split(hint)).code == 0
    assert set(low_brake.statuses().values()) == {"paid"}


def test_a_reviewed_file_has_no_brake(low_brake: Town) -> None:
    """A person has seen each line of the file."""
    path = preview(low_brake)
    assert low_brake.run("sweep", "--apply", "--only", str(path)).code == 0
    assert set(low_brake.statuses().values()) == {"paid"}


@pytest.mark.parametrize(("said", "code"), [("y", 0), ("", 75)])
def test_the_brake_asks_on_a_terminal(
    low_brake: Town, monkeypatch: pytest.MonkeyPatch, said: str, code: int
) -> None:
    """On a terminal the person is asked, and only yes goes on."""
    questions: list[str] = []

    def confirms(_self: object, question: str) -> bool:
        questions.append(question)
        return said == "y"

    monkeypatch.setattr(sweep_command.TerminalRequester, "confirms", confirms)
    assert low_brake.run("sweep", "--apply").code == code
    assert "may the sweep go on?" in questions[0]
    assert (set(low_brake.statuses().values()) == {"paid"}) is (said == "y")
