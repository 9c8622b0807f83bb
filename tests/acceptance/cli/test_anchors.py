"""After each sweep that added to the ledger its head is written outside the database, where verify finds it."""

from __future__ import annotations

import json
import os
import select
import threading
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters import head_anchors
from reconciler.adapters.head_anchors import append_line, run_command
from reconciler.clock import SystemClock
from reconciler.errors import AnchorError
from tests.acceptance.cli.conftest import Town

LINE = b'{"account": "default", "seq": 1}\n'
NEVER = threading.Event()


def heads(town: Town) -> list[tuple[Any, ...]]:
    """The stored heads."""
    return town.ask("SELECT account, seq, hash FROM reconciler.ledger_heads")


def test_a_sweep_adds_the_head_to_the_file(town: Town) -> None:
    """Each sweep that added entries adds a line with account, seq, hash and at, and verify --anchor takes the file."""
    file = town.folder / "anchors.jsonl"
    town.configure(f'[ledger]\nanchor_file = "{file}"\n')
    for key in (1, 2):
        town.pay(key)
        assert town.run("sweep", "--apply").code == 0
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [sorted(line) for line in lines] == [["account", "at", "hash", "seq"]] * 2
    assert [(line["account"], line["seq"], line["hash"]) for line in lines[1:]] == heads(town)
    assert file.stat().st_mode & 0o777 == 0o600
    verified = town.run("verify", "--anchor", str(file), "--json").json["accounts"][0]
    assert verified["anchor"]["state"] == "agrees"
    town.shop.execute(
        "SET session_replication_role = replica; ALTER TABLE reconciler.ledger DISABLE TRIGGER USER;"
        "ALTER TABLE reconciler.ledger_heads DISABLE TRIGGER USER;"
        "DELETE FROM reconciler.ledger; DELETE FROM reconciler.ledger_heads"
    )
    assert town.run("verify", "--anchor", str(file)).code == 1


def test_a_dry_run_anchors_nothing(town: Town) -> None:
    """A sweep that writes nothing adds no line."""
    file = town.folder / "anchors.jsonl"
    town.configure(f'[ledger]\nanchor_file = "{file}"\n')
    town.pay(1)
    assert town.run("sweep").code == 0
    assert not file.exists()


def test_an_unwritable_file_is_reported_and_loses_no_sweep(town: Town) -> None:
    """The sweep stays complete with its corrections; standard error and status say what is wrong, until it is right."""
    town.configure(f'[ledger]\nanchor_file = "{town.folder}/missing/anchors.jsonl"\n')
    town.pay(1)
    answer = town.run("sweep", "--apply", "--json")
    assert answer.code == 0
    assert answer.json["accounts"][0]["corrected"] == 1 if "accounts" in answer.json else True
    assert town.statuses() == {"1": "paid"}
    assert "missing/anchors.jsonl" in answer.err
    assert "hint:" in answer.err
    assert "missing/anchors.jsonl" in town.run("status").out
    assert "missing/anchors.jsonl" in town.run("status", "--format", "nagios").out
    town.configure(f'[ledger]\nanchor_file = "{town.folder}/anchors.jsonl"\n')
    town.pay(2)
    assert town.run("sweep", "--apply").code == 0
    assert "missing/anchors.jsonl" not in town.run("status").out


def test_a_command_gets_the_head_without_secrets(town: Town) -> None:
    """The program gets the line as its standard input, its arguments as they are, and no variable with a secret."""
    script = 'cat > "$1"; env >> "$1"; printf %s "$2" >> "$1"'
    out = town.folder / "out"
    command = ["/bin/sh", "-c", script, "sh", str(out), "a b; $HOME `id`"]
    town.configure(f"[ledger]\nanchor_command = {json.dumps(command)}\n")
    town.pay(1)
    assert town.run("sweep", "--apply").code == 0
    line, _, rest = out.read_text().partition("\n")
    fields = json.loads(line)
    assert [(fields["account"], fields["seq"], fields["hash"])] == heads(town)
    assert rest.endswith("a b; $HOME `id`")


