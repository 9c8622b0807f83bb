"""``files`` and ``systemd``: what comes with the program reaches the machine that it is installed on."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from reconciler import shipped_files
from reconciler.entrypoints.cli import systemd
from reconciler.entrypoints.cli.app import run
from reconciler.entrypoints.cli.files import about, shipped_name
from reconciler.errors import UsageError
from reconciler.shipped_files import shipped_names, shipped_text

REPOSITORY = Path(__file__).parents[3]
PREFIX = "/srv/program"


@pytest.fixture(autouse=True)
def _below_srv(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program runs from a folder that a service can see, with the system's Python."""
    monkeypatch.setattr(sys, "prefix", PREFIX)
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3.11")


def test_every_file_is_listed_with_what_it_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    """``files`` lists every file of config/ and systemd/, each with what it is for."""
    expected = {
        path.relative_to(REPOSITORY).as_posix()
        for folder in ("config", "systemd")
        for path in (REPOSITORY / folder).rglob("*")
        if path.is_file()
    }
    assert set(shipped_names()) == expected
    assert run(["files"], {}) == 0
    shown = capsys.readouterr().out
    for name in expected:
        assert f"{about(name)}" in next(line for line in shown.splitlines() if name in line)


def test_a_file_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """``files NAME`` prints the file byte by byte; the last part of its name is enough."""
    assert run(["files", "reconciler.rules.yml"], {}) == 0
    text = (REPOSITORY / "config/prometheus/reconciler.rules.yml").read_text(encoding="utf-8")
    assert capsys.readouterr().out == text


@pytest.mark.parametrize("name", ["nothing.toml", "", "../pyproject.toml", "/etc/passwd"])
def test_a_name_of_no_file_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is none of the files' ends with 64, and the hint has the names. No other file is ever read."""
    assert run(["files", name], {}) == 64
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "config/reconciler.toml" in captured.err
    with pytest.raises(KeyError):
        shipped_text(name)


def test_a_name_of_several_files_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that several files have is refused, and the hint has their whole names."""
    names = ("config/a/same.toml", "config/b/same.toml")
    monkeypatch.setattr("reconciler.entrypoints.cli.files.shipped_names", lambda: names)
    with pytest.raises(UsageError) as refused:
        shipped_name("same.toml")
    assert all(name in refused.value.hint for name in names)


def test_an_installed_program_reads_its_own_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a wheel the files are inside of the package, and no folder beside it is read."""
    (tmp_path / "shipped/config").mkdir(parents=True)
    (tmp_path / "shipped/config/reconciler.toml").write_text("[payments]\n")
    monkeypatch.setattr(shipped_files, "_PACKAGE", tmp_path)
    assert shipped_names() == ("config/reconciler.toml",)
    assert shipped_text("config/reconciler.toml") == "[payments]\n"


def test_units_name_the_program_that_installs_them(capsys: pytest.CaptureFixture[str]) -> None:
    """A unit starts the program from its own virtual environment, may execute it, and is otherwise as shipped."""
    assert run(["systemd", "show", "reconciler.service"], {}) == 0
    mark, _, unit = capsys.readouterr().out.partition("\n")
    shipped = (REPOSITORY / "systemd/reconciler.service").read_text(encoding="utf-8")
    assert mark.startswith("# Installed by reconciler ")
    assert unit == shipped.replace("/opt/reconciler/venv", PREFIX)
    assert f"ExecStart={PREFIX}/bin/python -P -m reconciler run" in unit


def test_without_a_name_the_units_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """`systemd show` alone lists each unit that it can print."""
    assert run(["systemd", "show"], {}) == 0
    listed = capsys.readouterr().out.splitlines()
    assert {"reconciler.service", "reconciler-web.service", "reconciler-once.timer"} <= set(listed)
    assert "systemd show UNIT" in listed[-1]


def test_an_interpreter_of_another_folder_may_be_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interpreter outside of /usr/bin, and its libraries, are named in ExecPaths."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3.13"))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    unit = systemd.unit_text("systemd/reconciler.service")
    assert f"ExecPaths={tmp_path}/python3.13 -{tmp_path}/lib -/usr/bin/" in unit


def test_a_second_installation_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The units, the rule for the folder of the keys and the example are written once; another run says unchanged."""
    assert run(["systemd", "install", "--root", str(tmp_path)], {}) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert (tmp_path / "etc/reconciler/credentials").stat().st_mode & 0o777 == 0o700
    assert tmp_path / "etc/systemd/system/reconciler.service" in before
    assert tmp_path / "etc/tmpfiles.d/reconciler.conf" in before
    capsys.readouterr()
    assert run(["systemd", "install", "--root", str(tmp_path)], {}) == 0
    done = {line.split()[0] for line in capsys.readouterr().out.partition("\n\n")[0].splitlines()}
    assert done == {"unchanged", "kept"}
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_what_a_person_wrote_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The configuration is never replaced; a unit that the command did not write only with --force."""
    unit = tmp_path / "etc/systemd/system/reconciler.service"
    configuration = tmp_path / "etc/reconciler/reconciler.toml"
    for path in (unit, configuration):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine\n")
    arguments = ["systemd", "install", "--root", str(tmp_path)]
    assert run(arguments, {}) == 0
    assert "--force" in capsys.readouterr().out
    assert unit.read_text() == configuration.read_text() == "mine\n"
    assert run([*arguments, "--force"], {}) == 0
    assert "replaced" in capsys.readouterr().out
    assert unit.read_text().startswith("# Installed by reconciler ")
    assert configuration.read_text() == "mine\n"


def test_a_unit_of_an_older_version_is_replaced(tmp_path: Path) -> None:
    """A unit that an older version of the command wrote is brought up to date without --force."""
    unit = tmp_path / "etc/systemd/system/reconciler.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("# Installed by reconciler 0.0.1. Change it by a drop-in.\n[Unit]\n")
    assert run(["systemd", "install", "--root", str(tmp_path)], {}) == 0
    assert "ExecStart=" in unit.read_text()


def test_no_systemd_is_a_clear_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a machine without systemd the command writes nothing, ends with 78 and names --root."""
    monkeypatch.setattr(Path, "is_dir", lambda path: str(path) != "/run/systemd/system")
    assert run(["systemd", "install"], {}) == 78
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "systemd does not run" in captured.err
    assert "--root" in captured.err


def test_a_program_that_the_service_cannot_see_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program below /home or /root is a fault on this machine. If files for another are written, it is a warning, which
    comes after the steps, and these say on which machine."""
    monkeypatch.setattr(sys, "prefix", "/home/ana/venv")
    monkeypatch.setattr(Path, "is_dir", lambda path: str(path) == "/run/systemd/system")
    assert run(["systemd", "install"], {}) == 78
    assert "/home/ana/venv" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setattr(sys, "prefix", "/home/ana/venv")
    both = io.StringIO()
    monkeypatch.setattr(sys, "stdout", both)
    monkeypatch.setattr(sys, "stderr", both)
    assert run(["systemd", "install", "--root", str(tmp_path)], {}) == 0
    steps, _, warning = both.getvalue().partition("reconciler status\n")
    assert "Next, on the machine that these files are for:" in steps
    assert "/home/ana/venv" in warning.splitlines()[0]


def test_a_folder_that_cannot_be_written_is_a_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the right to write, the message names the path and the hint names root and --root."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert run(["systemd", "install", "--root", str(blocked)], {}) == 78
    message = capsys.readouterr().err
    assert str(blocked) in message
    assert "as root" in message
