"""The log: each event is one line of JSON with a dotted name, and secrets in it are masked.

Reconciler itself logs no key, webhook secret, client_secret or password. A library or a driver may log one in its
messages, so every field and every finished line is masked before it is written.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any, Final, TextIO

from reconciler.masking import MASK, redact, visible, visible_json
from reconciler.unused_imports import kept_out

# structlog shows a traceback with rich, and looks for greenlets, if they are installed. Here a traceback is plain text
# before the renderer has it. Without them every command starts sooner, and the service is 4 MB smaller.
with kept_out("rich", "greenlet"):
    import structlog
    from structlog.typing import EventDict, Processor, WrappedLogger

QUIET_LOGGERS: Final = ("apscheduler", "stripe", "httpx", "httpcore", "urllib3", "yoyo")
"""Libraries that would log whole answers, URLs or statements: they log warnings and errors only, at any level."""
SILENT_LOGGERS: Final = ("psycopg", "apscheduler.scheduler")
"""Libraries whose warnings Reconciler reports in its own errors and metrics: they log errors only."""
REPORTED_LOGGERS: Final = ("apscheduler.executors",)
"""Libraries whose errors Reconciler logs itself: the error that ended a job is told once."""

_SECRET_NAMES: Final = frozenset(
    {"api_key", "authorization", "client_secret", "password", "stripe_key", "webhook_secret"}
)
"""Names of fields that are masked as a whole."""
_PRIORITIES: Final = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
"""syslog(3) priorities, by level."""


def mask_secrets(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """A processor of structlog that masks secrets in every field, at any depth: by its name, or by a value's shape."""
    return {key: _masked(key, value) for key, value in event_dict.items()}


def _masked(key: object, value: object) -> Any:
    if isinstance(key, str) and key.lower() in _SECRET_NAMES and value is not None:
        return MASK
    match value:
        case str():
            return redact(value)
        case Mapping():
            return {name: _masked(name, item) for name, item in value.items()}
        case list() | tuple():
            return [_masked(None, item) for item in value]
        case _:
            return value


def escape_controls(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """A processor that escapes what could control a terminal in every text. The lines of a traceback stay lines."""
    return {
        key: visible(value, keep="\n\t") if isinstance(value, str) else value
        for key, value in event_dict.items()
    }


class MaskedRenderer:
    """Renders a line and masks it once more, because an object such as an exception becomes text only here.

    If ``with_priority``, the line begins with the priority that journald reads, such as ``<4>``.
    """

    def __init__(self, renderer: Processor, *, with_priority: bool) -> None:
        self._renderer = renderer
        self._with_priority = with_priority

    def __call__(self, logger: WrappedLogger, method: str, event_dict: EventDict) -> str:
        level = str(event_dict.get("level", "info"))
        line = redact(str(self._renderer(logger, method, event_dict)))
        if isinstance(self._renderer, structlog.processors.JSONRenderer):
            line = visible_json(line)
        return f"<{_PRIORITIES.get(level, 6)}>{line}" if self._with_priority else line


def is_journal(journal_stream: str | None, stream: TextIO) -> bool:
    """journald reads this stream. ``$JOURNAL_STREAM`` has the device and inode of its socket (systemd.exec(5))."""
    if not journal_stream:
        return False
    # a stream in memory has no file number
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
    mask_secrets,
)
"""The processors for every event, from Reconciler or a library. Masking is the last."""


def _formatter(
    stream: TextIO, journal_stream: str | None, *, is_text: bool | None = None
) -> logging.Formatter:
    # on a terminal people read, elsewhere programs
    renderer: Processor
    escapes: tuple[Processor, ...] = ()
    if stream.isatty() if is_text is None else is_text:
        renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty())
        escapes = (escape_controls,)
    else:
        renderer = structlog.processors.JSONRenderer(default=str, ensure_ascii=False)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_SHARED[:-1], structlog.stdlib.ExtraAdder(), _SHARED[-1]],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *escapes,
            MaskedRenderer(renderer, with_priority=is_journal(journal_stream, stream)),
        ],
    )


def set_format(stream: TextIO, *, journal_stream: str | None, is_text: bool) -> None:
    """Write readable lines, or JSON, to the stream that ``configure`` was given, on a terminal and elsewhere."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_formatter(stream, journal_stream, is_text=is_text))


def configure(level: str, stream: TextIO, *, journal_stream: str | None = None) -> None:
    """Send the whole program's log, and that of its libraries, to a stream.

    ``level`` is debug, info, warning or error. A terminal gets readable lines, any other stream gets JSON. A second call
    replaces the first one's settings.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(stream, journal_stream))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())

    for name in SILENT_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in REPORTED_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)

    # loggers are not cached, so that a second call, as in tests, also changes those that exist
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