@pytest.mark.parametrize("secret", ["STRIPE_API_KEY", "DATABASE_URL", "RECONCILER_X", "PGPASSWORD"])
def test_the_program_gets_no_secret(tmp_path: Path, secret: str) -> None:
    """Variables with Reconciler's secrets are left out; others, such as those of a cloud's tool, stay."""
    out = tmp_path / "out"
    command = ("/bin/sh", "-c", f"env > {out}")
    run_command(command, LINE, {secret: "hidden", "AWS_PROFILE": "audit"}, NEVER)
    assert "hidden" not in out.read_text()
    assert "AWS_PROFILE=audit" in out.read_text()


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("/nowhere/at/all",), "could not be started"),
        (("/bin/sh", "-c", "exit 3"), "exit code 3"),
        (("/bin/sh", "-c", "kill -9 $$"), "exit code -9"),
        (("/bin/echo", "\ud800"), "could not be started"),
    ],
)
def test_a_failing_program_is_an_error(command: tuple[str, ...], why: str) -> None:
    """A program that cannot start or fails is named with the reason."""
    with pytest.raises(AnchorError, match=why):
        run_command(command, LINE, {}, NEVER)


def test_a_program_that_does_not_end_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not hold the sweep for longer than its time, and neither it nor its children live on."""
    monkeypatch.setattr(head_anchors, "LONGEST_SECONDS", 0.3)
    fifo = tmp_path / "pid"
    command = ("/bin/sh", "-c", f"sleep 600 & echo $! > {fifo}; trap '' TERM; wait; sleep 600")
    began = SystemClock().monotonic()
    with pytest.raises(AnchorError, match="killed"):
        run_command(command, LINE, {"PATH": "/usr/bin:/bin"}, NEVER)
    assert SystemClock().monotonic() - began < 5
    assert has_ended(int(fifo.read_text()))


def has_ended(process: int) -> bool:
    """Whether a process ends within a moment: a signal that kills takes effect a little after it was sent."""
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 5)[0])
    finally:
        os.close(handle)


def test_a_program_ends_soon_after_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's end does not wait for a program that hangs."""
    monkeypatch.setattr(head_anchors, "STOP_SECONDS", 0.2)
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(AnchorError, match="killed"):
        run_command(("/bin/sleep", "600"), LINE, {}, stopping)


def test_a_program_that_does_not_read_is_no_fault() -> None:
    """Its exit code decides."""
    run_command(("/bin/true",), LINE * 100, {}, NEVER)


def test_a_torn_line_and_odd_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line begins on a line of its own; a pipe, a folder and a locked file are errors that take no time."""
    monkeypatch.setattr(head_anchors, "LOCK_TRIES", 2)
    clock, file = SystemClock(), tmp_path / "anchors"
    file.write_bytes(b'{"account": "de')
    append_line(file, LINE, clock, NEVER)
    assert file.read_bytes().splitlines()[1] == LINE.rstrip()
    with file.open("rb") as held:
        head_anchors.fcntl.flock(held, head_anchors.fcntl.LOCK_EX)
        with pytest.raises(AnchorError, match="anchors"):
            append_line(file, LINE, clock, NEVER)
    head_anchors.os.mkfifo(tmp_path / "pipe")
    for odd in (tmp_path / "pipe", tmp_path, Path("/dev/null"), Path("/dev/full"), Path("/a\0b")):
        with pytest.raises(AnchorError):
            append_line(odd, LINE, clock, NEVER)


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ('anchor_file = "anchors.jsonl"', "absolute"),
        ("anchor_file = 7", "anchor_file"),
        ('anchor_command = "logger -t ledger"', "anchor_command"),
        ('anchor_command = [""]', "empty"),
        ('anchor_command = ["a\\u0000b"]', "NUL"),
    ],
)
def test_a_wrong_setting_is_a_fault(town: Town, written: str, named: str) -> None:
    """A relative path and a command that is no list are faults of the configuration."""
    town.configure(f"[ledger]\n{written}\n")
    answer = town.run("sweep")
    assert answer.code == 78
    assert named in answer.err
