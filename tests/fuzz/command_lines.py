"""Random command lines of real commands and options: one of the documented exit codes, a hint, and no traceback."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest.mock import patch

from reconciler.entrypoints.cli.app import run
from reconciler.entrypoints.cli.commands import COMMANDS, imported
from tests.fuzz.attempt import Attempt
from tests.unit.settings.configuration import REPOSITORY
from tests.unit.settings.test_random_configurations import ODD_TEXTS

EXIT_CODES: Final = {0, 1, 64, 75, 78}
NOT_RUN: Final = {"demo", "run", "sandbox", "web", "systemd"}
"""Commands that start servers or write files of the system."""
VALUES: Final = (*ODD_TEXTS, "1", "2026-10", "pi_1", "-1", "json", "csv", "9" * 40)
GLOBAL: Final = ("--config", "--log-level", "--version", "--quiet", "--verbose", "-x")
NOWHERE: Final = {
    "DATABASE_URL": "postgresql://127.0.0.1:9/shop?connect_timeout=1",
    "STRIPE_API_KEY": "rk_test_fuzz",
    "RECONCILER_CONFIG": "/nonexistent/reconciler.toml",
}
PROCESS_SECONDS: Final = 120
ODD_BYTES: Final = (b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\x1b]0;x\x07", b"-" * 3000)
ODD_ENVIRONMENT: Final = {
    "LANG": ("C", "POSIX", "tr_TR.UTF-8", "\udcff"),
    "COLUMNS": ("0", "-1", "1", "x", "99999999999999999999"),
    "TERM": ("", "dumb", "xterm-256color", "nonsense"),
    "NO_COLOR": ("1", ""),
    "PAGER": ("", "cat", "/nonexistent", "cat '"),
    "HOME": ("/nonexistent", "", "relative"),
    "TZ": ("Nowhere/Nothing", "", ":/etc/passwd"),
    "PYTHONIOENCODING": ("ascii", "utf-16", "latin-1"),
}


@cache
def _commands() -> Mapping[str, Any]:
    # building the tree of commands takes longer than a command does
    return {name: imported(name) for name in COMMANDS}


def words_of(random: Random) -> list[str]:
    """A real command, some of its options, and some values, in any order."""
    commands = _commands()
    name = random.choice(sorted(commands.keys() - NOT_RUN))
    options = [option for each in commands[name].params for option in each.opts if option[0] == "-"]
    words = [name]
    for _ in range(random.randrange(5)):
        if options and random.random() < 0.7:
            words.append(random.choice(options))
        if random.random() < 0.7:
            words.append(random.choice(VALUES))
    if random.random() < 0.1:
        words.insert(0, random.choice(GLOBAL))
    return words


@contextmanager
def command_lines() -> Iterator[Attempt]:
    """Command lines in this process, beside a database that does not answer, in an empty folder."""
    with _empty_folder():

        def attempt(random: Random) -> int:
            words = words_of(random)
            out, err = io.StringIO(), io.StringIO()
            with (
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
                patch("sys.stdin", io.StringIO()),
            ):
                code = run(words, NOWHERE)
            _check(words, code, err.getvalue())
            return 1

        yield attempt


@contextmanager
def command_processes() -> Iterator[Attempt]:
    """Command lines as processes, with bytes that are not text and an odd environment."""
    with TemporaryDirectory() as folder:

        def attempt(random: Random) -> int:
            words = [_bytes_of(word, random) for word in words_of(random)]
            environ = {
                "PATH": os.defpath,
                "PYTHONPATH": str(REPOSITORY),
                **NOWHERE,
                **{
                    name: random.choice(ODD_ENVIRONMENT[name])
                    for name in random.sample(sorted(ODD_ENVIRONMENT), random.randrange(4))
                },
            }
            done = subprocess.run(
                [sys.executable, "-W", "error", "-m", "reconciler", *words],
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PROCESS_SECONDS,
                check=False,
            )
            _check((words, environ), done.returncode, done.stderr.decode("utf-8", "replace"))
            return 1

        yield attempt


def _bytes_of(word: str, random: Random) -> bytes:
    """The word as an argument of a process, which has no NUL; some are not text."""
    if random.random() < 0.1:
        return random.choice(ODD_BYTES)
    return word.replace("\x00", "").encode("utf-8", "surrogatepass")


def _check(words: object, code: int, err: str) -> None:
    if code not in EXIT_CODES or "Traceback" in err:
        raise AssertionError(f"{words}: exit code {code}\n{err}")


@contextmanager
def _empty_folder() -> Iterator[None]:
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        yield
