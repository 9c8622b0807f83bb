"""How the program behaves at a terminal: completion, quiet and verbose, the pager, and the configuration it runs with."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.entrypoints.cli import pager
from reconciler.entrypoints.cli.app import run
from reconciler.settings import load
from tests.acceptance.cli.conftest import CONFIGURATION, Town
from tests.acceptance.configured_shop import REPOSITORY
from tests.some_quick import some_quick


class Terminal(io.StringIO):
    """A terminal in memory."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.long
def test_bash_completes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The script that completion prints works in the bash that is installed: it completes an option of a command."""
    assert run(("completion", "bash"), {}) == 0
    script = (
        f"{capsys.readouterr().out}\n"
        "COMP_WORDS=(reconciler sweep --pay) COMP_CWORD=2\n"
        f"mkdir -p {tmp_path}/bin; printf '#!/bin/sh\\nexec {sys.executable} -m reconciler \"$@\"\\n' > {tmp_path}/bin/reconciler\n"
        f"chmod +x {tmp_path}/bin/reconciler; PATH={tmp_path}/bin:$PATH\n"
        '_reconciler_completion reconciler; printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "--payment-intent\n", done.stderr


@pytest.mark.parametrize(
    ("shell", "word"), [("zsh", "#compdef reconciler"), ("fish", "complete --")]
)
def test_other_shells(shell: str, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """zsh and fish get scripts of their own."""
    assert run(("completion", shell), {}) == 0
    assert word in capsys.readouterr().out


def test_quiet_and_verbose(town: Town) -> None:
    """--quiet leaves errors only, --verbose adds the log of each page; they contradict each other."""
    town.pay(1)
    assert '"event": "sweep.' not in town.run("sweep").err
    loud = town.run("--verbose", "sweep", "--apply")
    quiet = town.run("--quiet", "sweep")
    assert (quiet.code, quiet.err) == (0, "")
    assert loud.code == 0
    both = town.run("--quiet", "--verbose", "sweep")
    assert both.code == 64
    assert "contradict" in both.err
    failed = town.run("--quiet", "sweep", DATABASE_URL="postgresql://127.0.0.1:9/x")
    assert failed.code == 75
    assert "hint: " in failed.err


def test_quiet_says_nothing_of_what_was_written(town: Town) -> None:
    """A job that writes files or migrates says nothing, so that mail of cron means trouble."""
    town.pay(1)
    assert town.run("--quiet", "sweep", "--apply").err == ""
    folder, sample = str(town.folder / "export"), str(town.folder / "sample.json")
    for command in (
        ("export", "--format", "csv", "--output", folder),
        ("export", "--sample", "1", "--seed", "1", "--from", "2020-01-01", "--to", "2030-01-01", "--output", sample),
        ("migrate",),
        ("statement", "--from", "2020-01-01", "--to", "2020-01-02"),
    ):  # fmt: skip
        assert town.run("--quiet", *command).err == "", command
    assert town.run("export", "--format", "csv", "--output", folder).err != ""


def test_where_each_value_comes_from(town: Town, tmp_path: Path) -> None:
    """File, environment, credential or default; a secret is never shown, and the key is that of the reference."""
    town.configure(text=CONFIGURATION, more='[corrections]\nmode = "update"\n')
    (tmp_path / "signing_secret").write_text("whsec_" + "a" * 40)
    answer = town.run(
        "config",
        "show",
        "--json",
        RECONCILER_BUDGET__SHARE="0.25",
        CREDENTIALS_DIRECTORY=str(tmp_path),
    )
    found = {one["key"]: one for one in answer.json}
    town.run("config", "show")
    assert found["corrections.mode"] == {
        "key": "corrections.mode",
        "value": "update",
        "source": "file",
        "from": str(town.config),
    }
    share = found["budget.share"]
    assert (share["value"], share["source"]) == ("0.25", "environment")
    assert share["from"] == "RECONCILER_BUDGET__SHARE"
    assert found["service.tail"]["source"] == "default"
    assert found["payments.read.paid"]["value"] == "succeeded"
    assert found["database.url"]["value"] == "***"
    assert found["database.url"]["from"] == "DATABASE_URL"
    assert (found["stripe key"]["value"], found["stripe key"]["source"]) == ("***", "environment")
    assert found["signing secret"]["source"] == "credential"
    assert load(town.config, town.environ).corrections.mode == found["corrections.mode"]["value"]


def test_a_long_list_is_paged(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is longer than the terminal goes to the pager, without colours that it would show as codes."""
    shown: list[str] = []
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setenv("LINES", "10")
    monkeypatch.setattr("rich.pager.SystemPager.show", lambda _, text: shown.append(text))
    for environ, expected in (({}, "critical\n"), ({"LESS": "-FRX"}, "\x1b[31mcritical\x1b[0m\n")):
        with pager.paged(environ):
            sys.stdout.write("\x1b[31mcritical\x1b[0m\n" * 11)
        assert shown.pop() == expected * 11
    with pager.paged({}):
        sys.stdout.write("short\n")
    with pager.paged({"PAGER": "cat"}):
        sys.stdout.write("long\n" * 11)
    assert shown == []
    assert terminal.getvalue() == "short\n" + "long\n" * 11


@some_quick("command", [("config", "show"), ("sweeps",), ("doctor",)], quick=1)
def test_a_long_answer_is_paged(
    town: Town, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """The configuration, the sweeps and the doctor's checks are longer than many terminals."""
    town.pay(1)
    assert town.run("sweep", "--apply").code == 0
    shown: list[str] = []
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setenv("LINES", "2")
    monkeypatch.setattr("rich.pager.SystemPager.show", lambda _, text: shown.append(text))
    run(command, town.environ)
    assert len(shown) == 1
    assert terminal.getvalue() == ""


def test_a_pipe_has_no_pager(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pipe the text is written as it comes."""
    pipe = io.StringIO()
    monkeypatch.setattr("sys.stdout", pipe)
    with pager.paged({}):
        sys.stdout.write("line\n" * 1000)
        assert len(pipe.getvalue()) == 5000
