"""Mutation tests: ``python -m tests.mutation rules|page_changes|page [--processes N] [--only PATTERN] [--minutes N]``.

mutmut changes the code in one place at a time, and runs the tests that reach this place. ``pyproject.toml`` has the code and the
tests of each name. A change that no test notices is a survivor. Each survivor is tried once more in a process of its own,
with more tests: code that runs while a module is imported can only be changed there. It prints the survivors with their change,
and ends with 1 if there are any. A second run goes on where the first one ended, in ``build/mutation``.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from reconciler.adapters.postgres.demo.embedded import EmbeddedPostgres
from tests.conftest import SERVER_SETTINGS
from tests.mutation.changed_lines import changed_lines

REPOSITORY: Final = Path(__file__).parents[2]
BUILD: Final = REPOSITORY / "build" / "mutation"
RESULTS: Final = {None: "not tried", 0: "survived", 1: "killed", 3: "killed", 33: "without a test"}
"""What the exit code of a mutant's tests means; any other ended its process or took too long."""
MUTANT_SECONDS: Final = 600


def main(arguments: list[str]) -> int:
    """Run the named mutation tests; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("name", choices=list(_sections()))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="*", help="names of mutants, such as *.brake.*")
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args(arguments)
    folder = _copy(options.name)
    with _server(options.name) as environ:
        _mutmut(folder, environ, options)
        results = {
            name: code
            for name, code in _results(folder).items()
            if fnmatch.fnmatchcase(name, options.only)
        }
        survivors = [name for name, code in results.items() if code == 0]
        tests = _sections()[options.name]["retried_with"]
        survivors = [name for name in survivors if _survives(folder, environ, name, tests)]

    counts = Counter(RESULTS.get(code, "ended or hung") for code in results.values())
    counts["killed"] += counts["survived"] - len(survivors)
    counts["survived"] = len(survivors)
    for name in survivors:
        sys.stdout.write(f"{name}\n    {changed_lines(folder, name)}\n")
    sys.stdout.write(f"{options.name}: {len(results):,} mutants; {dict(counts)}\n")
    return 1 if survivors else 0


def _sections() -> Mapping[str, Any]:
    read = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    sections: Mapping[str, Any] = read["tool"]["mutation"]
    return sections


def _copy(name: str) -> Path:
    """A copy of the repository whose pyproject.toml is about these mutation tests. What did not change keeps its results."""
    folder = BUILD / name
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for path in filter(None, listed.stdout.split("\0")):
        source, target = REPOSITORY / path, folder / path
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    project = folder / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    project.write_text(text.replace(f"[tool.mutation.{name}]", "[tool.mutmut]"), encoding="utf-8")
    return folder


@contextmanager
def _server(name: str) -> Iterator[dict[str, str]]:
    """The environment of the tests: those that need a database share one server."""
    environ = {**os.environ, "PYTHONPATH": "."}
    if name != "page":
        yield environ
        return
    postgres = EmbeddedPostgres(SERVER_SETTINGS)
    try:
        postgres.start()
        yield {**environ, "RECONCILER_TEST_SERVER": str(postgres.folder)}
    finally:
        postgres.stop()


def _mutmut(folder: Path, environ: Mapping[str, str], options: argparse.Namespace) -> None:
    """Run mutmut until it has tried every mutant, or until the time is over."""
    mutmut = Path(sys.executable).with_name("mutmut")
    command = [str(mutmut), "run", "--max-children", str(options.processes)]
    if options.only != "*":
        command.append(options.only)
    running = subprocess.Popen(command, cwd=folder, env=environ, start_new_session=True)
    try:
        running.wait(options.minutes * 60)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def _results(folder: Path) -> dict[str, int | None]:
    results: dict[str, int | None] = {}
    for path in sorted(folder.glob("mutants/**/*.meta")):
        results |= json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
    return results


def _survives(folder: Path, environ: Mapping[str, str], name: str, tests: list[str]) -> bool:
    """Whether no test fails with this change, in a process of their own."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        *tests,
    ]
    done = subprocess.run(
        command,
        cwd=folder / "mutants",
        env={**environ, "MUTANT_UNDER_TEST": name},
        capture_output=True,
        timeout=MUTANT_SECONDS,
        check=False,
    )
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
