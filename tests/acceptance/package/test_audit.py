"""The audit of the packages says whether it has learned anything: silence of the service is not an all-clear."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
KNOWN = {"name": "a", "version": "1.0", "vulns": []}
WEAK = {"name": "b", "version": "2.0", "vulns": [{"id": "CVE-1", "fix_versions": ["2.1"]}]}
UNKNOWN = {"name": "c", "skip_reason": "Dependency not found and could not be audited: c (3.0)"}


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ([KNOWN, KNOWN], 0, "2 of 2 packages audited, 0 with a known weakness\n"),
        (
            [KNOWN, WEAK],
            1,
            "b 2.0: CVE-1, fixed in 2.1\n2 of 2 packages audited, 1 with a known weakness\n",
        ),
        (
            [KNOWN, UNKNOWN],
            0,
            (
                "1 of 2 packages audited, 0 with a known weakness\n"
                "Not audited: 1 packages, which the service does not know or did not answer about\n"
            ),
        ),
        (
            [UNKNOWN, UNKNOWN],
            0,
            "Not audited: the service said nothing of any of the 2 packages (Dependency not found and could not be audited)\n",
        ),
        (None, 0, "Not audited: the service cannot be reached (no route to host)\n"),
    ],
)
def test_an_audit_without_an_answer_is_no_all_clear(
    tmp_path: Path, answer: list[object] | None, code: int, said: str
) -> None:
    """It fails for a known weakness alone, and a line that begins with "Not audited" names what could not be looked up."""
    lines = ["#!/bin/sh", "echo 'no route to host' >&2", "exit 1"]
    if answer is not None:
        lines = ["#!/bin/sh", f"echo '{json.dumps({'dependencies': answer})}'"]
    tool = tmp_path / "pip-audit"
    tool.write_text("\n".join(lines), encoding="utf-8")
    tool.chmod(0o755)
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / ".ci" / "audit"), str(tool)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, said)
