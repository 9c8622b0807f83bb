"""What a person does after ``init``: give the service its role and its tables, and ask the doctor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from reconciler.entrypoints.init.grants_text import ROLE
from reconciler.entrypoints.invocation import PROGRAM

_DEFAULT_OUTPUT: Final = Path("reconciler.toml")


def next_steps(output: Path, grants: Path, *, has_schema: bool) -> Iterator[str]:
    """The lines of the next steps. ``has_schema`` is whether this role may already write Reconciler's tables."""
    option = "" if output == _DEFAULT_OUTPUT else f" --config {output}"
    doctor = f"{PROGRAM}{option} doctor"
    yield ""
    if has_schema:
        yield f"Next: {doctor}"
        return
    yield "Next:"
    yield (
        f"  1. Check {output} and {grants}. Then run as a role that owns the table and may create "
        f'roles: psql "$DATABASE_URL" --file {grants}'
    )
    yield f"  2. Run as a role that may create a schema: {PROGRAM}{option} migrate --daemon-role {ROLE}"
    yield f"  3. Name the role {ROLE} in DATABASE_URL, such as postgresql://{ROLE}@HOST/DATABASE"
    yield f"  4. {doctor}"
    yield f"  5. {PROGRAM}{option} sweep shows what it would correct; --apply corrects it."
