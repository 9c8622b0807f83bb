"""What keeps one account from its work, by where it was met."""

from __future__ import annotations

import threading

from reconciler.errors import ExitCode, ReconcilerError
from reconciler.masking import redact


class AccountErrors:
    """The last error of each job, until it went well again. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._errors: dict[str, ReconcilerError] = {}

    def put(self, where: str, error: ReconcilerError | None) -> None:
        """Keep an error; None where it went well."""
        with self._lock:
            if error is None:
                self._errors.pop(where, None)
            else:
                self._errors[where] = error

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._errors.clear()

    @property
    def first(self) -> str | None:
        """The one met first, in words; None where there is none."""
        with self._lock:
            return next((redact(str(error)) for error in self._errors.values()), None)

    @property
    def need_a_person(self) -> bool:
        """Whether one of them does not go away by itself."""
        with self._lock:
            return any(error.exit_code is ExitCode.CONFIGURATION for error in self._errors.values())
