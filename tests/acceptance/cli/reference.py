"""Updates the README's reference: each command's help and each setting's row. The prose around them stays.

Run it after a change of either, from the root of the checkout: ``python -m tests.acceptance.cli.reference``. The tests
in this folder fail if the README differs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.acceptance.cli.test_documentation import README, WIDTH, commands, reference_rows


def main() -> None:
    text = README.read_text(encoding="utf-8")
    text = _in_order(_with_helps(text))
    rows = "\n".join(reference_rows())
    table = re.compile(r"(?<=\| key \| default \| what it is \|\n\|---\|---\|---\|\n)(\| `.*\n)*")
    README.write_text(table.sub(lambda _: f"{rows}\n", text), encoding="utf-8")


def _with_helps(text: str) -> str:
    for command in [None, *commands()]:
        shown = f"```text\n{_help(command)}\n```\n"
        if command is None:
            old = re.compile(r"```text\nUsage: reconciler \[OPTIONS\] COMMAND.*?\n```\n", re.DOTALL)
        else:
            old = re.compile(rf"```text\nUsage: reconciler {command}\b.*?\n```\n", re.DOTALL)
        if not old.search(text):
            heading = f"### reconciler {command}\n\n"
            text = text.replace("### Exit codes\n", f"{heading}{shown}\n### Exit codes\n", 1)
        text = old.sub(lambda _, shown=shown: shown, text, count=1)
    return text


def _in_order(text: str) -> str:
    """The README with its commands in the order of the help."""
    start = text.index("### reconciler ")
    end = text.index("### Exit codes\n")
    parts = re.split(r"(?=^### reconciler )", text[start:end], flags=re.MULTILINE)[1:]
    names = commands()
    parts.sort(key=lambda part: names.index(part.split("\n", 1)[0].removeprefix("### reconciler ")))
    return text[:start] + "".join(part.rstrip("\n") + "\n\n" for part in parts) + text[end:]


def _help(command: str | None) -> str:
    arguments = [sys.executable, "-m", "reconciler", *([command] if command else []), "--help"]
    env = {**os.environ, "COLUMNS": str(WIDTH)}
    done = subprocess.run(
        arguments, env=env, capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    return done.stdout.strip("\n")


if __name__ == "__main__":
    main()
