"""The actor of the ledger is the user whom the kernel knows, and no variable of the environment."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from reconciler.entrypoints.invocation import Invocation
from reconciler.entrypoints.login_user import login_user

ROOT = pwd.getpwuid(0).pw_name
REAL = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """The file in which the kernel says who logged in."""
    return tmp_path / "loginuid"


def test_the_login_is_taken(kernel: Path) -> None:
    """Under sudo the real user id is another one, and the login stays."""
    other = next(user for user in pwd.getpwall() if user.pw_uid not in (0, os.getuid()))
    kernel.write_text(str(other.pw_uid))
    assert login_user(kernel) == other.pw_name
    kernel.write_text("0\n")
    assert login_user(kernel) == ROOT


@pytest.mark.parametrize("text", ["4294967295", "", "-1", "root", "4294967296", "\udcff"])
def test_without_a_login_the_real_user_is_taken(kernel: Path, text: str) -> None:
    """A service and a container have no login, and an older kernel may not say."""
    kernel.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert login_user(kernel) == REAL
    kernel.unlink()
    assert login_user(kernel) == REAL


def test_a_user_without_a_name_is_a_number(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user id that the system has no name for is stored as its number."""
    kernel.write_text("4000000000")
    assert login_user(kernel) == "4000000000"
    kernel.unlink()
    monkeypatch.setattr("os.getuid", lambda: 3_999_999_999)
    assert login_user(kernel) == "3999999999"


def test_the_environment_is_not_asked() -> None:
    """SUDO_USER, USER and LOGNAME can be set to any name, so they name no one."""
    plain = Invocation({}).asked_by
    liar = Invocation({"SUDO_USER": "boss", "USER": "boss", "LOGNAME": "boss"}).asked_by
    assert liar == plain
    assert "boss" not in plain
