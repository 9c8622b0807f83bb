"""The log: one line an event, in the right form for whoever reads it, and without secrets."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from reconciler import log
from reconciler.masking import redact


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave the process's logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    for name in log.QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.NOTSET)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


SECRETS = [
    ("sk_live_51HxQb2eZvKYlo2C", "sk_live_***"),
    ("rk_test_51HxQb2eZvKYlo2C", "rk_test_***"),
    ("sk_51HxQb2eZvKYlo2C", "sk_***"),
    ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_***"),
    ("pi_3Mt_secret_YrKJUKribcBjcG8HVhfZluoGH", "pi_3Mt_secret_***"),
    ("seti_1Mm8_secret_NWzzPBr0Z", "seti_1Mm8_secret_***"),
    ("postgresql://me:hunter2@db/shop", "postgresql://me:***@db/shop"),
    ("host=db password=hunter2 user=me", "host=db password=*** user=me"),
    ("host=db password='hun ter2' user=me", "host=db password=*** user=me"),
    ("Authorization: Bearer rk51HxQb2eZvKYlo2C", "Authorization: Bearer ***"),
]


@pytest.mark.parametrize(("text", "shown"), SECRETS)
def test_redact(text: str, shown: str) -> None:
    """Keys, webhook secrets, client_secrets and passwords cannot be read any more; the rest of the text can."""
    assert redact(f"before {text} after") == f"before {shown} after"


@pytest.mark.parametrize(
    "text",
    ["pi_3MtwBwLkdIwHu7ix", "req_51HxQb2e", "acct_1032D82e", "task_force_one", "https://a:1/b"],
)
def test_redact_leaves_the_rest(text: str) -> None:
    """Ids that support asks for, and plain words, are not taken for secrets."""
    assert redact(text) == text


@given(
    st.text(),
    st.text(alphabet="abcXYZ019", min_size=8),
    st.sampled_from(["sk_live_", "whsec_", "pi_1_secret_"]),
)
def test_redact_in_any_text(around: str, body: str, prefix: str) -> None:
    """Wherever a secret stands, it is found."""
    assert prefix + body not in redact(f"{around} {prefix}{body}")


def entry(stream: io.StringIO) -> dict[str, object]:
    (line,) = stream.getvalue().splitlines()
    parsed = json.loads(line)
    assert isinstance(parsed, dict)
    return parsed


def test_one_line_of_json() -> None:
    """An event is one JSON object on one line, with name, level, time in UTC and its fields."""
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


def test_a_traceback_stays_on_its_line() -> None:
    """An exception is a field of its event, and what it says is looked over too."""
    stream = io.StringIO()
    log.configure("info", stream)
    try:
        int("sk_live_51HxQb2eZvKYlo2C")
    except ValueError:
        structlog.get_logger().error("sweep.failed", exc_info=True)
    found = entry(stream)
    assert "ValueError: invalid literal" in str(found["exception"])
    assert "51HxQb2e" not in stream.getvalue()


def test_secrets_by_name_and_form() -> None:
    """A secret is hidden by the name of its field, however deep, and by its form wherever it stands."""
    stream = io.StringIO()
    log.configure("info", stream)
    structlog.get_logger().info(
        "x",
        api_key="opaque",
        answer={"list": [{"client_secret": "opaque"}]},
        text="whsec_abcdef",
        late=ValueError("a\nsk_live_51HxQb2eZvKYlo2C"),
        password=None,
    )
    found = entry(stream)
    assert "opaque" not in stream.getvalue()
    assert "51HxQb2e" not in stream.getvalue()
    assert found["text"] == "whsec_***"
    assert found["password"] is None


def test_standard_logging_goes_the_same_way() -> None:
    """What a library logs is one JSON line as well, with its extra fields, and looked over."""
    stream = io.StringIO()
    log.configure("info", stream)
    logging.getLogger("apscheduler").warning("job %s", "sk_live_51HxQb2eZvKYlo2C", extra={"job": 7})
    found = entry(stream)
    assert (found["event"], found["level"], found["job"]) == ("job sk_live_***", "warning", 7)


@pytest.mark.parametrize("name", ["stripe", "httpx", "urllib3"])
def test_loud_libraries_are_held_at_warning(name: str) -> None:
    """Libraries that log whole answers are quiet even at the level debug."""
    stream = io.StringIO()
    log.configure("debug", stream)
    logging.getLogger(name).info("body")
    assert stream.getvalue() == ""
    logging.getLogger(name).warning("trouble")
    assert entry(stream)["event"] == "trouble"


def test_level() -> None:
    """What is below the level is not written."""
    stream = io.StringIO()
    log.configure("warning", stream)
    structlog.get_logger().info("quiet")
    logging.getLogger("x").info("quiet")
    assert stream.getvalue() == ""


def test_a_terminal_gets_lines_for_people() -> None:
    """On a terminal an event is not JSON, and is looked over all the same."""
    stream = Terminal()
    log.configure("info", stream)
    structlog.get_logger().info("page.recorded", key="sk_live_51HxQb2eZvKYlo2C")
    assert "page.recorded" in stream.getvalue()
    assert "51HxQb2e" not in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.parametrize(
    ("method", "priority"), [("error", 3), ("warning", 4), ("info", 6), ("debug", 7)]
)
def test_journald_priority(tmp_path: Path, method: str, priority: int) -> None:
    """Where journald reads the stream, a line begins with its priority; elsewhere it does not."""
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


def test_a_stream_without_a_file_is_no_journal() -> None:
    """A stream in memory has no inode, and that is no error."""
    assert not log.is_journal("8:1", io.StringIO())
