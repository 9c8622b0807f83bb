"""An installation that cannot work says so with exit code 78 and a hint, also if Reconciler's own code cannot be read."""

from __future__ import annotations

import subprocess
import sys

from tests.acceptance.configured_shop import REPOSITORY

OLDER_PYTHON = (
    "import runpy, sys; sys.version_info = (3, 10, 2); sys.version = '3.10.2 (main)';"
    " runpy.run_module('reconciler', run_name='__main__')"
)


def started(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Start this Python in the repository."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_older_python_is_named() -> None:
    """A folder that was copied has no pip that refuses it: the program names this Python and the one that it needs."""
    done = started("-c", OLDER_PYTHON)
    assert done.returncode == 78
    assert done.stderr.splitlines() == [
        "reconciler: this is Python 3.10.2, and Reconciler needs 3.11 or later.",
        "hint: Install Reconciler into a virtual environment of a newer Python: docs/how-to/install.md.",
    ]


def test_without_libpq_the_hint_names_its_package() -> None:
    """psycopg's binary package is missing for this machine, and the library of PostgreSQL too."""
    done = started("-m", "reconciler", "status", PSYCOPG_IMPL="c")
    assert done.returncode == 78
    what, hint = done.stderr.splitlines()
    assert what.startswith("reconciler: Reconciler cannot load a package that it needs: ")
    assert "psycopg" in what
    assert hint.startswith("hint: Install the packages of requirements.lock again.")
    assert "libpq5" in hint
