"""The log: one line for each event, JSON or text as its reader needs it, and without secrets."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from reconciler import log


@pytest.fixture(autouse=True)
def restored(original_logging: None) -> Iterator[None]:
    """Restore the process's logging after the test, and forget what it bound."""
    yield
    structlog.contextvars.clear_contextvars()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def entry(stream: io.StringIO) -> dict[str, object]:
    (line,) = stream.getvalue().splitlines()
    parsed = json.loads(line)
    assert isinstance(parsed, dict)
    return parsed


def test_an_event_is_one_line_of_json() -> None:
    """An event is one JSON object on one line, with its name, level, time in UTC and fields."""
    stream = io.StringIO()
    log.configure("info", stream)
    structlog.contextvars.bind_contextvars(account="eu")
    structlog.get_logger("x").info("page.recorded", corrected=3, note="two\nlines")
    found = entry(stream)
    assert found["event"] == "page.recorded"
    assert found["level"] == "info"
    assert found["account"] == "eu"
    assert (found["corrected"], found["note"]) == (3, "two\nlines")
    assert str(found["timestamp"]).endswith("Z")


def test_a_traceback_is_a_field_of_its_event() -> None:
    """A traceback adds no lines to the log, and secrets in it are masked."""
    stream = io.StringIO()
    log.configure("info", stream)
    try:
        int("sk_live_51HxQb2eZvKYlo2C")
    except ValueError:
        structlog.get_logger().error("sweep.failed", exc_info=True)
    found = entry(stream)
    assert "ValueError: invalid literal" in str(found["exception"])
    assert "51HxQb2e" not in stream.getvalue()


def test_secrets_are_masked_by_field_name_and_by_shape() -> None:
    """A field with a secret's name is masked at any depth; a text with a secret's shape is masked in any field."""
    stream = io.StringIO()
    log.configure("info", stream)
    structlog.get_logger().info(
        "x",
        api_key="opaque",
        answer={"list": [{"client_secret": "opaque"}]},
        text="whsec_abcdefghijklmnop",
        late=ValueError("a\nsk_live_51HxQb2eZvKYlo2C"),
        password=None,
    )
    found = entry(stream)
    assert "opaque" not in stream.getvalue()
    assert "51HxQb2e" not in stream.getvalue()
    assert found["text"] == "whsec_***"
    assert found["password"] is None


def test_a_library_s_log_line_has_the_same_format() -> None:
    """A line that a library logs is one JSON line too, with its extra fields, and its secrets are masked."""
    stream = io.StringIO()
    log.configure("info", stream)
    logging.getLogger("apscheduler").warning("job %s", "sk_live_51HxQb2eZvKYlo2C", extra={"job": 7})
    found = entry(stream)
    assert (found["event"], found["level"], found["job"]) == ("job sk_live_***", "warning", 7)


def test_a_job_that_still_runs_has_no_line_of_the_scheduler() -> None:
    """APScheduler's warning of a tick that was left out names no event: the metric of the jobs counts it."""
    stream = io.StringIO()
    log.configure("info", stream)
    logging.getLogger("apscheduler.scheduler").warning("skipped: maximum number of instances")
    assert stream.getvalue() == ""
    logging.getLogger("apscheduler.scheduler").error("broken")
    assert entry(stream)["event"] == "broken"


@pytest.mark.parametrize("name", ["stripe", "httpx", "urllib3"])
def test_libraries_that_log_answers_are_limited_to_warnings(name: str) -> None:
    """A library that would log whole answers logs only warnings, even at the level debug."""
    stream = io.StringIO()
    log.configure("debug", stream)
    logging.getLogger(name).info("body")
    assert stream.getvalue() == ""
    logging.getLogger(name).warning("failed")
    assert entry(stream)["event"] == "failed"


def test_events_below_the_level_are_not_written() -> None:
    """At the level warning, an info event of Reconciler or a library is not written."""
    stream = io.StringIO()
    log.configure("warning", stream)
    structlog.get_logger().info("quiet")
    logging.getLogger("x").info("quiet")
    assert stream.getvalue() == ""


def test_a_terminal_gets_readable_lines() -> None:
    """On a terminal an event is not JSON, and its secrets are masked too."""
    stream = Terminal()
    log.configure("info", stream)
    structlog.get_logger().info("page.recorded", key="sk_live_51HxQb2eZvKYlo2C")
    assert "page.recorded" in stream.getvalue()
    assert "51HxQb2e" not in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.parametrize(
    ("method", "priority"), [("error", 3), ("warning", 4), ("info", 6), ("debug", 7)]
)
def test_a_line_for_journald_begins_with_its_priority(
    tmp_path: Path, method: str, priority: int
) -> None:
    """If journald reads the stream, a line begins with its priority; in any other stream it does not."""
    with (tmp_path / "journal").open("w+") as stream:
        status = os.fstat(stream.fileno())
        log.configure("debug", stream, journal_stream=f"{status.st_dev}:{status.st_ino}")
        getattr(structlog.get_logger(), method)("x")
        log.configure("debug", stream, journal_stream="1:1")
        getattr(structlog.get_logger(), method)("y")
        stream.seek(0)
        journal, plain = stream.read().splitlines()
    assert journal.startswith(f'<{priority}>{{"')
    assert plain.startswith("{")


def test_a_stream_in_memory_is_not_the_journal() -> None:
    """A stream in memory has no inode; asking for it is not an error."""
    assert not log.is_journal("8:1", io.StringIO())


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()], ids=["json", "terminal"])
def test_a_value_controls_no_terminal(stream: io.StringIO) -> None:
    """C1 and marks of direction in a field are escaped in JSON, and on a terminal so is everything but line ends."""
    log.configure("info", stream)
    structlog.get_logger().info("x", status="\x9b31m\u202e", why="a\x1b]0;owned\x07")
    written = stream.getvalue()
    assert "\x9b" not in written
    assert "\u202e" not in written
    assert "\x1b]" not in written
    assert "owned" in written
