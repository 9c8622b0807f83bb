"""The fixtures of the documentation's tests."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.acceptance.docs.played_tutorial import Tutorial
from tests.conftest import Server

PLAYED = "played_tutorial"


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


@pytest.fixture(scope="session")
def played_tutorial(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tutorial]:
    """The tutorial, played once, for copies of its database: nothing else may be done in it."""
    with Tutorial(server.create(PLAYED), tmp_path_factory.mktemp("played")) as played:
        yield played
    server.drop(PLAYED)


def _copy(server: Server, played: Tutorial, name: str, folder: Path) -> Iterator[Tutorial]:
    with Tutorial(server.create(name, PLAYED), folder, copied=played) as copy:
        yield copy
    server.drop(name)


@pytest.fixture
def tutorial(server: Server, played_tutorial: Tutorial, tmp_path: Path) -> Iterator[Tutorial]:
    """The tutorial, played; its shop and its Stripe are still there."""
    yield from _copy(server, played_tutorial, "tutorial", tmp_path)


@pytest.fixture(scope="module")
def shared_tutorial(
    server: Server, played_tutorial: Tutorial, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tutorial]:
    """The tutorial for tests that leave what they find."""
    folder = tmp_path_factory.mktemp("tutorial")
    yield from _copy(server, played_tutorial, "shared_tutorial", folder)
