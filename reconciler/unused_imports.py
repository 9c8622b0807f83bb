"""Keeps a library from importing what it uses only if that is installed, and Reconciler never asks it to use."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def kept_out(*names: str) -> Iterator[None]:
    """Let an import of these modules raise ImportError for the length of the block, unless they are imported already."""
    # a module that sys.modules has as None raises ImportError, and the library then does without it
    unused: dict[str, Any] = {name: None for name in names if name not in sys.modules}
    sys.modules.update(unused)
    try:
        yield
    finally:
        for name in unused:
            del sys.modules[name]
