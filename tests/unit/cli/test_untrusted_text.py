"""Text of the merchant's columns shows no secret, and controls neither a terminal nor a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.entrypoints.cli import output
from reconciler.entrypoints.cli.output import OutputColumn
from reconciler.errors import UsageError

KEY = "sk_live_51HxQb2eZvKYlo2C"
CLIENT_SECRET = "pi_3Mt_secret_YrKJUKribcBjcG8HVhfZluoGH"
EVIL = "\x1b]0;owned\x07\x9b2J\u202epaid\u2066\r\n"
CELL = 2000
COLUMNS = (
    OutputColumn[str]("status", lambda row: row),
    OutputColumn[str]("payment", lambda row: f"p{len(row)}"),
)


class AsciiOut(io.TextIOWrapper):
    """Standard output as it is without a UTF-8 locale."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="ascii", write_through=True)

    def text(self) -> str:
        return self.buffer.getvalue().decode("ascii")  # type: ignore[attr-defined,no-any-return]


def is_safe(text: str) -> bool:
    """Only line feeds are no printable characters."""
    return all(char.isprintable() or char == "\n" for char in text)


def as_csv(value: object, *, whole: bool = False) -> str:
    out = io.StringIO()
    output.write_csv(("a", "b"), [{"a": value, "b": "x"}], out, whole=whole)
    return out.getvalue()


def test_nothing_shown_has_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    """A key or a client secret is masked in tables, pairs, lines, JSON, CSV and errors."""
    for secret in (KEY, CLIENT_SECRET):
        output.write_table(COLUMNS, [secret])
        output.write_pairs([("status", secret)])
        output.write_line(f"the row says {secret}")
        output.write_json({"status": secret, secret: [secret]})
        output.write_json_array([{"status": secret}])
        output.warn(secret)
        output.warn_of_error(UsageError(f"{secret} broke.", f"Look at {secret}."))
        shown = "".join(capsys.readouterr()) + as_csv(secret) + as_csv({"status": secret})
        assert secret not in shown
        assert shown.count("***") == 12


def test_a_secret_at_the_end_of_a_cell_is_masked(capsys: pytest.CaptureFixture[str]) -> None:
    """A secret is masked before a cell is shortened, so that no part of it is left."""
    for length in range(CELL - 60, CELL, 7):
        text = "x" * length + " " + KEY
        output.write_table(COLUMNS, [text])
        output.write_pairs([("status", text)])
        shown = capsys.readouterr().out + as_csv(text)
        assert KEY[:12] not in shown.replace("sk_live_***", "")


def test_nothing_shown_controls_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """C0, C1 and marks of direction are escaped in tables, pairs, lines, errors and JSON."""
    output.write_table(COLUMNS, [EVIL])
    output.write_pairs([("status", EVIL)])
    output.write_line(EVIL)
    output.write_json({"status": EVIL})
    output.warn(EVIL)
    captured = capsys.readouterr()
    assert is_safe(captured.out + captured.err)
    assert r"\x1b]0;owned" in captured.out
    (written,) = [line for line in captured.out.splitlines() if line.startswith("{")]
    assert json.loads(written) == {"status": EVIL}


@given(st.text(st.characters()))
def test_any_text_in_json_is_read_back(text: str) -> None:
    """A program reads the value that it had, unless it held a secret."""
    assert json.loads(output.json_text([text])) == [text]


@pytest.mark.parametrize("start", list("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"))
def test_a_cell_that_a_spreadsheet_would_run(start: str) -> None:
    """Such a cell gets an apostrophe, also if it begins with a full-width sign."""
    [row] = list(csv.DictReader(io.StringIO(as_csv(f"{start}cmd|' /C calc'!A0"), newline="")))
    assert row["a"] == f"'{start}cmd|' /C calc'!A0"
    assert as_csv(-5).splitlines()[1] == "-5,x"


@pytest.mark.parametrize("text", ["a\rb", "a\nb", "a\r\nb", 'a\r"b"'])
def test_line_ends_in_a_cell_are_quoted(text: str) -> None:
    """A carriage return or line feed stays in its cell, so that no text begins a line of its own."""
    written = as_csv(text)
    assert f'"{text.replace(chr(34), chr(34) * 2)}"' in written
    [row] = list(csv.DictReader(io.StringIO(written, newline="")))
    assert row == {"a": text, "b": "x"}


def test_other_control_characters_in_a_cell_are_escaped() -> None:
    """A file that is shown on a terminal controls nothing but its own line ends."""
    written = as_csv("\x1b[31m\x9b\u202e") + as_csv({"status": "\x9b\u202e"})
    assert is_safe(written)


def test_a_cell_has_at_most_2_kb(capsys: pytest.CaptureFixture[str]) -> None:
    """A status of a megabyte is cut, says how long it was, and leaves the other lines as narrow as they were."""
    for text in ("x" * 1_000_000, "☎" * 400_000, "\x9b" * 1_000_000):
        output.write_table(COLUMNS, [text, *["paid"] * 100])
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 102
        assert len(lines[1].encode()) <= CELL + 20
        assert f"({len(text):,} characters)" in lines[1]
        assert max(len(line) for line in [lines[0], *lines[2:]]) <= 280

        output.write_pairs([("status", text)])
        assert len(capsys.readouterr().out.encode()) <= CELL + 20
        assert len(as_csv(text).splitlines()[1].encode()) <= CELL + 20
        assert len(as_csv({"status": text}).splitlines()[1].encode()) <= 3 * CELL
    assert len(as_csv("x" * 10_000, whole=True)) > 10_000


def test_a_line_is_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    """A message with a megabyte of a row's text does not fill the terminal."""
    output.warn("x" * 1_000_000)
    output.write_line("x" * 1_000_000)
    captured = capsys.readouterr()
    assert len(captured.out) < 10_000
    assert len(captured.err) < 10_000


def test_json_without_a_utf_8_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON on a standard output that takes ASCII alone is the same JSON, with escapes."""
    out = AsciiOut()
    monkeypatch.setattr("sys.stdout", out)
    output.write_json({"note": "für 中文 😀"})
    output.write_json_array([{"note": "für"}])
    first, *rest = out.text().splitlines()
    assert json.loads(first) == {"note": "für 中文 😀"}
    assert json.loads("\n".join(rest)) == [{"note": "für"}]


def test_a_name_in_the_configuration(tmp_path: Path) -> None:
    """A path with control characters is shown as text."""
    assert output.clean(str(tmp_path / "a\x1b[0m")).endswith("a\\x1b[0m")
