"""Who makes a file now, and with what."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime

from reconciler.entrypoints.invocation import Invocation
from reconciler.entrypoints.statement_files.certificate import Origin
from reconciler.program_version import program_version
from reconciler.settings import Settings
from reconciler.settings.fingerprint import configuration_fingerprint


def origin_of(call: Invocation, settings: Settings, now: datetime, words: Sequence[str]) -> Origin:
    """The origin of a file that ``reconciler`` with these words makes again."""
    return origin_by(call.asked_by, settings, now, words)


def origin_by(run_by: str, settings: Settings, now: datetime, words: Sequence[str]) -> Origin:
    """The same for a person whom the pages know."""
    return Origin(
        run_by=run_by,
        run_at=now,
        program=program_version(),
        configuration=configuration_fingerprint(settings),
        command=shlex.join(("reconciler", *words)),
    )


def moment_word(moment: datetime) -> str:
    """A time as an option takes it."""
    return moment.astimezone(UTC).isoformat()
