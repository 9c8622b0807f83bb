"""The files that come with the program besides its code: systemd's units, and the folder of configurations.

In an installed wheel they are in ``reconciler/shipped``; in a checkout they are in its top-level folders.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDERS: Final = ("config", "systemd")
_PACKAGE: Final = Path(__file__).parent


def shipped_names() -> tuple[str, ...]:
    """The name of each file, such as ``systemd/reconciler.service``, sorted."""
    root = _root()
    return tuple(
        path.relative_to(root).as_posix()
        for folder in FOLDERS
        for path in sorted((root / folder).rglob("*"))
        if path.is_file()
    )


def shipped_text(name: str) -> str:
    """The text of one file.

    Raises KeyError if ``name`` is not one of ``shipped_names()``.
    """
    if name not in shipped_names():
        raise KeyError(name)
    return (_root() / name).read_text(encoding="utf-8")


def _root() -> Path:
    installed = _PACKAGE / "shipped"
    return installed if installed.is_dir() else _PACKAGE.parent
