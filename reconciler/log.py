"""The log: one JSON line an event, with a dotted name; and the last line of defence for secrets.

Nothing in this program hands a key, a webhook secret, a client_secret or a password to the log. What a library or a
driver says is not in our hands, so every line is looked over once more before it is written.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from reconciler.masking import MASK, redact

QUIET_LOGGERS: Final = ("apscheduler", "stripe", "httpx", "httpcore", "urllib3", "yoyo")
SILENT_LOGGERS: Final = ("psycopg",)
"""What they warn of comes out as an error of ours as well."""
"""Libraries that would log whole answers, addresses or statements: held at warning, whatever the level."""

_SECRET_NAMES: Final = frozenset(
    {"api_key", "authorization", "client_secret", "password", "stripe_key", "webhook_secret"}
)
_PRIORITIES: Final = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}


def hide_secrets(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """A processor that hides secrets in every field, however deep: by the field's name, or by the value's form."""
    return {key: _hidden(key, value) for key, value in event_dict.items()}


def _hidden(key: object, value: object) -> Any:
    if isinstance(key, str) and key.lower() in _SECRET_NAMES and value is not None:
        return MASK
    match value:
        case str():
            return redact(value)
        case Mapping():
            return {name: _hidden(name, item) for name, item in value.items()}
        case list() | tuple():
            return [_hidden(None, item) for item in value]
        case _:
            return value


class Redacted:
    """A renderer whose line is looked over once more, for objects that only now became text.

    Where journald reads it, a line begins with its priority.
    """

    def __init__(self, renderer: Processor, *, with_priority: bool) -> None:
        self._renderer = renderer
        self._with_priority = with_priority

    def __call__(self, logger: WrappedLogger, method: str, event_dict: EventDict) -> str:
        level = str(event_dict.get("level", "info"))
        line = redact(str(self._renderer(logger, method, event_dict)))
        return f"<{_PRIORITIES.get(level, 6)}>{line}" if self._with_priority else line


def is_journal(journal_stream: str | None, stream: TextIO) -> bool:
    """Whether a stream ends in journald: ``$JOURNAL_STREAM`` names its device and inode (systemd.exec(5))."""
    if not journal_stream:
        return False
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return journal_stream == f"{status.st_dev}:{status.st_ino}"


_SHARED: Final[tuple[Processor, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    hide_secrets,
)
"""What every event goes through, ours and the libraries'."""


def _formatter(stream: TextIO, journal_stream: str | None) -> logging.Formatter:
    renderer: Processor
    if stream.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    else:
        renderer = structlog.processors.JSONRenderer(default=str, ensure_ascii=False)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_SHARED[:-1], structlog.stdlib.ExtraAdder(), _SHARED[-1]],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            Redacted(renderer, with_priority=is_journal(journal_stream, stream)),
        ],
    )


def configure(level: str, stream: TextIO, *, journal_stream: str | None = None) -> None:
    """Send the whole program's log, the libraries' included, to a stream.

    ``level`` is debug, info, warning or error. A terminal gets lines for people, anything else JSON. Called again, it
    replaces what was there.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(stream, journal_stream))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in SILENT_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
