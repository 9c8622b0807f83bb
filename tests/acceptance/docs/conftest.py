"""The fixtures of the documentation's tests."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.acceptance.docs.played_tutorial import Tutorial
from tests.conftest import Server


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Leave the process's logging as it was: every command sets it up for itself."""
    loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    levels = [(logger, logger.level) for logger in loggers]
    handlers = logging.root.handlers
    yield
    logging.root.handlers = handlers
    for logger, level in levels:
        logger.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def tutorial(empty_database: str, tmp_path: Path) -> Iterator[Tutorial]:
    """The tutorial, played; its shop and its Stripe are still there."""
    with Tutorial(empty_database, tmp_path) as played:
        yield played


@pytest.fixture(scope="module")
def shared_tutorial(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tutorial]:
    """The tutorial, played once for tests that leave what they find."""
    url = server.create("shared_tutorial")
    with Tutorial(url, tmp_path_factory.mktemp("tutorial")) as played:
        yield played
    server.drop("shared_tutorial")
