"""What keeps one account from its work, by the job that met it."""

from __future__ import annotations

import threading

from reconciler.errors import ReconcilerError
from reconciler.exit_codes import ExitCode
from reconciler.masking import redact


class AccountErrors:
    """The last error of each job; a job's success removes it. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._errors: dict[str, ReconcilerError] = {}

    def put(self, job: str, error: ReconcilerError | None) -> None:
        """Keep a job's error; None says that the job succeeded."""
        with self._lock:
            if error is None:
                self._errors.pop(job, None)
            else:
                self._errors[job] = error

    def clear(self) -> None:
        """Forget all errors."""
        with self._lock:
            self._errors.clear()

    @property
    def first(self) -> str | None:
        """The text of the oldest error, secrets masked; None if no job has one."""
        with self._lock:
            return next((redact(str(error)) for error in self._errors.values()), None)

    @property
    def needs_person(self) -> bool:
        """Whether one of the errors stays until a person acts."""
        with self._lock:
            # the exit code of an error says whether time may cure it
            return any(error.exit_code is ExitCode.CONFIGURATION for error in self._errors.values())
