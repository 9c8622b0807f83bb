"""Output: whole ids, plain text in a pipe, and no data that controls a terminal or a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.findings.discrepancy import Kind
from reconciler.domain.money import Money
from reconciler.engine.account import NO_SCHEMA
from reconciler.entrypoints.cli import output
from reconciler.entrypoints.cli.cards import card_lines
from reconciler.entrypoints.cli.output import OutputColumn
from reconciler.errors import ConfigurationError, ConfigurationFault, UsageError

LONG = "pi_" + "x" * 200
COLUMNS = (
    OutputColumn[tuple[str, int]]("id", lambda row: row[0]),
    OutputColumn[tuple[str, int]]("count", lambda row: f"{row[1]:,}", right=True),
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_table_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe a table is plain lines with aligned columns, and no id is cut off."""
    output.write_table(COLUMNS, [(LONG, 3), ("pi_1", 12_345)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ID", "COUNT"]
    assert lines[1] == f"{LONG}       3"
    assert lines[2].startswith("pi_1 ")
    assert len({len(line) for line in lines}) == 1


def test_a_narrow_terminal_keeps_ids_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the terminal is too narrow, each row becomes a card; its id stands whole on a line of its own."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "40")
    output.write_table(COLUMNS, [(LONG, 3), ("pi_1", 4)])
    assert terminal.getvalue() == f"id\n  {LONG}\ncount  3\n\nid     pi_1\ncount  4\n"


@pytest.mark.parametrize("width", [20, 50, 80])
def test_cards_break_between_words_only(width: int) -> None:
    """On any width a card keeps every word whole, and no line is longer than the terminal if its words fit."""
    text = "Its Checkout Session is open until tomorrow-noon."
    lines = list(card_lines(("payment", "reason"), [("7", text)], width, 0))
    assert " ".join(" ".join(lines[1:]).split()) == f"reason {text}"
    assert all(len(line) <= width for line in lines)


def test_a_wide_terminal_gets_a_drawn_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """If it just fits, the table is drawn, and no id is wrapped or cut off."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(len(LONG) + len("count") + 6))
    output.write_table(COLUMNS, [(LONG, 3)])
    assert "─" in terminal.getvalue()
    assert LONG in terminal.getvalue()


def test_markup_is_shown_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that looks like rich's markup is shown as it is."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "100")
    output.write_table(COLUMNS, [("[red]x[/red]", 1)])
    assert "[red]x[/red]" in terminal.getvalue()


@given(st.text())
def test_clean_escapes_control_characters(text: str) -> None:
    """A control character in data from Stripe or the database never gets to the terminal."""
    assert output.clean(text).isprintable()


def test_clean_keeps_letters() -> None:
    """Letters of every language stay as they are."""
    assert output.clean("Zahlung für 中文 ✓") == "Zahlung für 中文 ✓"
    assert output.clean("a\x1b[31mb\n") == "a\\x1b[31mb\\x0a"


@pytest.mark.parametrize(
    ("money", "shown"),
    [
        (Money(1_234_567, "eur"), "12,345.67 EUR"),
        (Money(5, "usd"), "0.05 USD"),
        (Money(1_234_567, "jpy"), "1,234,567 JPY"),
        (Money(1_234_567, "kwd"), "1,234.567 KWD"),
        (Money(0, "eur"), "0.00 EUR"),
        (Money(9_007_199_254_740_993, "eur"), "90,071,992,547,409.93 EUR"),
    ],
)
def test_an_amount_is_shown_in_its_major_unit(money: Money, shown: str) -> None:
    """An amount is exact, with as many decimals as its currency has."""
    assert output.money_text(money) == shown


def test_values_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A time is RFC 3339 in UTC, an enum is its value, and letters of other languages stay readable."""
    output.write_json(
        {"at": datetime(2026, 11, 2, tzinfo=UTC), "kind": Kind.OVERDUE, "note": "für"}
    )
    text = capsys.readouterr().out
    assert text.count("\n") == 1
    assert "für" in text
    assert json.loads(text)["at"] == "2026-11-02T00:00:00.000000Z"
    assert json.loads(text)["kind"] == "overdue"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_json_array(capsys: pytest.CaptureFixture[str], count: int) -> None:
    """A list is one array, also if it is empty."""
    output.write_json_array({"n": number} for number in range(count))
    assert json.loads(capsys.readouterr().out) == [{"n": number} for number in range(count)]


def test_cells_of_csv() -> None:
    """A cell that a spreadsheet would run gets an apostrophe; numbers, times and objects each have one format."""
    out = io.StringIO()
    row = {
        "a": '=HYPERLINK("x")',
        "b": None,
        "c": 5,
        "d": {"k": [1]},
        "e": True,
        "f": "-1",
        "g": "a,\nb",
    }
    row |= {"h": datetime(2026, 11, 2, tzinfo=UTC), "i": Kind.OVERDUE}
    assert output.write_csv(tuple(row), [row], out) == 1
    (found,) = csv.DictReader(io.StringIO(out.getvalue()))
    assert found == {
        "a": '\'=HYPERLINK("x")',
        "b": "",
        "c": "5",
        "d": '{"k": [1]}',
        "e": "true",
        "f": "'-1",
        "g": "a,\nb",
        "h": "2026-11-02T00:00:00.000000Z",
        "i": "overdue",
    }


def test_an_error_ends_with_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    """An error on standard error is what failed, and on a line of its own what to do."""
    output.warn_of_error(UsageError("This broke.", "Do that."))
    output.warn_of_error(UsageError("No hint helps."), "account eu")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "reconciler: This broke.",
        "hint: Do that.",
        "reconciler: account eu: No hint helps.",
    ]


def test_one_fault_of_a_configuration_is_one_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A fault without a hint of its own is answered with the command that checks the configuration."""
    output.warn_of_error(ConfigurationError((ConfigurationFault("x is missing.", "Set x."),)))
    output.warn_of_error(ConfigurationError(("No column y. Run: ALTER TABLE t ADD y text",)))
    output.warn_of_error(ConfigurationError(("z is wrong.",)))
    assert capsys.readouterr().err.splitlines() == [
        "reconciler: x is missing.",
        "hint: Set x.",
        "reconciler: No column y.",
        "hint: Run: ALTER TABLE t ADD y text",
        "reconciler: z is wrong.",
        "hint: Correct the configuration, and check it with: reconciler doctor",
    ]


def test_several_faults_of_a_configuration_are_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    """Each fault has a line, and its hint below it; a secret in one is masked."""
    faults = (
        ConfigurationFault("one", "Do one."),
        ConfigurationFault("two sk_live_51HxQb2eZvKYlo2C"),
    )
    output.warn_of_error(ConfigurationError(faults), "account eu")
    assert capsys.readouterr().err.splitlines() == [
        "reconciler: account eu: the configuration has 2 faults:",
        "  one",
        "    hint: Do one.",
        "  two sk_live_***",
        "hint: Correct the configuration, and check it with: reconciler doctor",
    ]


def test_a_missing_schema_is_answered_with_migrate(capsys: pytest.CaptureFixture[str]) -> None:
    """A sweep that writes and finds no schema names the command that creates it, not the configuration."""
    output.warn_of_error(ConfigurationError((NO_SCHEMA,)))
    _, hint = capsys.readouterr().err.splitlines()
    assert hint.startswith("hint: Run: reconciler migrate --daemon-role ROLE")
