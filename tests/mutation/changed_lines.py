"""What a mutant changes, in one line: mutmut's own command needs seconds for each."""

from __future__ import annotations

import ast
import difflib
import re
from functools import cache
from pathlib import Path


def changed_lines(folder: Path, name: str) -> str:
    """The lines that the mutant took away and added, without the names that mutmut gives to functions."""
    module, _, function = name.rpartition(".")
    functions = _functions(folder / "mutants" / Path(*module.split(".")).with_suffix(".py"))
    original = functions[f"{function.rpartition('__mutmut_')[0]}__mutmut_orig"]
    lines = difflib.unified_diff(original, functions[function], n=0, lineterm="")
    changed = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
    plain = [
        re.sub(r"\s*# type: ignore.*", "", line) for line in changed if "__mutmut_" not in line
    ]
    return " | ".join(re.sub(r"\s+", " ", line) for line in plain)


@cache
def _functions(path: Path) -> dict[str, list[str]]:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    return {
        node.name: lines[node.lineno - 1 : node.end_lineno]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
