"""Writes a file that gets its name only when it is whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from reconciler.errors import UsageError


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Where to write a file. It gets its name only after the block, so that a half-written file is never read.

    Raises UsageError if it cannot be written.
    """
    if not path.name:
        raise UsageError(f"{path} is a folder.", "Name a file with --output.")
    partial = path.with_name(f"{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written ({error.strerror}).", "Name another file with --output."
        ) from None
    finally:
        # it no longer exists if it was renamed
        with suppress(OSError):
            partial.unlink()


@contextmanager
def new_text_file(path: Path) -> Iterator[TextIO]:
    """A file of text in UTF-8 to write, as ``new_file`` has it."""
    with new_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
        yield stream
