"""The program as a process: wrong command lines, exit codes, and what is on its streams."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from reconciler.entrypoints.cli.app import run
from tests.acceptance.cli.conftest import REPOSITORY, Town, started

# a command line, and words of its message
WRONG = [
    ((), "Usage: reconciler"),
    (("swep",), "Did you mean 'sweep',"),
    (("sweep", "--aply"), "No such option: --aply"),
    (("sweep", "--kind", "widow"), "'window', 'all'"),
    (("sweep", "--json", "--format", "csv"), "contradict"),
    (("sweep", "--format", "xml"), "--format"),
    (("sweep", "--since", "yesterday"), '--since "yesterday" is not a time'),
    (("sweep", "--since", "2026-01-02", "--until", "2026-01-01"), "is not before"),
    (("sweep", "--payment-intent", "ch_1"), "is a charge's id"),
    (("sweep", "--payment-intent", "pi_1", "--since", "1d"), "cannot be combined"),
    (("sweep", "stray"), "stray"),
    (("sweep", "--config", "x.toml"), "--config must stand before the command"),
    (("--log-level", "loud", "sweep"), "--log-level"),
    (("explain",), "PAYMENT"),
    (("explain", "rk_test_1"), "is a key"),
    (("discrepancies", "--state", "opened"), "--state"),
    (("discrepancies", "--kind", "missing"), "--kind"),
    (("resolve", "1"), "--note"),
    (("resolve", "one", "--note", "x"), "ID"),
    (("revert",), "SWEEP"),
    (("export", "--format", "csv"), "--output"),
    (("sandbox", "--fault", "webhook_lost=0.3"), "webhooks_lost"),
    (("sandbox", "--fault", "webhooks_lost=30"), "a share from 0 to 1"),
    (("sandbox", "--fault", "latency=soon"), "seconds"),
    (("sandbox", "--port", "70000"), "--port"),
    (("discrepancies", "--account", "\ud800"), "not text in UTF-8"),
]


@pytest.mark.parametrize(
    ("arguments", "words"),
    WRONG,
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_usage_errors(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong command line exits with 64, says on standard error what is wrong and what to do, and starts nothing."""
    assert run(arguments, {}) == 64
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert "Traceback" not in captured.err
    if arguments:
        assert captured.err.splitlines()[-1].startswith("hint: ")


@pytest.mark.parametrize(
    "command",
    [
        "sweep",
        "explain pi_1",
        "resolve 1 --note x",
        "revert 1",
        "verify",
        "export",
        "discrepancies",
        "migrate",
    ],
)
def test_nothing_configured(
    command: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: object,
) -> None:
    """Without any configuration a command exits with 78 and says what is missing and what to do."""
    monkeypatch.setattr("reconciler.settings.loading.CANDIDATES", ())
    assert run(command.split(), {}) == 78
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "DATABASE_URL" in captured.err
    assert captured.err.splitlines()[-1].startswith("hint: ")


def test_a_configuration_file_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the file."""
    assert run(("--config", "/nowhere/x.toml", "sweep"), {}) == 78
    assert "--config: there is no file /nowhere/x.toml" in capsys.readouterr().err


def ended(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "reconciler", *arguments],
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--version shows the program's name and version."""
    assert run(("--version",), {}) == 0
    assert re.fullmatch(r"reconciler \S.*\n", capsys.readouterr().out)


def test_h_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    """-h means --help, before and after a command."""
    assert run(("--help",), {}) == 0
    shown = capsys.readouterr().out
    assert "Usage: reconciler" in shown
    assert run(("-h",), {}) == 0
    assert capsys.readouterr().out == shown
    assert run(("sweep", "-h"), {}) == 0


@pytest.mark.long
def test_a_reader_that_ends(town: Town) -> None:
    """If the reader of its output ends (``| head``), the program ends without a message, as SIGPIPE would end it."""
    process = town.start("migrate", "--check")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 141


def test_sandbox_until_interrupted() -> None:
    """The sandbox shows its URL and its keys, answers there, and exits with 0 on SIGTERM."""
    process = started(
        "sandbox", "--port", "0", "--payments", "7", "--fault", "webhooks_lost=0.3", environ={}
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline() + process.stdout.readline()
        url = re.search(r"http://\S+", said)
        assert url is not None, said
        assert "sk_test_sandbox" in said
        request = Request(
            f"{url[0]}/v1/payment_intents", headers={"Authorization": "Bearer sk_test_sandbox"}
        )
        with urlopen(request, timeout=10) as answer:
            assert len(json.load(answer)["data"]) == 7
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, err) == (0, "")


def test_sandbox_on_a_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    """The error names a port that another process uses."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(("sandbox", "--port", str(port)), {}) == 64
    assert str(port) in capsys.readouterr().err


def finished(
    town: Town, *arguments: str, stdout: object = subprocess.PIPE, **environ: str
) -> subprocess.CompletedProcess[bytes]:
    """The program in its own process, with these variables beside the town's."""
    return subprocess.run(
        [sys.executable, "-m", "reconciler", *arguments],
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "error", **town.environ, **environ},
        stdout=stdout,  # type: ignore[call-overload]
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )


ASCII = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}


@pytest.mark.long
@pytest.mark.parametrize(
    "command",
    [
        ("discrepancies", "--json"),
        *(
            pytest.param(command, marks=pytest.mark.long)
            for command in (
                ("discrepancies",),
                ("discrepancies", "--format", "csv"),
                ("export",),
                ("sweep", "--json"),
                ("sweep",),
                ("status", "--json"),
                ("resolve", "--help"),
                ("explain", "für"),
            )
        ),
    ],
)
def test_without_a_utf_8_locale(town: Town, command: tuple[str, ...]) -> None:
    """Where standard output takes ASCII alone, JSON has escapes of its own, and other text has escapes that can be read."""
    town.pay(1, "für 中文 😀")
    town.run("sweep", "--record")
    done = finished(town, *command, **ASCII)
    assert b"Traceback" not in done.stderr, done.stderr
    assert done.returncode == (64 if command[0] == "explain" else 0)
    assert done.stdout.isascii()
    if command == ("discrepancies", "--json"):
        assert json.loads(done.stdout)[0]["local"]["status"] == "für 中文 😀"
    if command == ("discrepancies",):
        assert b"unknown_status" in done.stdout


@pytest.mark.long
@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        pytest.param(("sweep", "--json"), marks=pytest.mark.long),
        pytest.param(("export",), marks=pytest.mark.long),
    ],
)
def test_output_on_a_full_disk(town: Town, command: tuple[str, ...]) -> None:
    """A result that cannot be written is an error that says so, with the exit code for another try."""
    town.pay(1)
    town.run("sweep", "--record")
    with Path("/dev/full").open("w") as full:
        done = finished(town, *command, stdout=full)
    assert done.returncode == 75
    assert b"could not be written" in done.stderr
    assert b"Traceback" not in done.stderr


def test_output_that_is_closed(town: Town) -> None:
    """A program without standard output and error does its work."""
    town.pay(1)
    line = f"{sys.executable} -m reconciler sweep --apply >&- 2>&-"
    done = subprocess.run(
        ["/bin/sh", "-c", line],
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", **town.environ},
        check=False,
        timeout=60,
    )
    assert done.returncode == 0
    assert town.statuses() == {"1": "paid"}
